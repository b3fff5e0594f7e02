//! Where everything stands: a pure function of the size and of what is in focus, asked by drawing,
//! by the mouse and by "a page down" alike.

use ratatui::layout::Rect;

use super::pane::PaneId;

/// The smallest screen that is drawn.
pub(super) const MIN: (u16, u16) = (40, 10);
/// From this size on all panes are shown at once.
pub(super) const FULL: (u16, u16) = (100, 26);

/// What the arrangement depends on beside the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    /// The pane in focus.
    pub focus: PaneId,
    /// It has the screen to itself.
    pub zoom: bool,
    /// How many lines the verdict takes.
    pub verdict: u16,
}

/// The places; what is not shown is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Areas {
    /// The title line.
    pub title: Rect,
    /// The verdict, or what the stream waits for.
    pub verdict: Rect,
    /// The bar of pane names where only one pane is shown.
    pub tabs: Rect,
    /// The panes, by [`PaneId`].
    pub panes: [Rect; 5],
    /// The line between the request and the rest.
    pub divider: Rect,
    /// The timeline as one line, where its pane is not shown.
    pub strip: Rect,
    /// The keys that count.
    pub footer: Rect,
    /// The screen is too small for anything.
    pub too_small: bool,
}

impl Areas {
    /// A pane's place.
    pub(super) fn pane(&self, pane: PaneId) -> Rect {
        self.panes[pane as usize]
    }
}

/// Takes `height` rows off the top.
fn take(rest: &mut Rect, height: u16) -> Rect {
    let height = height.min(rest.height);
    let taken = Rect { height, ..*rest };
    rest.y += height;
    rest.height -= height;
    taken
}

/// Arranges the screen.
pub(super) fn areas(screen: Rect, view: View) -> Areas {
    let mut areas = Areas::default();
    if screen.width < MIN.0 || screen.height < MIN.1 {
        areas.too_small = true;
        return areas;
    }
    let mut rest = screen;
    let full = screen.width >= FULL.0 && screen.height >= FULL.1;
    areas.title = take(&mut rest, 1);
    rest.height -= 1;
    areas.footer = Rect { y: rest.bottom(), height: 1, ..rest };
    let room = match screen.height {
        0..18 => 1,
        18..24 => 2,
        _ => 3,
    };
    areas.verdict = take(&mut rest, view.verdict.clamp(1, room));
    if !full || view.zoom {
        if !full {
            areas.tabs = take(&mut rest, 1);
        }
        if screen.height >= 18 && view.focus != PaneId::Timeline {
            rest.height -= 1;
            areas.strip = Rect { y: rest.bottom(), height: 1, ..rest };
        }
        areas.panes[view.focus as usize] = rest;
        return areas;
    }
    let timeline = (screen.height / 5).clamp(6, 14);
    rest.height -= timeline;
    areas.panes[PaneId::Timeline as usize] = Rect { y: rest.bottom(), height: timeline, ..rest };
    let left = (screen.width / 4).clamp(32, 44);
    areas.panes[PaneId::Request as usize] = Rect { width: left, ..rest };
    areas.divider = Rect { x: rest.x + left, width: 1, ..rest };
    let mut right = Rect { x: rest.x + left + 1, width: rest.width - left - 1, ..rest };
    let detail = (right.height * 27 / 100).max(6);
    let answer = (right.height * 32 / 100).max(6);
    let frames = right.height - detail - answer;
    areas.panes[PaneId::Frames as usize] = take(&mut right, frames);
    areas.panes[PaneId::Detail as usize] = take(&mut right, detail);
    areas.panes[PaneId::Answer as usize] = right;
    areas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_places_inside_the_screen_and_apart() {
        for width in 1..=300 {
            for height in 1..=100 {
                for (zoom, verdict) in [(false, 1), (true, 1), (false, 2), (true, 9)] {
                    let screen = Rect::new(0, 0, width, height);
                    for focus in PaneId::ALL {
                        let a = areas(screen, View { focus, zoom, verdict });
                        assert_eq!(a.too_small, width < MIN.0 || height < MIN.1);
                        let mut all =
                            vec![a.title, a.verdict, a.tabs, a.divider, a.strip, a.footer];
                        all.extend(a.panes);
                        let sum: u32 = all.iter().map(|r| r.area()).sum();
                        if a.too_small {
                            assert_eq!(sum, 0);
                            continue;
                        }
                        assert_eq!(sum, screen.area(), "{width}x{height}: nothing left over");
                        assert!(all.iter().all(|r| r.is_empty() || screen.union(*r) == screen));
                        assert!(a.pane(focus).height >= 4, "{width}x{height}");
                    }
                }
            }
        }
    }
}
