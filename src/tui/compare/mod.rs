//! Two exchanges side by side, in place of the panes: A and B of a comparison.
//!
//! What is compared is computed when entries have come, not when something is drawn, and while a
//! stream runs not more often than [`PAUSE`] allows.

mod draw;
mod frames;
mod pick;
mod requests;
mod tables;
mod texts;
mod timeline;
mod verbs;

pub(super) use pick::Target;

use ratatui::layout::Rect;

use self::texts::Texts;
use super::App;
use super::exchange::Exchange;
use super::widget::wrap::Wrap;
use super::widget::{Doc, Scroll};
use crate::action::Pair;
use crate::dialect::Channel;
use crate::inspect::compare::{Amount, Comparison, Expect, compare};
use crate::journal::{ExchangeId, Micros};

/// The shortest time between two computations while a stream runs, for each [`MUCH`] bytes begun.
const PAUSE: Micros = 250_000;
const MUCH: u64 = 4 << 20;

/// What the strip of figures takes before all else: it may have three rows only.
const CLOCKS: [&str; 4] = ["first byte", "first reasoning", "first content", "end"];

/// Below this width one side is shown at a time.
const TWO_SIDES: u16 = 60;

/// What of the two is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Differences,
    Frames,
    Content,
    Reasoning,
    Tools,
    Paths,
    Timeline,
    Figures,
}

const TABS: [Tab; 8] = [
    Tab::Differences,
    Tab::Frames,
    Tab::Content,
    Tab::Reasoning,
    Tab::Tools,
    Tab::Paths,
    Tab::Timeline,
    Tab::Figures,
];

/// What happens to the other side when one is scrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// It shows what it had at that time after its request.
    Time,
    /// It shows the frame of the same number.
    Frame,
    /// Nothing.
    Free,
}

impl Link {
    fn name(self) -> &'static str {
        match self {
            Link::Time => "linked by time",
            Link::Frame => "linked by frame",
            Link::Free => "each side alone",
        }
    }

    fn next(self) -> Self {
        match self {
            Link::Time => Link::Frame,
            Link::Frame => Link::Free,
            Link::Free => Link::Time,
        }
    }
}

/// Which exchange stands on a side: its number, and whether it came from the network.
type Place = (ExchangeId, bool);

/// The state of the comparison.
#[derive(Debug)]
pub(super) struct Compare {
    places: [Place; 2],
    /// What was sent, so that it can be sent again.
    pair: Option<Box<Pair>>,
    /// What the requests of these two differ in.
    requests: Option<([Place; 2], Option<String>)>,
    /// What the user expects; else it is guessed.
    wanted: Option<Expect>,
    tab: Tab,
    link: Link,
    /// The side that keys scroll.
    side: usize,
    /// The selected frame of each side.
    frames: [usize; 2],
    /// The newest frames are shown.
    follow: bool,
    /// What the tables of frames show.
    tops: [Scroll; 2],
    /// What the tab shows of each side; a tab of one table has the first.
    scrolls: [Scroll; 2],
    /// The selected difference.
    difference: usize,
    made: Option<Made>,
    made_at: Micros,
}

/// What was computed, and of what.
#[derive(Debug)]
struct Made {
    of: Key,
    comparison: Comparison,
    /// The figures, those that differ first.
    figures: Vec<usize>,
    /// The same in the order in which the strip chooses from them: the clocks that tell most first.
    strip: Vec<usize>,
    /// The paths: those of one side, those that differ, the rest.
    paths: Vec<usize>,
    content: Texts,
    reasoning: Texts,
    tools: Texts,
    /// What happened on both sides.
    events: Vec<timeline::Event>,
}

/// What the computation depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    places: [Place; 2],
    /// Bytes and reads, whether a head is there, whether it is over.
    states: [(u64, usize, bool, bool); 2],
    expect: Expect,
}

impl Compare {
    fn new(places: [Place; 2], pair: Option<Box<Pair>>) -> Self {
        Self {
            places,
            pair,
            requests: None,
            wanted: None,
            tab: Tab::Differences,
            link: Link::Time,
            side: 0,
            frames: [0, 0],
            follow: true,
            tops: [Scroll::default(); 2],
            scrolls: [Scroll::default(); 2],
            difference: 0,
            made: None,
            made_at: 0,
        }
    }

    /// Whether two requests were sent, and not one to two places.
    fn apart(&self) -> bool {
        self.pair.as_ref().is_some_and(|p| p.apart)
    }

    /// What the two requests differ in, where they are two.
    fn requests(&self) -> Option<&str> {
        self.requests.as_ref()?.1.as_deref()
    }

    fn texts(&self) -> Option<&Texts> {
        let made = self.made.as_ref()?;
        match self.tab {
            Tab::Content => Some(&made.content),
            Tab::Reasoning => Some(&made.reasoning),
            Tab::Tools => Some(&made.tools),
            _ => None,
        }
    }
}

impl Made {
    fn new(of: Key, a: &Exchange, b: &Exchange) -> Self {
        let comparison = compare(&a.seen, &b.seen, of.expect);
        let mut figures: Vec<usize> = (0..comparison.figures.len()).collect();
        figures.retain(|i| comparison.figures[*i].values != [Amount::None, Amount::None]);
        // What differs comes first, in the order of the table; while something runs nothing jumps.
        if !a.is_running() && !b.is_running() {
            figures.sort_by_key(|i| {
                let [a, b] = &comparison.figures[*i].values;
                a == b
            });
        }
        let mut strip = figures.clone();
        strip.sort_by_key(|i| {
            let name = comparison.figures[*i].name;
            CLOCKS.iter().position(|c| *c == name).unwrap_or(CLOCKS.len())
        });
        let mut paths: Vec<usize> = (0..comparison.paths.len()).collect();
        paths.sort_by_key(|i| match comparison.paths[*i].counts {
            [_, 0] | [0, _] => 0,
            [a, b] if a != b => 1,
            _ => 2,
        });
        // Two answers of their own differ everywhere: marks would say nothing.
        let marked = of.expect == Expect::Same;
        let text = |channel| {
            let of = |e: &Exchange| -> String {
                e.seen.answer().texts(channel).map(|(_, text)| text).collect()
            };
            Texts::new([of(a), of(b)], marked)
        };
        Self {
            of,
            figures,
            strip,
            paths,
            content: text(Channel::Content),
            reasoning: text(Channel::Reasoning),
            tools: Texts::new([texts::tools(a), texts::tools(b)], marked),
            events: timeline::events(a, b),
            comparison,
        }
    }
}

/// Where everything of the comparison stands.
#[derive(Debug, Clone, Copy)]
struct Areas {
    title: Rect,
    verdict: Rect,
    /// What the requests differ in; empty where they do not.
    requests: Rect,
    sides: Rect,
    figures: Rect,
    tabs: Rect,
    body: Rect,
    footer: Rect,
}

/// The two columns of a place, and the line between them. Where there is room for one only, it is
/// that of `side`.
fn halves(area: Rect, side: usize) -> [Rect; 2] {
    if area.width < TWO_SIDES {
        let mut both = [Rect { width: 0, ..area }; 2];
        both[side.min(1)] = area;
        return both;
    }
    let left = area.width / 2;
    let x = area.x + left + 1;
    [Rect { width: left, ..area }, Rect { x, width: area.right().saturating_sub(x), ..area }]
}

impl App {
    /// The exchange of a side, once its first entry has come.
    fn compared(&self, side: usize) -> Option<&Exchange> {
        let (id, live) = *self.compare.as_ref()?.places.get(side)?;
        self.exchanges.iter().rfind(|e| e.id == id && e.live == live)
    }

    /// Whether a side can still change.
    fn compare_runs(&self) -> bool {
        (0..2).any(|side| match self.compared(side) {
            Some(exchange) => exchange.is_running(),
            None => self.sending,
        })
    }

    /// Compares again, if something has changed and it is time.
    pub(super) fn refresh_compare(&mut self) {
        let (Some(compare), Some(a), Some(b)) = (&self.compare, self.compared(0), self.compared(1))
        else {
            return;
        };
        let state = |e: &Exchange| {
            let seen = &e.seen;
            (seen.wire_len(), seen.reads().len(), seen.head.is_some(), seen.is_over())
        };
        // Two requests have two answers, whatever model gives them.
        let apart = compare.apart();
        let guess = || if apart { Expect::Different } else { Expect::guess(&a.seen, &b.seen) };
        let expect = compare.wanted.unwrap_or_else(guess);
        let key = Key { places: compare.places, states: [state(a), state(b)], expect };
        let over = !a.is_running() && !b.is_running();
        if let Some(made) = &compare.made {
            let bytes = a.seen.wire_len() + b.seen.wire_len();
            let asked = (made.of.places, made.of.expect) != (key.places, key.expect);
            let due = self.now >= compare.made_at + PAUSE * (1 + bytes / MUCH);
            if made.of == key || !(asked || over || due) {
                return;
            }
        }
        let made = Made::new(key, a, b);
        let now = self.now;
        // Long bodies are looked through once, not with each piece of an answer.
        let known = compare.requests.as_ref().is_some_and(|r| r.0 == key.places);
        let requests = (!known).then(|| requests::of_exchanges(a, b, apart));
        if let Some(compare) = &mut self.compare {
            if let Some(requests) = requests {
                compare.requests = Some((key.places, requests));
            }
            let last = made.comparison.differences.len().saturating_sub(1);
            compare.difference = compare.difference.min(last);
            compare.made = Some(made);
            compare.made_at = now;
            // What nobody scrolled shows the gravest difference once all is there.
            if over && compare.follow {
                self.go_to_difference();
            }
        }
    }

    /// Where everything stands; `None` where the screen is too small.
    fn compare_areas(&self) -> Option<Areas> {
        let screen = self.size;
        if screen.width < super::layout::MIN.0 || screen.height < super::layout::MIN.1 {
            return None;
        }
        let made = self.compare.as_ref().and_then(|c| c.made.as_ref());
        let mut wrap = Wrap::default();
        // While a stream runs nothing shall jump.
        if let Some(made) = made.filter(|_| !self.compare_runs()) {
            wrap.update(&made.comparison.verdict, usize::from(screen.width) - 4);
        }
        let room = match screen.height {
            0..18 => 1,
            18..24 => 2,
            _ => 3,
        };
        // The strip of figures has a line of heads.
        let figures = match screen.height {
            0..18 => 0,
            18..24 => 4,
            24..30 => 6,
            30..42 => 7,
            _ => 9,
        };
        let mut rest = screen;
        let mut take = |height: u16| {
            let height = height.min(rest.height);
            let taken = Rect { height, ..rest };
            rest = Rect { y: rest.y + height, height: rest.height - height, ..rest };
            taken
        };
        let title = take(1);
        let verdict = take((wrap.len() as u16).clamp(1, room));
        let requests = self.compare.as_ref().and_then(Compare::requests);
        let requests = take(u16::from(requests.is_some() && screen.height >= 14));
        let sides = take(1);
        let figures = take(figures);
        let tabs = take(1);
        let body = Rect { height: rest.height.saturating_sub(1), ..rest };
        let footer = Rect { y: body.bottom(), height: 1, ..rest };
        Some(Areas { title, verdict, requests, sides, figures, tabs, body, footer })
    }

    /// What the selected difference says, whole.
    fn compare_detail(&self) -> Option<Doc> {
        let compare = self.compare.as_ref()?;
        let made = compare.made.as_ref()?;
        made.comparison.differences.get(compare.difference).map(tables::detail)
    }
}
