//! The one loop.
//!
//! It waits for input, for news from the sources, for answers to effects and for signals, hands
//! each to [`App::update`] and draws. It is generic over the backend and over the input, so that
//! tests drive exactly this loop. When nothing happens and no stream runs, nothing wakes it.

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::time::Duration;

use crossterm::event::Event as Input;
use futures_util::{Stream, StreamExt};
use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::buffer::CellDiffOption;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use unicode_width::UnicodeWidthStr;

use super::app::{App, Event};
use super::work::{Work, Worked, aside};
use super::{Reloaded, Startup};
use crate::action::{Attempt, Done, Effect};
use crate::config::Notifications;
use crate::journal::Micros;
use crate::transport::{Clock, News};

/// The shortest time between two drawings.
const FRAME: u64 = 16_000;
/// Interval at which a running clock is redrawn, in microseconds.
const TICK: u64 = 200_000;
/// Largest number of news items that are received at once.
const BATCH: usize = 256;
/// Time for which news is processed before keys are looked at again, in microseconds: a fast stream must not
/// keep a key waiting.
const SLICE: u64 = 8_000;

/// The runner of what the screen asks for. Nothing here may block: long work goes to a task, and its result
/// to `done`.
pub trait EffectRunner {
    /// Does it, or sees to it that it is done. [`Effect::Copy`], `Redraw`, `Suspend` and `Quit` never arrive
    /// here.
    fn perform(&mut self, effect: Effect, done: &UnboundedSender<Done>);
}

/// Reason that the user's editor changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It could not be run, or its file not be written or read.
    #[error("editing failed: {0}")]
    Io(#[from] io::Error),
    /// It failed.
    #[error("the editor ended with {0}; the body is unchanged")]
    Status(std::process::ExitStatus),
}

/// The terminal beyond the drawing of cells.
pub trait Console {
    /// A drawing begins.
    ///
    /// # Errors
    /// The terminal is gone.
    fn begin(&mut self) -> io::Result<()>;
    /// A drawing is complete.
    ///
    /// # Errors
    /// The terminal is gone.
    fn end(&mut self) -> io::Result<()>;
    /// Puts text into the clipboard, and says how.
    ///
    /// # Errors
    /// The terminal is gone.
    fn copy(&mut self, text: &str) -> io::Result<String>;
    /// Notifies the user that something happened, however the configuration has it.
    ///
    /// # Errors
    /// The terminal is gone.
    fn notify(&mut self, how: Notifications, text: &str) -> io::Result<()>;
    /// Leaves the screen to the shell, and takes it back afterwards.
    ///
    /// # Errors
    /// The terminal is gone.
    fn suspend(&mut self) -> io::Result<()>;
    /// Lets the user edit bytes in an editor of theirs; returns the edited bytes, or why that failed.
    ///
    /// # Errors
    /// The terminal is gone.
    fn edit(&mut self, bytes: &[u8]) -> io::Result<Result<Vec<u8>, EditError>>;
    /// Takes the screen back after something else may have written to it.
    ///
    /// # Errors
    /// The terminal is gone.
    fn resume(&mut self) -> io::Result<()>;
}

/// An event around the program: a signal of the operating system, an answer of the terminal, another
/// configuration.
#[derive(Debug, Clone)]
pub enum Signal {
    /// End, with this exit status.
    End(u8),
    /// The program was stopped and continues.
    Continued,
    /// The terminal's background is light, or dark.
    Background {
        /// It is light.
        light: bool,
    },
    /// The configuration was read again.
    Configured(Box<Reloaded>),
    /// The configuration was read again and cannot be used: why.
    Misconfigured(String),
}

/// The way that the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The user quit.
    Quit,
    /// A signal, with the exit status that goes with it.
    Signal(u8),
    /// The terminal is gone.
    Vanished,
}

impl Ended {
    /// The exit status.
    pub fn status(self) -> u8 {
        match self {
            Ended::Quit | Ended::Vanished => 0,
            Ended::Signal(status) => status,
        }
    }
}

/// Everything that the loop works with.
pub struct Run<'a, B: Backend, C, R> {
    /// The terminal to draw on.
    pub terminal: &'a mut Terminal<B>,
    /// The terminal beyond that.
    pub console: &'a mut C,
    /// The runner of what the screen asks for.
    pub effects: &'a mut R,
    /// The one clock.
    pub clock: Clock,
}

/// Runs the screen until it ends. A terminal that vanishes ends it quietly: the journal has what arrived, and
/// there is no one to report it to.
pub async fn run<B, C, R, I, G>(
    on: Run<'_, B, C, R>,
    startup: Startup,
    input: I,
    signals: G,
    news: UnboundedReceiver<News>,
) -> Ended
where
    B: Backend,
    C: Console,
    R: EffectRunner,
    I: Stream<Item = io::Result<Input>> + Unpin,
    G: Stream<Item = Signal> + Unpin,
{
    match first_drawing(on.terminal, on.console, on.clock, startup) {
        Ok(first) => run_from(on, first, input, signals, news).await,
        Err(_) => Ended::Vanished,
    }
}

/// The screen, drawn for the first time.
pub struct FirstDrawing {
    /// The process ends when the loop does, so freeing a large session would only delay it.
    app: ManuallyDrop<App>,
    wide: Vec<(u16, u16)>,
    drawn: Micros,
}

/// Draws the screen for the first time. What it does not show can be started after that.
///
/// # Errors
/// The terminal is gone.
pub fn first_drawing<B: Backend, C: Console>(
    terminal: &mut Terminal<B>,
    console: &mut C,
    clock: Clock,
    startup: Startup,
) -> io::Result<FirstDrawing> {
    let mut app = ManuallyDrop::new(App::new(startup));
    let mut wide = Vec::new();
    draw(terminal, console, &mut app, &mut wide)?;
    Ok(FirstDrawing { app, wide, drawn: clock.now() })
}

/// Runs the screen from its first drawing on, as [`run`] does.
pub async fn run_from<B, C, R, I, G>(
    mut on: Run<'_, B, C, R>,
    first: FirstDrawing,
    input: I,
    signals: G,
    news: UnboundedReceiver<News>,
) -> Ended
where
    B: Backend,
    C: Console,
    R: EffectRunner,
    I: Stream<Item = io::Result<Input>> + Unpin,
    G: Stream<Item = Signal> + Unpin,
{
    let (done_tx, done) = unbounded_channel();
    let (worked_tx, worked) = unbounded_channel();
    let mut sources = Sources::new(input, signals, news, done, worked);
    let FirstDrawing { mut app, mut wide, drawn } = first;
    let mut drawn = Some(drawn);
    let mut effects = app.begin();
    let mut dirty = !effects.is_empty();
    loop {
        if let Some(ended) = on.perform_all(&mut effects, &mut app, &done_tx) {
            return ended;
        }
        for work in app.take_work() {
            begin(work, &worked_tx);
        }
        let now = on.clock.now();
        let due = drawn.map_or(0, |at| (at + FRAME).saturating_sub(now));
        if dirty && due == 0 {
            // Under load, the screen is at most one frame old.
            app.set_behind(sources.waiting());
            if draw(on.terminal, on.console, &mut app, &mut wide).is_err() {
                return Ended::Vanished;
            }
            dirty = false;
            drawn = Some(on.clock.now());
            continue;
        }
        let wake = if dirty { Some(due) } else { wakes_in(&app, drawn, now) };
        match sources.next(wake).await {
            Woken::Event(event) => effects = app.update(on.clock.now(), event),
            Woken::News => effects = on.take_in(&mut app, &mut sources.pending),
            Woken::Continued => effects.push(Effect::Redraw),
            Woken::Timer if !dirty => effects = app.update(on.clock.now(), Event::Tick),
            Woken::Timer | Woken::Nothing => {}
            Woken::End(status) => return Ended::Signal(status),
            Woken::NoInput => {
                on.draw_last(&mut app, &mut sources.rest(), &mut wide);
                return Ended::Vanished;
            }
        }
        dirty = true;
    }
}

/// In how many microseconds something is drawn anew though nothing happens; `None` for never.
fn wakes_in(app: &App, drawn: Option<u64>, now: u64) -> Option<u64> {
    match app.wakes_in() {
        Some(wait) => Some(wait.min(TICK)),
        None if app.is_running() => Some(drawn.map_or(0, |at| (at + TICK).saturating_sub(now))),
        None => None,
    }
}

/// The sources that the loop waits for.
struct Sources<I, G> {
    input: I,
    signals: Option<G>,
    /// The source of news; `None` once no one can send any.
    news: Option<UnboundedReceiver<News>>,
    /// News that was received and not taken in yet.
    pending: VecDeque<News>,
    batch: Vec<News>,
    done: UnboundedReceiver<Done>,
    worked: UnboundedReceiver<Worked>,
}

/// The event that ended the waiting.
enum Woken {
    /// Something for the application.
    Event(Event),
    /// News is pending.
    News,
    /// The time is over.
    Timer,
    /// The program was stopped and continues.
    Continued,
    /// A signal asks for the end, with this exit status.
    End(u8),
    /// The input ended, or failed.
    NoInput,
    /// A source ended that may end.
    Nothing,
}

impl<I, G> Sources<I, G>
where
    I: Stream<Item = io::Result<Input>> + Unpin,
    G: Stream<Item = Signal> + Unpin,
{
    fn new(
        input: I,
        signals: G,
        news: UnboundedReceiver<News>,
        done: UnboundedReceiver<Done>,
        worked: UnboundedReceiver<Worked>,
    ) -> Self {
        let (pending, batch) = (VecDeque::new(), Vec::with_capacity(BATCH));
        Self { input, signals: Some(signals), news: Some(news), pending, batch, done, worked }
    }

    /// Returns the number of news items that were not processed yet.
    fn waiting(&self) -> usize {
        self.pending.len() + self.news.as_ref().map_or(0, UnboundedReceiver::len)
    }

    /// All news that was not taken in yet.
    fn rest(&mut self) -> impl Iterator<Item = News> {
        let sent = self.news.as_mut().into_iter();
        let sent = sent.flat_map(|news| std::iter::from_fn(|| news.try_recv().ok()));
        self.pending.drain(..).chain(sent)
    }

    /// Waits for the next thing, at most for `wake` microseconds. In this order: a signal ends what a key
    /// would continue, and a key is answered before the news, of which there may be no end.
    async fn next(&mut self, wake: Option<u64>) -> Woken {
        let Self { input, signals, news, pending, batch, done, worked } = self;
        tokio::select! {
            biased;
            signal = next_of(signals), if signals.is_some() => match signal {
                Some(Signal::End(status)) => Woken::End(status),
                Some(Signal::Continued) => Woken::Continued,
                Some(Signal::Background { light }) => Woken::Event(Event::Background { light }),
                Some(Signal::Configured(new)) => Woken::Event(Event::Configured(Ok(new))),
                Some(Signal::Misconfigured(why)) => Woken::Event(Event::Configured(Err(why))),
                None => {
                    *signals = None;
                    Woken::Nothing
                }
            },
            event = input.next() => match event {
                Some(Ok(event)) => Woken::Event(Event::Input(event)),
                Some(Err(_)) | None => Woken::NoInput,
            },
            Some(answer) = done.recv() => Woken::Event(Event::Done(answer)),
            Some(report) = worked.recv() => Woken::Event(Event::Worked(report)),
            () = std::future::ready(()), if !pending.is_empty() => Woken::News,
            n = receive(news, batch), if news.is_some() => {
                if n == 0 {
                    *news = None;
                }
                pending.extend(batch.drain(..));
                Woken::News
            }
            () = sleep(wake), if wake.is_some() => Woken::Timer,
        }
    }
}

/// The next item of a stream that may be over.
async fn next_of<S: Stream + Unpin>(stream: &mut Option<S>) -> Option<S::Item> {
    match stream {
        Some(stream) => stream.next().await,
        None => None,
    }
}

/// Waits for news and receives a batch of it; returns 0 once no one can send any.
async fn receive(news: &mut Option<UnboundedReceiver<News>>, batch: &mut Vec<News>) -> usize {
    match news {
        Some(news) => news.recv_many(batch, BATCH).await,
        None => 0,
    }
}

/// Draws. `wide` has the places of the wide characters that were drawn last: some terminals
/// keep the right half of one when its left half is drawn over, so that half is always written.
fn draw<B: Backend, C: Console>(
    terminal: &mut Terminal<B>,
    console: &mut C,
    app: &mut App,
    wide: &mut Vec<(u16, u16)>,
) -> io::Result<()> {
    console.begin()?;
    let area = terminal.size().map_err(gone)?;
    app.resize(area.width, area.height);
    let drawing = |frame: &mut ratatui::Frame<'_>| {
        app.draw(frame.area(), frame.buffer_mut());
        let buf = frame.buffer_mut();
        for place in wide.drain(..) {
            if let Some(cell) = buf.cell_mut(place) {
                cell.set_diff_option(CellDiffOption::AlwaysUpdate);
            }
        }
        let columns = usize::from(buf.area.width.max(1));
        for (i, cell) in buf.content.iter_mut().enumerate() {
            // Most cells are ASCII, whose width needs no table.
            if cell.symbol().len() == 1 {
                continue;
            }
            // Panes show hazards in words. If a pane forgets one, the terminal must not obey it.
            if cell.symbol().chars().any(crate::text::is_hazard) {
                cell.set_symbol("\u{fffd}");
            }
            if cell.symbol().width() > 1 {
                wide.push(((i % columns) as u16 + 1, (i / columns) as u16));
            }
        }
    };
    terminal.draw(drawing).map_err(gone)?;
    console.end()
}

/// Does work on a separate thread.
fn begin(work: Work, worked: &UnboundedSender<Worked>) {
    let reports = worked.clone();
    let run = move || work.run(&|report| drop(reports.send(report)));
    // Without a thread there is no result; the previous one stays.
    let _ = aside("compute", run);
}

async fn sleep(micros: Option<u64>) {
    tokio::time::sleep(Duration::from_micros(micros.unwrap_or(0))).await;
}

impl<B: Backend, C: Console, R: EffectRunner> Run<'_, B, C, R> {
    /// Takes in news until a slice of time is over; the rest waits until keys were looked at.
    fn take_in(&self, app: &mut App, pending: &mut VecDeque<News>) -> Vec<Effect> {
        let until = self.clock.now() + SLICE;
        let mut effects = Vec::new();
        while let Some(item) = pending.pop_front() {
            let now = self.clock.now();
            effects.extend(app.update(now, Event::News(item)));
            if now >= until {
                break;
            }
        }
        effects
    }

    /// Draws what there is when no one can type any more: someone may still look at that, as tests do.
    fn draw_last(
        &mut self,
        app: &mut App,
        rest: &mut dyn Iterator<Item = News>,
        wide: &mut Vec<(u16, u16)>,
    ) {
        for item in rest {
            app.update(self.clock.now(), Event::News(item));
        }
        let _ = draw(self.terminal, self.console, app, wide);
    }

    /// Does effects; returns how the program ends where one of them ends it.
    fn perform_all(
        &mut self,
        effects: &mut Vec<Effect>,
        app: &mut App,
        done: &UnboundedSender<Done>,
    ) -> Option<Ended> {
        for effect in std::mem::take(effects) {
            match self.perform(effect, app, done) {
                Ok(false) => {}
                Ok(true) => return Some(Ended::Quit),
                Err(_) => return Some(Ended::Vanished),
            }
        }
        None
    }

    /// Does an effect; returns whether the program ends.
    fn perform(
        &mut self,
        effect: Effect,
        app: &mut App,
        done: &UnboundedSender<Done>,
    ) -> io::Result<bool> {
        let result = match effect {
            Effect::Quit => return Ok(true),
            Effect::Redraw
            | Effect::Suspend
            | Effect::EditOutside(_)
            | Effect::Notify(_)
            | Effect::Copy { .. } => self.on_console(effect, app)?,
            Effect::Send(_)
            | Effect::Compare(_)
            | Effect::CompareWith { .. }
            | Effect::LoadBeside(_)
            | Effect::Cancel(_)
            | Effect::SaveSession(_)
            | Effect::WriteFile { .. }
            | Effect::LoadFile(_)
            | Effect::StopLoading
            | Effect::BeginSession(_)
            | Effect::KeepDraft(_)
            | Effect::PinSession(_)
            | Effect::SearchSessions(_)
            | Effect::CompletePath(_)
            | Effect::ReloadConfig { .. }
            | Effect::ListModels(_)
            | Effect::ListRequests
            | Effect::ListSent
            | Effect::TakeSent { .. }
            | Effect::OpenRequest { .. }
            | Effect::StoreRequest { .. }
            | Effect::ListSessions
            | Effect::DeleteSession(_)
            | Effect::LoadRequest(_) => {
                self.effects.perform(effect, done);
                None
            }
        };
        if let Some(result) = result {
            // Further effects of the result; their own results are not taken in here.
            for effect in app.update(self.clock.now(), Event::Done(result)) {
                self.effects.perform(effect, done);
            }
        }
        Ok(false)
    }

    /// Does an effect that is the terminal's; returns its result, if it has one.
    fn on_console(&mut self, effect: Effect, app: &App) -> io::Result<Option<Done>> {
        match effect {
            Effect::Redraw => {
                self.console.resume()?;
                self.terminal.clear().map_err(gone)?;
            }
            Effect::Suspend => {
                self.console.suspend()?;
                self.terminal.clear().map_err(gone)?;
            }
            Effect::EditOutside(body) => {
                let edited = self.console.edit(&body)?;
                self.terminal.clear().map_err(gone)?;
                return Ok(match edited {
                    Ok(edited) if edited == body => None,
                    Ok(edited) => Some(Done::Request(edited)),
                    Err(why) => {
                        Some(Done::Failed { attempt: Attempt::Other, why: why.to_string() })
                    }
                });
            }
            Effect::Notify(text) => self.console.notify(app.notifies(), &text)?,
            Effect::Copy { what, text } => {
                let how = self.console.copy(&text)?;
                let bytes = crate::text::count(text.len() as u64, "byte");
                return Ok(Some(Done::Notice(format!("copied {what}: {bytes}{how}"))));
            }
            _ => {}
        }
        Ok(None)
    }
}

/// Backends have their own errors; here they all mean that the terminal is gone.
fn gone<E>(_: E) -> io::Error {
    io::Error::from(io::ErrorKind::BrokenPipe)
}
