//! What the user's wishes do: the ones that are about no single pane.

use std::path::PathBuf;

use crossterm::event::KeyEvent;

use super::overlay::{Choice, List, Overlay, Picks, Purpose, Reading, Subject};
use super::pane::PaneId;
use super::pane::frames::severity_sign;
use super::theme::Role;
use super::widget::Doc;
use super::{App, Report};
use crate::action::{Action, Context, Effect};
use crate::inspect::{Rule, Severity};
use crate::text::{Newlines, count, group, visible};

impl App {
    /// Does what the user wishes.
    pub(super) fn act(&mut self, action: Action) {
        if !self.overlays.is_empty() && self.overlay_act(action) {
            return;
        }
        // Of the rest only what counts everywhere goes past an overlay.
        let on_top = self.overlays.is_empty();
        if on_top && self.compare_act(action) {
            return;
        }
        if on_top && self.compare.is_none() && (self.focus.pane().act)(self, action) {
            return;
        }
        // What opens something over the panes takes the place of what is there.
        let opens = matches!(
            action,
            Action::Send
                | Action::Help
                | Action::Palette
                | Action::SaveSession
                | Action::ExportMarkdown
                | Action::OpenFile
                | Action::History
                | Action::Search
                | Action::Repeat
                | Action::Copy
                | Action::Compare
        );
        if opens {
            self.overlays.clear();
        }
        match action {
            Action::Send => self.send(),
            Action::Repeat => self.show_repeat(),
            Action::Interrupt | Action::Stop if self.loading.is_some() => {
                self.effects.push(Effect::StopLoading);
            }
            Action::Stop => self.stop(),
            Action::Interrupt if self.only_piped() => self.act(Action::Quit),
            Action::Interrupt if self.is_running() => self.stop(),
            Action::Interrupt => self.effects.push(Effect::Quit),
            Action::Quit if self.is_running() => {
                let question = "A stream is running. Quit all the same?  y yes   n no";
                self.overlays.push(Overlay::Confirm(question.to_owned()));
            }
            Action::Quit => self.effects.push(Effect::Quit),
            Action::Help => self.help(),
            Action::Palette => self.palette(),
            Action::SaveSession => {
                let name = self.free_name("");
                self.ask(Purpose::SaveSession, "Save the session to", &name);
            }
            Action::ExportMarkdown if self.exchanges.is_empty() => {
                self.say("There is nothing to report yet: send a request, or open a recording.");
            }
            Action::ExportMarkdown => {
                self.ask_report(Subject::Session, "Write a bug report (Markdown) to");
            }
            Action::OpenFile => {
                self.ask(Purpose::OpenFile, "Open (a session, .sse, .ndjson, curl -i, .har)", "")
            }
            Action::NextPane => self.go(self.focus.step(1)),
            Action::PreviousPane => self.go(self.focus.step(PaneId::ALL.len() - 1)),
            Action::PaneRequest => self.go(PaneId::Request),
            Action::PaneFrames => self.go(PaneId::Frames),
            Action::PaneDetail => self.go(PaneId::Detail),
            Action::PaneAnswer => self.go(PaneId::Answer),
            Action::PaneTimeline => self.go(PaneId::Timeline),
            Action::Zoom => self.zoom = !self.zoom,
            // Tabs and the hex view are reached from the frames, too: that is where one looks.
            Action::NextTab | Action::PreviousTab | Action::Hex => {
                (PaneId::Detail.pane().act)(self, action);
            }
            Action::NextChoice => {
                (PaneId::Answer.pane().act)(self, action);
            }
            Action::NextLens => {
                self.go(PaneId::Answer);
                (PaneId::Answer.pane().act)(self, action);
            }
            Action::FilterSeverity | Action::FilterPhase | Action::ToggleGroup => {
                self.go(PaneId::Timeline);
                (PaneId::Timeline.pane().act)(self, action);
            }
            Action::History => self.history(),
            Action::NextExchange => self.step_exchange(1),
            Action::PreviousExchange => self.step_exchange(-1),
            Action::NextProblem => {
                self.problem(true);
            }
            Action::PreviousProblem => {
                self.problem(false);
            }
            Action::Explain => self.explain(),
            Action::Search => {
                let needle = self.needle.clone();
                self.ask(Purpose::Search, "Search the bytes", &needle);
            }
            Action::SearchNext => self.search(true),
            Action::SearchPrevious => self.search(false),
            Action::Copy => self.copy_menu(),
            Action::Compare => self.pick_beside(),
            Action::SwapSides | Action::ExpectSame | Action::LinkSides => {
                self.say("That is for a comparison.");
            }
            Action::Redraw => self.effects.push(Effect::Redraw),
            Action::Suspend => self.effects.push(Effect::Suspend),
            Action::Back if self.zoom => self.zoom = false,
            Action::Back if self.is_running() && !self.only_piped() => self.stop(),
            Action::EditBody
            | Action::PickProvider
            | Action::PickModel
            | Action::EditUrl
            | Action::EditMethod
            | Action::AddHeader
            | Action::DeleteHeader
            | Action::FormatBody
            | Action::ResetRequest
            | Action::PasteCurl
            | Action::TakeRequest
            | Action::LoadRequest
            | Action::SaveRequest
                if on_top && self.focus != PaneId::Request =>
            {
                self.go(PaneId::Request);
                (PaneId::Request.pane().act)(self, action);
            }
            Action::Up
            | Action::Down
            | Action::Left
            | Action::Right
            | Action::HalfPageUp
            | Action::HalfPageDown
            | Action::PageUp
            | Action::PageDown
            | Action::Top
            | Action::Bottom
            | Action::Accept
            | Action::Back
            | Action::Undo
            | Action::Redo
            | Action::Yes
            | Action::Translate
            | Action::KeepBody
            | Action::No
            | Action::EditBody
            | Action::PickProvider
            | Action::PickModel
            | Action::EditUrl
            | Action::EditMethod
            | Action::AddHeader
            | Action::DeleteHeader
            | Action::FormatBody
            | Action::ResetRequest
            | Action::PasteCurl
            | Action::TakeRequest
            | Action::LoadRequest
            | Action::SaveRequest => {}
        }
    }

    /// What runs is nothing that could be stopped from here: another program writes it.
    pub(super) fn only_piped(&self) -> bool {
        let mut running = self.exchanges.iter().filter(|e| e.is_running()).peekable();
        !self.sending
            && !self.is_repeating()
            && running.peek().is_some()
            && running.all(|e| e.seen.request.is_none())
    }

    fn stop(&mut self) {
        if self.is_repeating() {
            self.stop_repeat();
            return;
        }
        if self.only_piped() {
            self.say("What is piped in ends with the program that writes it.");
            return;
        }
        let shown = self.exchange().filter(|e| e.is_running()).map(|e| e.id);
        let any = || self.exchanges.iter().find(|e| e.is_running()).map(|e| e.id);
        match shown.or_else(any) {
            Some(id) => self.effects.push(Effect::Cancel(id)),
            None => self.say("No stream is running."),
        }
    }

    fn step_exchange(&mut self, by: isize) {
        let to = self.shown.saturating_add_signed(by);
        if to < self.exchanges.len() && to != self.shown {
            self.show(to);
        } else {
            self.say(format!(
                "The session has {}.",
                count(self.exchanges.len() as u64, "exchange")
            ));
        }
    }

    /// Selects the next finding that matters; tells whether there is one.
    pub(super) fn problem(&mut self, forward: bool) -> bool {
        let Some(exchange) = self.exchange_mut() else { return false };
        match exchange.next_problem(forward) {
            Some(finding) => {
                exchange.select_finding(finding);
                return true;
            }
            None if exchange.seen.findings().is_empty() => self.say("There are no findings."),
            None => self.say("Nothing is worse than info."),
        }
        false
    }

    /// Explains the selected finding, or the gravest.
    pub(super) fn explain(&mut self) {
        let Some(exchange) = self.exchange_mut() else { return };
        let index = exchange.finding.or_else(|| exchange.ordered().first().copied());
        let Some(index) = index else {
            self.say("There is no finding to explain.");
            return;
        };
        exchange.select_finding(index);
        let finding = &exchange.seen.findings()[index];
        let place = finding.frame.map_or(String::new(), |frame| {
            let at = finding.offset.map_or(String::new(), |o| format!(", byte {}", group(o)));
            format!("frame {}{at}", group(u64::from(frame)))
        });
        let doc = explanation(finding.rule(), finding.severity, &finding.message, &place);
        let title = exchange.seen.findings()[index].code.to_string();
        self.read(Reading::explanation(&title, doc));
    }

    fn help(&mut self) {
        let mut doc = Doc::new();
        for context in self.contexts() {
            doc.push(Role::Title, context.title()).line();
            let mut told: Vec<Action> = Vec::new();
            for binding in self.keys.of(context) {
                if told.contains(&binding.action) {
                    continue;
                }
                told.push(binding.action);
                let keys = self.keys.keys_for(&[context], binding.action);
                doc.push(Role::Key, &format!("  {keys:<14}"));
                doc.plain(" ").plain(binding.action.help()).line();
            }
            doc.line();
        }
        doc.push(Role::Title, "Mouse").line();
        doc.plain(
            "  A click goes to a pane, selects a frame, a finding, a tab, a place in the text;",
        )
        .line();
        doc.plain("  a second click on a finding explains it. The wheel scrolls what it is over.")
            .line();
        doc.plain("  Shift and drag selects text as the terminal does.").line();
        self.read(Reading::help(doc));
    }

    /// A key that means nothing here: says where it counts, and for what.
    pub(super) fn say_where(&mut self, key: KeyEvent) {
        let numbered = PaneId::ALL.into_iter().enumerate();
        let mut places: Vec<(Context, String)> = numbered
            .map(|(i, pane)| (pane.pane().context, format!("{} {}", i + 1, pane.pane().title)))
            .collect();
        places.push((Context::Panes, "every pane".to_owned()));
        places.push((Context::Compare, "a comparison".to_owned()));
        let told: Vec<String> = places
            .iter()
            .filter_map(|(context, place)| {
                let action = self.keys.action(&[*context], key)?;
                Some(format!("{place} ({})", action.short()))
            })
            .collect();
        let key = crate::action::show(crate::action::combination(key));
        if told.is_empty() {
            let help = self.keys.key_for(&self.contexts(), Action::Help).unwrap_or_default();
            self.say(format!("{key} means nothing; {help} lists the keys."));
        } else {
            self.say(format!("{key} counts in {}, not here.", told.join(", ")));
        }
    }

    fn palette(&mut self) {
        let mut list = List::new(Picks::Command, "Commands");
        let contexts: Vec<Context> = Context::ALL.to_vec();
        for action in commands() {
            let keys = self.keys.keys_for(&contexts, action);
            list.add(action.help(), keys);
        }
        self.overlays.push(Overlay::List(list));
    }

    fn history(&mut self) {
        let mut list = List::new(Picks::Exchange, "Exchanges of this session");
        for exchange in &self.exchanges {
            let seen = &exchange.seen;
            let (sign, word, role) = exchange.mark();
            let provider = seen.request.as_ref().map_or("", |r| r.provider.as_str());
            let label = format!("{}  {}", exchange.id, exchange.title());
            let frames = count(seen.frames().len() as u64, "frame");
            list.add(label, format!("{word:<10} {provider} · {frames} · {}", seen.verdict()));
            list.sign((sign, role));
        }
        self.overlays.push(Overlay::List(list.start_at(self.shown)));
    }

    pub(super) fn pick_provider(&mut self) {
        let mut list = List::new(Picks::Provider, "Provider");
        let mut at = 0;
        for (i, provider) in self.providers.iter().enumerate() {
            if provider.name == self.request.draft.provider {
                at = i;
            }
            let key = match (&provider.key_variable, provider.key_is_set) {
                (None, _) => "no key needed".to_owned(),
                (Some(name), true) => format!("{name} is set"),
                (Some(name), false) => format!("needs {name}"),
            };
            list.add(&provider.name, format!("{key} · {} · {}", provider.dialect, provider.about));
            let missing = provider.key_variable.is_some() && !provider.key_is_set;
            list.sign(if missing { ("·", Role::Dim) } else { ("✔", Role::Ok) });
        }
        self.overlays.push(Overlay::List(list.start_at(at)));
    }

    pub(super) fn pick_model(&mut self) {
        let listed = self.provider().is_some_and(|p| !p.models.is_empty());
        let title = match listed {
            true => "Model: choose, or type a name",
            false => "Model: type a model's name, or choose",
        };
        let mut list = List::new(Picks::Model, title).or_typed();
        let mut at = 0;
        for (i, (name, about)) in self.models().into_iter().enumerate() {
            if name == self.request.draft.model {
                at = i;
            }
            list.add(name, about);
        }
        self.overlays.push(Overlay::List(list.start_at(at)));
    }

    /// The models to choose from: those that the provider lists, or else its usual one and the
    /// present one.
    fn models(&self) -> Vec<(String, String)> {
        let Some(provider) = self.provider() else { return Vec::new() };
        if !provider.models.is_empty() {
            return provider.models.clone();
        }
        let present = &self.request.draft.model;
        let mut models = vec![(provider.model.clone(), format!("{}'s usual model", provider.name))];
        if *present != provider.model {
            models.insert(0, (present.clone(), "as in the request".to_owned()));
        }
        models.retain(|m| !m.0.is_empty());
        models
    }

    /// A row of a list was chosen.
    pub(super) fn chosen(&mut self, choice: Choice) {
        let Choice { of, row, typed } = choice;
        match (of, row) {
            (Picks::Provider, Some(row)) => {
                let name = self.providers.get(row).map(|p| p.name.clone());
                if let Some(name) = name {
                    self.set_provider(&name);
                }
            }
            (Picks::Model, row) => {
                let listed = row.and_then(|r| self.models().into_iter().nth(r));
                let name = listed.map_or(typed, |m| m.0);
                self.request.set_model(&name);
            }
            (Picks::Exchange, Some(row)) => self.show(row),
            (Picks::Command, Some(row)) => {
                if let Some(action) = commands().nth(row) {
                    self.act(action);
                }
            }
            (Picks::Copy, Some(row)) => self.copy(row),
            (Picks::Beside, Some(row)) => self.beside(row),
            (Picks::ModelBeside(provider), row) => self.model_beside(provider, row, &typed),
            (Picks::Beside, None) => {}
            (Picks::Provider | Picks::Exchange | Picks::Command | Picks::Copy, None) => {}
        }
    }

    /// A file name after what is shown that this run has not written: `lab-stall-1.jsonl`. Nothing
    /// here may ask whether there is a file of that name.
    pub(super) fn free_name(&self, part: &str) -> String {
        let model = match self.exchange() {
            Some(e) if part.is_empty() => match (&e.seen.request, &e.seen.answer().model) {
                (Some(r), _) if !r.model.is_empty() => r.model.clone(),
                (_, Some(model)) => model.clone(),
                _ => "session".to_owned(),
            },
            _ => self.request.draft.model.clone(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let base: String = model.chars().take(60).map(|c| if plain(c) { c } else { '-' }).collect();
        // No hidden file, no option of a command.
        let base = match base.trim_start_matches(['.', '-']) {
            "" => "session",
            base => base,
        };
        let end = if part.is_empty() { "jsonl" } else { "json" };
        let number = if part.is_empty() { self.shown + 1 } else { self.exchanges.len() + 1 };
        let name = |again: usize| match again {
            1 => format!("{base}-{number}{part}.{end}"),
            n => format!("{base}-{number}-{n}{part}.{end}"),
        };
        (1..).map(name).find(|n| !self.proposed.contains(n)).unwrap_or_else(|| name(1))
    }

    /// A line was typed.
    ///
    /// # Errors
    /// Why it cannot be taken, a sentence.
    pub(super) fn typed(&mut self, purpose: Purpose, text: &str) -> Result<(), String> {
        let trimmed = text.trim();
        let path = || PathBuf::from(trimmed);
        match purpose {
            Purpose::Url => {
                let own = self.provider().is_some_and(|p| p.address() == trimmed);
                self.request.draft.url = (!trimmed.is_empty() && !own).then(|| trimmed.to_owned());
            }
            Purpose::Method => self.request.draft.method = trimmed.to_uppercase(),
            Purpose::Header(which) => self.set_header(which, trimmed)?,
            Purpose::Search => {
                self.needle = text.to_owned();
                self.search(true);
            }
            _ if trimmed.is_empty() => {}
            Purpose::Repeat => self.begin_repeat(trimmed)?,
            Purpose::Curl => self.take_curl(trimmed)?,
            Purpose::SaveSession => {
                self.proposed.insert(trimmed.to_owned());
                self.effects.push(Effect::SaveSession(path()));
            }
            Purpose::ExportMarkdown(of) => {
                self.proposed.insert(trimmed.to_owned());
                if let Some(page) = self.report(of) {
                    let bytes = page.into_bytes();
                    self.effects.push(Effect::WriteFile { path: path(), bytes });
                }
            }
            Purpose::Beside => self.effects.push(Effect::LoadBeside(path())),
            Purpose::BodyBeside => self.send_body_beside(path()),
            Purpose::OpenFile => self.effects.push(Effect::LoadFile(path())),
            Purpose::LoadRequest => self.effects.push(Effect::LoadRequest(path())),
            Purpose::SaveRequest => {
                self.proposed.insert(trimmed.to_owned());
                let bytes = self.request.to_send().body;
                self.effects.push(Effect::WriteFile { path: path(), bytes });
            }
        }
        Ok(())
    }

    /// Asks where a report is to be written.
    pub(super) fn ask_report(&mut self, of: Subject, title: &str) {
        let part = match of {
            Subject::Session => "-report",
            Subject::Comparison => "-comparison",
            Subject::Repetition => "-repetition",
        };
        let name = self.free_name(part).replace(".json", ".md");
        self.ask(Purpose::ExportMarkdown(of), title, &name);
    }

    /// The report, as Markdown.
    fn report(&self, of: Subject) -> Option<String> {
        let all: Vec<_> = self.exchanges.iter().map(|e| (e.id, &e.seen)).collect();
        let report = match of {
            Subject::Session => Report::Exchanges(&all),
            Subject::Comparison => self.comparison_report()?,
            Subject::Repetition => return self.repetition_report(),
        };
        Some((self.tools.to_markdown)(report))
    }

    fn set_header(&mut self, which: Option<usize>, text: &str) -> Result<(), String> {
        let headers = &mut self.request.draft.headers;
        match (text.split_once(':'), which) {
            (None, Some(i)) if text.is_empty() && i < headers.len() => {
                headers.remove(i);
            }
            (None, _) if text.is_empty() => {}
            (None, _) => return Err("A header is written as Name: value.".to_owned()),
            (Some((name, value)), which) => {
                let header = (name.trim().to_owned(), value.trim().to_owned());
                match which.and_then(|i| headers.get_mut(i)) {
                    Some(old) => *old = header,
                    None => headers.push(header),
                }
            }
        }
        Ok(())
    }
}

/// What the palette offers: all but the movements and answers, which mean nothing from there.
fn commands() -> impl Iterator<Item = Action> {
    let plain = |a: &Action| {
        !matches!(
            a,
            Action::Up
                | Action::Down
                | Action::Left
                | Action::Right
                | Action::HalfPageUp
                | Action::HalfPageDown
                | Action::PageUp
                | Action::PageDown
                | Action::Accept
                | Action::Back
                | Action::Palette
                | Action::Interrupt
                | Action::Undo
                | Action::Redo
                | Action::Translate
                | Action::KeepBody
                | Action::Yes
                | Action::No
        )
    };
    Action::ALL.iter().copied().filter(plain)
}

/// What a finding or a difference means: its rule, and what was found at which place.
pub(super) fn explanation(rule: &Rule, severity: Severity, message: &str, place: &str) -> Doc {
    let mut doc = Doc::new();
    let (sign, role) = severity_sign(Some(severity));
    doc.push(role, &format!("{sign} {}", severity.name()));
    doc.push(Role::Dim, &format!("  {} · {}", rule.phase.name(), rule.code)).line();
    doc.plain(&visible(message, Newlines::Show)).line();
    if !place.is_empty() {
        doc.push(Role::Dim, place).line();
    }
    for (title, text) in crate::report::sections(rule) {
        doc.line();
        if !title.is_empty() {
            doc.push(Role::Title, title).line();
        }
        doc.plain(&text).line();
    }
    doc
}
