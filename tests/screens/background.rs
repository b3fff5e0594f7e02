//! What takes longer than a drawing may is done where nobody waits for it.

use std::cell::RefCell;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use sselens::action::Effect;
use sselens::journal::{Entry, EntryKind};
use sselens::transport::News;
use sselens::tui::{App, Event, Work, Worked};

use super::play::{chunk, exchange, keys, startup, text_of};

/// The screen, driven by hand: what is computed aside is computed when the test says so.
struct Screen {
    app: App,
    now: u64,
    effects: Vec<Effect>,
}

impl Screen {
    fn new() -> Self {
        let mut app = App::new(startup());
        app.resize(120, 40);
        Self { app, now: 1_000_000, effects: Vec::new() }
    }

    fn event(&mut self, event: Event) {
        self.now += 1_000;
        self.effects.extend(self.app.update(self.now, event));
    }

    fn press(&mut self, text: &str) {
        keys(text).into_iter().for_each(|key| self.event(Event::Input(key)));
    }

    fn news(&mut self, entries: Vec<Entry>) {
        entries.into_iter().for_each(|e| self.event(Event::News(News::Entry(e))));
    }

    fn text(&self) -> String {
        let area = Rect::new(0, 0, 120, 40);
        let mut buffer = Buffer::empty(area);
        self.app.draw(area, &mut buffer);
        text_of(&buffer)
    }

    #[track_caller]
    fn shows(&self, what: &str) {
        let text = self.text();
        assert!(text.contains(what), "{what:?} is not on\n{text}");
    }

    /// Has all work done, and what that asks for.
    fn settle(&mut self) {
        loop {
            let work = self.app.take_work();
            if work.is_empty() {
                return;
            }
            for report in work.into_iter().flat_map(reports) {
                self.event(Event::Worked(report));
            }
        }
    }

    #[track_caller]
    fn work(&mut self) -> Work {
        let mut work = self.app.take_work();
        assert_eq!(work.len(), 1, "one comparison is to be computed");
        work.remove(0)
    }
}

/// What the work reports, in order.
fn reports(work: Work) -> Vec<Worked> {
    let reports = RefCell::new(Vec::new());
    work.run(&|report| reports.borrow_mut().push(report));
    reports.into_inner()
}

/// An exchange with more than a megabyte, and a last word.
fn long(x: u32, last: &str) -> Vec<Entry> {
    let many = chunk(&format!("{{\"content\":\"{}\"}}", "word ".repeat(2_000)));
    let mut pieces = vec![many; 120];
    pieces.push(chunk(&format!("{{\"content\":\"{last}\"}}")));
    pieces.push(chunk("{}").replace("null}", "\"stop\"}"));
    pieces.push("data: [DONE]\n\n".into());
    exchange(x, &pieces)
}

#[test]
fn much_is_compared_aside_and_keys_are_answered_meanwhile() {
    let mut screen = Screen::new();
    screen.news(long(0, "one"));
    screen.news(long(1, "two"));
    screen.settle();
    screen.press("C<enter>");
    let work = screen.work();
    screen.shows("Comparing… 0 %");
    screen.press("?");
    screen.shows("In a comparison");
    screen.press("<esc>");
    assert!(screen.app.take_work().is_empty(), "it is computed once");
    let reports = reports(work);
    assert!(reports.len() > 3, "it says how far it is");
    let all = reports.len();
    for (i, report) in reports.into_iter().enumerate() {
        screen.event(Event::Worked(report));
        assert_eq!(screen.text().contains("Comparing…"), i + 1 < all, "report {i}");
    }
    screen.shows("gw-content-changed");
    assert!(screen.app.take_work().is_empty());
}

#[test]
fn entries_wait_for_what_is_computed_and_are_compared_next() {
    let mut screen = Screen::new();
    screen.news(long(0, "one"));
    let mut entries = long(1, "one");
    let rest = entries.split_off(100);
    screen.news(entries);
    screen.settle();
    screen.press("C<enter>");
    let work = screen.work();
    screen.shows("· 97 frames");
    screen.news(rest);
    screen.shows("· 97 frames");
    for report in reports(work) {
        screen.event(Event::Worked(report));
    }
    // Waiting data was taken in, and all of it is compared now.
    assert!(!screen.text().contains("97 frames"), "{}", screen.text());
    screen.settle();
    assert!(!screen.text().contains("gw-content-changed"), "{}", screen.text());
}

#[test]
fn what_is_no_longer_asked_is_dropped() {
    let mut screen = Screen::new();
    screen.news(long(0, "one"));
    screen.news(long(1, "two"));
    screen.settle();
    screen.press("C<enter>");
    let first = screen.work();
    screen.press("x");
    let second = screen.work();
    let mut stopped = reports(first);
    assert!(stopped.len() < 3, "it stops when nobody waits for it any more");
    stopped.drain(..).for_each(|report| screen.event(Event::Worked(report)));
    screen.shows("Comparing…");
    let of_second = reports(second);
    // The comparison is left before its result is there.
    screen.press("<esc>");
    of_second.into_iter().for_each(|report| screen.event(Event::Worked(report)));
    screen.shows("1 Request");
    assert!(screen.app.take_work().is_empty());
}

#[test]
fn little_is_compared_at_once() {
    let mut screen = Screen::new();
    for x in 0..2 {
        let entries = exchange(x, &[chunk("{\"content\":\"hi\"}")]);
        assert!(entries.iter().any(|e| matches!(e.kind, EntryKind::Body { .. })));
        screen.news(entries);
    }
    screen.press("C<enter>");
    assert!(screen.app.take_work().is_empty());
    assert!(!screen.text().contains("Comparing…"), "{}", screen.text());
}
