//! The layout of the screen: a pure function of the size and of what is in focus, asked by drawing, by the
//! mouse and by "a page down" alike.

use ratatui::layout::Rect;

use super::band;
use super::pane::PanePlace;

/// The smallest screen that is drawn.
pub(super) const MIN: (u16, u16) = (40, 10);
/// From this size on all panes are shown at once.
pub(super) const FULL: (u16, u16) = (100, 26);

/// The inputs of the arrangement besides the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View<'a> {
    /// The place of each pane.
    pub places: &'a [PanePlace],
    /// True for each pane that has something to show.
    pub shown: &'a [bool],
    /// The index of the pane in focus.
    pub focus: usize,
    /// It has the screen to itself.
    pub zoom: bool,
    /// Somebody types in a pane at the left, which gets half of the width.
    pub typing: bool,
    /// The indexes of the panes beside an explanation, if one is open.
    pub beside: Option<&'a [usize]>,
}

/// The places; what is not shown is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Areas {
    /// The title line.
    pub title: Rect,
    /// The verdict, or what the stream waits for.
    pub verdict: Rect,
    /// The bar of pane names where only one pane is shown.
    pub tabs: Rect,
    /// The panes, by their indexes.
    pub panes: Vec<Rect>,
    /// The line between the request and the rest.
    pub divider: Rect,
    /// The timeline as one line, where its pane is not shown.
    pub strip: Rect,
    /// The keys that count.
    pub footer: Rect,
    /// The area of an explanation.
    pub dock: Rect,
    /// The screen is too small for anything.
    pub too_small: bool,
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
pub(super) fn areas(screen: Rect, view: View<'_>) -> Areas {
    let panes = vec![Rect::default(); view.places.len()];
    let mut areas = Areas { panes, ..Areas::default() };
    if screen.width < MIN.0 || screen.height < MIN.1 {
        areas.too_small = true;
        return areas;
    }
    let mut rest = screen;
    areas.title = take(&mut rest, 1);
    rest.height -= 1;
    areas.footer = Rect { y: rest.bottom(), height: 1, ..rest };
    areas.verdict = take(&mut rest, band::height(screen.height));
    if let Some(beside) = view.beside {
        areas.dock = dock(screen, rest);
        if areas.dock.width == rest.width {
            rest.height -= areas.dock.height;
            above(rest, beside, &mut areas.panes);
            return areas;
        }
        rest.width -= areas.dock.width;
    }
    let full = rest.width >= FULL.0 && screen.height >= FULL.1;
    if !full || view.zoom {
        if !full {
            areas.tabs = take(&mut rest, 1);
        }
        if screen.height >= 18 && view.places[view.focus] != PanePlace::Bottom {
            rest.height -= 1;
            areas.strip = Rect { y: rest.bottom(), height: 1, ..rest };
        }
        areas.panes[view.focus] = rest;
        return areas;
    }
    let timeline = (screen.height / 5).clamp(6, 14);
    rest.height -= timeline;
    let bottom = Rect { y: rest.bottom(), height: timeline, ..rest };
    let left = match view.typing {
        true => rest.width / 2,
        false => (rest.width / 4).clamp(32, 44),
    };
    areas.divider = Rect { x: rest.x + left, width: 1, ..rest };
    let right = Rect { x: rest.x + left + 1, width: rest.width - left - 1, ..rest };
    let left = Rect { width: left, ..rest };
    // Panes that share the left or the bottom are stacked, in equal parts.
    let of = |place| move |p: &PanePlace| *p == place;
    stack(left, view, of(PanePlace::Left), &mut areas.panes);
    stack(right, view, |p| matches!(p, PanePlace::Right(_)), &mut areas.panes);
    stack(bottom, view, of(PanePlace::Bottom), &mut areas.panes);
    areas
}

/// The least width with an explanation to the right of all panes; otherwise it is below some.
const WIDE: u16 = 150;

/// Returns the area of an explanation in what title, band and footer leave of a screen.
fn dock(screen: Rect, rest: Rect) -> Rect {
    if screen.width >= WIDE && screen.height >= FULL.1 {
        let width = (screen.width - FULL.0).min(72);
        return Rect { x: rest.right() - width, width, ..rest };
    }
    let height = rest.height - rest.height / 2;
    Rect { y: rest.bottom() - height, height, ..rest }
}

/// Returns the area of an explanation on a screen of that size; empty on one that is too small.
pub(super) fn docked(screen: Rect) -> Rect {
    areas(
        screen,
        View {
            places: &[PanePlace::Left],
            shown: &[true],
            focus: 0,
            zoom: false,
            typing: false,
            beside: Some(&[0]),
        },
    )
    .dock
}

/// Puts the panes that show the bytes above an explanation: as many as have room for some rows.
fn above(area: Rect, beside: &[usize], panes: &mut [Rect]) {
    let fit = usize::from(area.height / 4).clamp(1, beside.len().max(1));
    // The last panes show most of what is explained.
    let shown = &beside[beside.len().saturating_sub(fit)..];
    let mut rest = area;
    for (n, i) in shown.iter().enumerate() {
        let height = rest.height / (shown.len() - n) as u16;
        if let Some(pane) = panes.get_mut(*i) {
            *pane = take(&mut rest, height);
        }
    }
}

/// Divides an area among the panes that are in it, one below the other, by their shares.
fn stack(area: Rect, view: View<'_>, stands: impl Fn(&PanePlace) -> bool, panes: &mut [Rect]) {
    let View { places, shown, .. } = view;
    let here: Vec<usize> = (0..places.len()).filter(|i| stands(&places[*i]) && shown[*i]).collect();
    let share = |i: &usize| match places[*i] {
        PanePlace::Right(percent) if percent > 0 => Some((area.height * percent / 100).max(6)),
        _ => None,
    };
    let taken: u16 = here.iter().filter_map(share).sum();
    let rest = here.iter().filter(|i| share(i).is_none()).count() as u16;
    let left = area.height.saturating_sub(taken);
    let mut room = area;
    for (n, i) in here.iter().enumerate() {
        // The last pane takes the rest.
        let height = match share(i) {
            _ if n + 1 == here.len() => room.height,
            Some(height) => height,
            None => left / rest.max(1),
        };
        panes[*i] = take(&mut room, height);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_places_inside_the_screen_and_apart() {
        let places = [
            PanePlace::Left,
            PanePlace::Right(0),
            PanePlace::Right(27),
            PanePlace::Right(32),
            PanePlace::Bottom,
        ];
        for width in 1..=300 {
            for height in 1..=100 {
                let some: &[usize] = &[1, 2];
                for (zoom, typing, beside) in [
                    (false, false, None),
                    (false, true, None),
                    (true, false, None),
                    (false, false, Some(some)),
                ] {
                    let screen = Rect::new(0, 0, width, height);
                    for focus in 0..places.len() {
                        let shown = &[true; 5];
                        let view = View { places: &places, shown, focus, zoom, typing, beside };
                        let a = areas(screen, view);
                        assert_eq!(a.too_small, width < MIN.0 || height < MIN.1);
                        let mut all =
                            vec![a.title, a.verdict, a.tabs, a.divider, a.strip, a.footer, a.dock];
                        all.extend(&a.panes);
                        let sum: u32 = all.iter().map(|r| r.area()).sum();
                        if a.too_small {
                            assert_eq!(sum, 0);
                            continue;
                        }
                        assert_eq!(sum, screen.area(), "{width}x{height}: nothing left over");
                        assert!(all.iter().all(|r| r.is_empty() || screen.union(*r) == screen));
                        let seen = if beside.is_some() { 2 } else { focus };
                        assert!(a.panes[seen].height >= 3, "{width}x{height}");
                    }
                }
            }
        }
    }
}
