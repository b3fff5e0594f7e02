//! A request that is sent many times.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use sselens::action::{Attempt, Done, Effect};
use sselens::journal::{EndCause, Entry, EntryKind};
use sselens::transport::News;
use sselens::tui::{App, Event};

use super::play::{chunk, exchange, keys, startup, text_of};

/// A screen, and the world around it.
struct Play {
    app: App,
    effects: Vec<Effect>,
    now: u64,
}

impl Play {
    /// After `R` with these numbers.
    fn begun(numbers: &str) -> Self {
        let mut app = App::new(startup());
        app.resize(110, 30);
        let mut play = Self { app, effects: Vec::new(), now: 1_000_000 };
        play.press(&format!("R<bs><bs><bs><bs>{numbers}<enter>"));
        play
    }

    fn event(&mut self, event: Event) {
        self.now += 1_000;
        self.effects.extend(self.app.update(self.now, event));
        for work in self.app.take_work() {
            let reports = std::cell::RefCell::new(Vec::new());
            work.run(&|report| reports.borrow_mut().push(report));
            reports.into_inner().into_iter().for_each(|r| self.event(Event::Worked(r)));
        }
    }

    fn press(&mut self, text: &str) {
        keys(text).into_iter().for_each(|key| self.event(Event::Input(key)));
    }

    fn news(&mut self, entries: Vec<Entry>) {
        entries.into_iter().for_each(|e| self.event(Event::News(News::Entry(e))));
    }

    /// An exchange comes and goes; every third one is cut.
    fn comes(&mut self, x: u32) {
        self.news(answer(x));
        self.event(Event::News(News::Over { x, hops: Vec::new() }));
    }

    fn sent(&self) -> usize {
        self.effects.iter().filter(|e| matches!(e, Effect::Send(_))).count()
    }

    fn text(&mut self) -> String {
        let area = Rect::new(0, 0, 110, 30);
        let mut buffer = Buffer::empty(area);
        self.app.draw(area, &mut buffer);
        text_of(&buffer)
    }

    #[track_caller]
    fn shows(&mut self, what: &str) {
        let text = self.text();
        assert!(text.contains(what), "{what:?} is not on\n{text}");
    }
}

fn answer(x: u32) -> Vec<Entry> {
    let hello = [
        chunk(r#"{"role":"assistant","content":"Hello."}"#),
        chunk("{}").replace("null}", "\"stop\"}"),
        "data: [DONE]\n\n".to_owned(),
    ];
    let mut entries = exchange(x, &hello);
    if x % 3 == 2 {
        let end = entries.len() - 1;
        entries.drain(4..end);
        if let Some(Entry { kind: EntryKind::End { cause, .. }, .. }) = entries.last_mut() {
            *cause = EndCause::Truncated;
        }
    }
    entries
}

#[test]
fn so_many_at_a_time_are_sent_and_each_end_brings_the_next() {
    let mut play = Play::begun("9 4");
    assert_eq!(play.sent(), 4);
    play.shows("lab/reasoning-only × 9, 4 at a time");
    play.shows("None is over yet.");
    for x in 0..9 {
        play.comes(x);
        assert_eq!(play.sent(), (5 + x as usize).min(9));
    }
    play.shows("9 of 9");
    play.shows("3 failed");
    let text = play.text();
    let row = text.lines().find(|l| l.contains("failed truncated")).unwrap();
    assert!(row.contains("truncated-chunked") && row.contains("(12–65 %)"), "{text}");
    assert!(!play.app.is_running());
}

#[test]
fn a_row_shows_its_example_and_the_table_comes_back() {
    let mut play = Play::begun("9 4");
    (0..9).for_each(|x| play.comes(x));
    play.press("<enter>");
    play.shows("truncated");
    play.shows("3 of 6");
    play.press("R");
    play.shows("share (95 %)");
    play.press("R");
    play.shows("how many at a time");
    play.press("<esc>");
    assert!(!play.text().contains("share (95 %)"));
}

#[test]
fn a_thousand_leave_three_examples_of_each_outcome() {
    let mut play = Play::begun("1000 50");
    for x in 0..1000 {
        play.comes(x);
    }
    assert_eq!(play.sent(), 1000);
    play.press("<esc>H");
    let text = play.text();
    let rows = text.lines().filter(|l| l.contains("lab/reasoning-only") && l.contains('·')).count();
    assert!((6..=7).contains(&rows), "{rows}\n{text}");
    assert!(!text.contains("999  lab/"), "{text}");
}

#[test]
fn while_it_goes_on_keys_are_answered_and_nothing_else_is_sent() {
    let mut play = Play::begun("9 4");
    play.comes(0);
    play.news(answer(1)[..4].to_vec());
    play.press("<esc>");
    play.shows("● 1 of 9");
    play.press("?");
    play.shows("In every pane");
    play.press("<esc><f5>");
    play.shows("A stream is running");
    assert_eq!(play.sent(), 5);
    play.press("q");
    play.shows("Quit anyway?");
}

#[test]
fn stopping_keeps_what_is_done_and_does_not_count_what_was_cut() {
    let mut play = Play::begun("9 4");
    play.comes(0);
    play.comes(1);
    play.news(answer(3)[..4].to_vec());
    play.press("<c-c>");
    assert!(play.effects.contains(&Effect::Cancel(3)), "{:?}", play.effects);
    // A request that had no number yet is cancelled as soon as it has one.
    play.news(answer(4)[..3].to_vec());
    assert!(play.effects.contains(&Effect::Cancel(4)));
    let sent = play.sent();
    for x in [3, 4, 5, 6] {
        let mut entries = answer(x);
        let from = if x < 5 { entries.len() - 1 } else { 0 };
        if let Some(Entry { kind: EntryKind::End { cause, .. }, .. }) = entries.last_mut() {
            *cause = EndCause::Cancelled;
        }
        play.news(entries.split_off(from));
        play.event(Event::News(News::Over { x, hops: Vec::new() }));
    }
    assert_eq!(play.sent(), sent, "nothing more begins");
    play.shows("stopped");
    play.shows("4 cancelled, not counted");
    play.shows("100 %");
    assert!(!play.app.is_running());
}

#[test]
fn what_are_no_numbers_is_said_to_be_none() {
    let mut play = Play::begun("many");
    play.shows("Enter two numbers");
    assert_eq!(play.sent(), 0);
}

#[test]
fn the_report_counts_all_and_shows_the_examples() {
    let mut play = Play::begun("30 4");
    play.press("B");
    play.shows("Nothing to report yet");
    (0..20).for_each(|x| play.comes(x));
    play.press("B");
    play.shows("Write a report of the repetition (Markdown) to");
    play.press("<enter>");
    // The table is still there.
    play.shows("share (95 %)");
    let page = play.effects.iter().find_map(|e| match e {
        Effect::WriteFile { path, bytes } => {
            Some((path, String::from_utf8(bytes.clone()).unwrap()))
        }
        _ => None,
    });
    let (path, page) = page.unwrap();
    assert!(path.ends_with("lab-reasoning-only-7-repetition.md"), "{path:?}");
    assert!(page.starts_with("**6 of 20 exchanges failed.**"), "{page}");
    assert!(page.contains("20 of 30 planned requests ended and are counted."), "{page}");
    let row = "| failed (truncated) `truncated-chunked` | 6 | 30 % (15–52 %) | 2, 5, 8 |";
    assert!(page.contains(row), "{page}");
    assert!(page.contains("## Exchange 2") && page.contains("| ok (complete) | 14 |"), "{page}");
}

#[test]
fn the_share_is_whole_on_a_narrow_screen() {
    let mut play = Play::begun("6 1");
    (0..6).for_each(|x| play.comes(x));
    play.app.resize(50, 20);
    let area = Rect::new(0, 0, 50, 20);
    let mut buffer = Buffer::empty(area);
    play.app.draw(area, &mut buffer);
    let shown = text_of(&buffer);
    // The cause is shown instead of the outcome, which its sign shows.
    let cut = shown
        .lines()
        .find(|l| l.contains("✖ truncated-chunked"))
        .unwrap_or_else(|| panic!("{shown}"));
    assert!(cut.contains("2   33 %  (9.7–70 %)"), "{shown}");
}

#[test]
fn only_a_request_that_could_not_be_sent_ends_it() {
    let failed = |attempt| Event::Done(Done::Failed { attempt, why: "no such thing".to_owned() });
    let mut play = Play::begun("9 4");
    // A file that could not be written does not affect the requests.
    play.event(failed(Attempt::Other));
    play.shows("no such thing");
    assert!(play.app.is_running());
    play.comes(0);
    assert_eq!(play.sent(), 5);
    for _ in 0..4 {
        assert!(play.app.is_running());
        play.event(failed(Attempt::Send));
    }
    assert_eq!(play.sent(), 5, "nothing more begins");
    assert!(!play.app.is_running());
    play.shows("stopped");
    assert!(!play.text().contains("not counted"), "{}", play.text());
}
