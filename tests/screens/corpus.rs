//! The recordings of `../shared/corpus`, where that exists: every frame of every body is shown,
//! in each of the detail pane's tabs, without harm.

use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use sselens::inspect::{InspectOptions, Inspection};
use sselens::storage::file::{BodyHints, open};
use sselens::text::is_hazard;
use sselens::tui::{App, Event};

use crate::needs::{Needs, recordings};

use super::play::{keys, opened, text_of};

const SIZE: (u16, u16) = (100, 30);

#[test]
fn frames_of_every_recording_are_shown_without_harm() {
    if !Needs::Recordings.are_met() {
        return;
    }
    let list = std::fs::read_dir(recordings()).unwrap();
    let mut bodies = 0;
    for path in list.map(|e| e.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let beside = [".meta.json", ".expect.json", "index.json", "README.md"]
            .iter()
            .any(|e| name.ends_with(e));
        if !beside {
            bodies += 1;
            walk(&path, &name);
        }
    }
    assert!(bodies > 0, "no body in {}", recordings().display());
}

/// Number of frames of a recording that are gone to: the others repeat them.
const SHOWN: usize = 40;

/// Goes through the first frames of one recording, and draws the screen at each.
fn walk(path: &Path, name: &str) {
    let parts = BodyHints::default();
    let entries = open(path, &parts).unwrap().entries;
    let mut now = Inspection::new(std::sync::Arc::new(InspectOptions::default()));
    entries.iter().for_each(|e| now.push(e));
    let body = std::fs::read(path).unwrap();
    assert_eq!(now.body(), body, "{name}");

    let mut app = App::new(opened(entries));
    app.resize(SIZE.0, SIZE.1);
    type_in(&mut app, "2g");
    let mut end = 0;
    for (index, frame) in now.frames().iter().enumerate() {
        assert_eq!(frame.offset, end, "{name}: frame {index} begins where the one before ended");
        end = frame.end();
        if index >= SHOWN {
            continue;
        }
        let buffer = draw(&app);
        let text = text_of(&buffer);
        for cell in &buffer.content {
            assert!(!cell.symbol().chars().any(is_hazard), "{name}, frame {index}\n{text}");
        }
        let row = text.lines().find(|l| l.contains('▸')).unwrap_or_default();
        let number = index.to_string();
        assert!(row.split_whitespace().any(|w| w == number), "{name}, frame {index}\n{text}");
        type_in(&mut app, "tj");
    }
    assert_eq!(end, body.len() as u64, "{name}: the frames tile the body");
}

fn type_in(app: &mut App, text: &str) {
    for event in keys(text) {
        app.update(0, Event::Input(event));
    }
}

fn draw(app: &App) -> Buffer {
    let area = Rect::new(0, 0, SIZE.0, SIZE.1);
    let mut buffer = Buffer::empty(area);
    app.draw(area, &mut buffer);
    buffer
}
