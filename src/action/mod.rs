//! Actions and effects: everything that a user can ask for, and everything that the program does
//! outside its own state, as data.
//!
//! An [`Action`] is one row here (its name and help) and its keys are rows in
//! `assets/default-config.toml`; what only one pane does is an [`OwnAction`] in that pane's file. The
//! [`Keymap`] knows all of them: the help, the footer and the palette are made of it. An [`Effect`] is what the screen's state asks of the world; the answer is a
//! [`Done`].

mod draft;
mod effect;
mod keymap;
mod opened;
mod saved;

pub use draft::{Draft, DraftPair, ValueSource, VariableState, Variables};
pub use effect::{Attempt, Done, Effect};
pub use keymap::{Binding, Keymap, combination, show, types_instead};
pub use opened::{Folded, Opened};
pub use saved::{
    SavedExchange, SavedSession, SentRequest, SessionHit, StoredRequest, UnreadSession,
};

/// Makes the enum, its names and its help from one table.
macro_rules! actions {
    ($($variant:ident $name:literal $short:literal $help:literal)*) => {
        /// One action of the user.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is explained by its help text, below")]
        pub enum Action {
            $($variant,)*
            #[doc = "An action that a pane brings."]
            Own(&'static OwnAction),
        }

        impl Action {
            /// Every action that no pane brings, in the order of the help.
            pub const ALL: &'static [Action] = &[$(Action::$variant),*];

            /// Its name in the configuration.
            pub fn name(self) -> &'static str {
                match self {
                    $(Action::$variant => $name,)*
                    Action::Own(own) => own.name,
                }
            }

            /// One or two words for the footer.
            pub fn short(self) -> &'static str {
                match self {
                    $(Action::$variant => $short,)*
                    Action::Own(own) => own.short,
                }
            }

            /// Returns what it does, for the help and the palette.
            pub fn help(self) -> &'static str {
                match self {
                    $(Action::$variant => $help,)*
                    Action::Own(own) => own.help,
                }
            }
        }
    };
}

actions! {
    Send "send" "send" "send the request"
    Repeat "repeat" "repeat" "send the request many times and count the outcomes"
    Stop "stop" "stop" "stop the running stream and keep what arrived"
    Interrupt "interrupt" "stop/quit" "stop the running stream; when none runs, quit"
    Quit "quit" "quit" "quit (asks if a stream is running)"
    Help "help" "help" "show the keys of this pane"
    Palette "palette" "commands" "find a command by its name"
    SaveSession "save-session" "save" "save the session to a file"
    ExportMarkdown "export-markdown" "bug report" "write a bug report (Markdown) of what is shown to a file"
    OpenFile "open-file" "open" "open a saved session or a raw body"
    NextPane "next-pane" "pane" "go to the next pane"
    PreviousPane "previous-pane" "pane back" "go to the previous pane"
    PaneRequest "pane-request" "request" "go to the request"
    PaneFrames "pane-frames" "frames" "go to the frames"
    PaneDetail "pane-detail" "bytes" "go to the bytes of the selected frame"
    PaneAnswer "pane-answer" "answer" "go to the answer: channels, tools, usage, shape, headers"
    PaneExchanges "pane-exchanges" "exchanges" "go to the exchanges of the session, where there are several"
    PaneTimeline "pane-timeline" "findings" "go to the timeline and the findings"
    Zoom "zoom" "zoom" "zoom the pane, or show all panes again"
    NextTab "next-tab" "tab" "show the pane's next tab"
    PreviousTab "previous-tab" "tab back" "show the pane's previous tab"
    History "history" "history" "browse this session's exchanges and the saved sessions"
    DeleteItem "delete-item" "delete" "delete the selected saved session"
    PinItem "pin-item" "pin" "keep the selected saved session for good, or let it be pruned again"
    SearchSessions "search-sessions" "search all" "search a text in all saved sessions"
    NextExchange "next-exchange" "next exchange" "show the next exchange"
    PreviousExchange "previous-exchange" "previous exchange" "show the previous exchange"
    NextProblem "next-problem" "next problem" "select the next finding of warn or worse"
    PreviousProblem "previous-problem" "previous problem" "select the previous finding of warn or worse"
    Explain "explain" "explain" "explain the selected finding"
    Compare "compare" "compare" "compare: one request at two providers, two requests at once, or two exchanges"
    SwapSides "swap-sides" "swap A B" "swap A and B of a comparison"
    ExpectSame "expect-same" "same/different" "expect identical streams, or independent ones"
    LinkSides "link-sides" "link" "scroll both sides by time, by frame, or each alone"
    Search "search" "search" "search the bytes of the frames"
    FilterFrames "filter-frames" "filter" "list only the frames that match, kind:event gap>500ms text~foo"
    SearchNext "search-next" "next hit" "go to the next hit"
    SearchPrevious "search-previous" "previous hit" "go to the previous hit"
    Copy "copy" "copy" "copy: frame, JSON, answer, request as curl"
    PickTheme "pick-theme" "theme" "choose the colors, shown at once"
    ReloadConfig "reload-config" "reload" "read the configuration again, which also happens after its file was changed"
    Redraw "redraw" "redraw" "redraw the screen"
    Suspend "suspend" "suspend" "suspend to the shell"
    Play "play" "play" "play the recording at its pace, as it happened"
    Pause "pause" "pause" "pause, or play on"
    StepForward "step" "step" "show what arrived next"
    StepBack "step-back" "step back" "show what was known before that"
    Faster "faster" "faster" "play faster, up to 64×"
    Slower "slower" "slower" "play slower, down to 0.1×"
    SeekForward "seek" "seek" "go on by a twentieth of the recording"
    SeekBack "seek-back" "seek back" "go back by a twentieth of the recording"
    Up "up" "up" "one line up"
    Down "down" "down" "one line down"
    Left "left" "left" "to the left; in a text to the previous delta"
    Right "right" "right" "to the right; in a text to the next delta"
    HalfPageUp "half-page-up" "half up" "half a page up"
    HalfPageDown "half-page-down" "half down" "half a page down"
    PageUp "page-up" "page up" "a page up"
    PageDown "page-down" "page down" "a page down"
    Top "top" "top" "to the beginning"
    Bottom "bottom" "end" "to the end, and follow the stream"
    Accept "accept" "choose" "choose, open or confirm"
    Back "back" "back" "close, leave or go back"
    FormatBody "format-body" "format" "format the body as indented JSON"
    PickProvider "pick-provider" "provider" "choose the provider"
    PickModel "pick-model" "model" "choose or type the model"
    Undo "undo" "undo" "undo the last edit"
    Redo "redo" "redo" "redo the undone edit"
    Translate "translate" "translate" "translate the request into the chosen provider's dialect"
    KeepBody "keep-body" "keep my text" "choose the provider and keep the body unchanged"
    Yes "yes" "yes" "yes"
    No "no" "no" "no"
}

impl Action {
    /// Returns the number of lines by which it moves a text that shows `page` lines at a time, if it moves
    /// one; down is positive.
    pub fn scrolls(self, page: isize) -> Option<isize> {
        Some(match self {
            Action::Up => -1,
            Action::Down => 1,
            Action::HalfPageUp => -page / 2,
            Action::HalfPageDown => page / 2,
            Action::PageUp => -page,
            Action::PageDown => page,
            Action::Top => isize::MIN / 2,
            Action::Bottom => isize::MAX / 2,
            _ => return None,
        })
    }
}

/// An action that a pane brings: nothing else names it.
#[derive(Debug)]
pub struct OwnAction {
    /// Its name in the configuration.
    pub name: &'static str,
    /// One or two words for the footer.
    pub short: &'static str,
    /// Description of what it does, for the help and the palette.
    pub help: &'static str,
    /// The keys that ask for it in the pane, spelled as in the configuration, which may bind others.
    pub keys: &'static [&'static str],
}

/// The place where a pane's own keys count, with the actions that the pane brings.
#[derive(Debug)]
pub struct OwnContext {
    /// Its name in the configuration: `[keys.NAME]`.
    pub name: &'static str,
    /// A heading for the help.
    pub title: &'static str,
    /// The pane's own actions.
    pub actions: &'static [&'static OwnAction],
}

/// Implements comparison by name, which identifies each of them. Nothing else is looked at.
macro_rules! named {
    ($($type:ty),*) => {
        $(
            impl PartialEq for $type {
                fn eq(&self, other: &Self) -> bool {
                    self.name == other.name
                }
            }

            impl Eq for $type {}

            impl PartialOrd for $type {
                fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                    Some(self.cmp(other))
                }
            }

            impl Ord for $type {
                fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                    self.name.cmp(other.name)
                }
            }

            impl std::hash::Hash for $type {
                fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                    self.name.hash(state);
                }
            }
        )*
    };
}

named!(OwnAction, OwnContext);

/// A place where a key counts. The tables of the configuration are named like these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    /// In every place, also while typing.
    Everywhere,
    /// In every list and text; where letters type, only keys that are no letters.
    Movement,
    /// In every pane, but not while typing.
    Panes,
    /// In the view of two exchanges side by side.
    Compare,
    /// In every pane, while a recording plays.
    Playback,
    /// While typing the body.
    Editor,
    /// In a list to choose from.
    List,
    /// In a text to read: help, an explanation.
    Text,
    /// Before the body is translated for another provider.
    Translation,
    /// In the table of a request that is sent many times.
    Repetition,
    /// While typing one line.
    Prompt,
    /// In front of a question.
    Confirm,
    /// In a pane.
    Own(&'static OwnContext),
}

impl Context {
    /// Every context that is no pane's, in the order of the help.
    pub const ALL: &'static [Context] = &[
        Context::Everywhere,
        Context::Movement,
        Context::Panes,
        Context::Playback,
        Context::Compare,
        Context::Editor,
        Context::List,
        Context::Text,
        Context::Translation,
        Context::Repetition,
        Context::Prompt,
        Context::Confirm,
    ];

    /// Its name in the configuration: `[keys.NAME]`.
    pub fn name(self) -> &'static str {
        match self {
            Context::Everywhere => "everywhere",
            Context::Movement => "movement",
            Context::Panes => "panes",
            Context::Playback => "playback",
            Context::Compare => "compare",
            Context::Editor => "editor",
            Context::List => "list",
            Context::Text => "text",
            Context::Translation => "translation",
            Context::Repetition => "repetition",
            Context::Prompt => "prompt",
            Context::Confirm => "confirm",
            Context::Own(own) => own.name,
        }
    }

    /// A heading for the help.
    pub fn title(self) -> &'static str {
        match self {
            Context::Everywhere => "Everywhere",
            Context::Movement => "Movement",
            Context::Panes => "In every pane",
            Context::Playback => "While a recording plays",
            Context::Compare => "In a comparison",
            Context::Editor => "While typing the body",
            Context::List => "In a list",
            Context::Text => "In a text",
            Context::Translation => "Before the body is translated",
            Context::Repetition => "In the outcomes of many",
            Context::Prompt => "While typing a line",
            Context::Confirm => "At a question",
            Context::Own(own) => own.title,
        }
    }

    /// Returns whether letters with no other meaning are typed as text here.
    pub fn types(self) -> bool {
        matches!(self, Context::Editor | Context::List | Context::Prompt)
    }
}

#[cfg(test)]
mod tests;
