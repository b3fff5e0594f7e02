//! Blocks of dialects that have no events for them: the channels and calls of the answer.

use super::Block;
use super::engine::{BlockEngine, Live, Surroundings};
use crate::dialect::Channel;

impl BlockEngine {
    /// Blocks of a dialect without events for them: what the deltas of the frame add.
    pub(super) fn deltas(&mut self, frame: u32, around: &Surroundings<'_>) {
        let answer = &*around.answer;
        self.added_to.clear();
        for delta in answer.deltas_of_last(frame).filter(|d| !d.duplicate) {
            let slot = answer.tool_place(&delta).unwrap_or(0) as u32;
            let key = (delta.choice, delta.channel as u8, slot);
            let bytes = answer.text_of(&delta).len() as u64;
            let at = match self.runs.get(&key).copied() {
                Some(at) => at as usize,
                None if self.is_full() => {
                    self.added_to.push(None);
                    continue;
                }
                None => {
                    if around.runs {
                        self.end_runs(delta.choice, frame);
                    }
                    let tool = answer.tool_of(&delta);
                    let at = self.list.len();
                    self.list.push(Block {
                        noun: if tool.is_some() { "call" } else { "channel" },
                        key: tool.map_or(u64::from(delta.choice), |t| t.index),
                        kind: if delta.channel == Channel::Tool {
                            String::new()
                        } else {
                            delta.channel.name().to_owned()
                        },
                        id: tool.and_then(|t| t.id.clone()),
                        name: tool.and_then(|t| t.name.clone()),
                        opened: frame,
                        ..Block::default()
                    });
                    self.live.push(Live::default());
                    self.runs.insert(key, at as u32);
                    at
                }
            };
            self.added_to.push(Some(at as u32));
            self.add(at, bytes);
        }
        for choice in answer.finished_in(frame).to_vec() {
            self.end_runs(choice, frame);
        }
    }

    /// Takes in the next delta of a frame that repeats the last one: it adds to the same block.
    pub(super) fn delta_again(&mut self, bytes: u64) {
        let at = self.added_to.get(self.again).copied().flatten();
        self.again += 1;
        if let Some(at) = at {
            self.add(at as usize, bytes);
        }
    }

    fn add(&mut self, at: usize, bytes: u64) {
        let frame = self.frame;
        if let Some(block) = self.list.get_mut(at) {
            block.deltas += 1;
            block.bytes += bytes;
            block.last_delta = Some(frame);
        }
    }

    pub(super) fn end_runs(&mut self, choice: u32, frame: u32) {
        let ended: Vec<_> =
            self.runs.range((choice, 0, 0)..=(choice, u8::MAX, u32::MAX)).map(|r| *r.0).collect();
        for key in ended {
            if let Some(at) = self.runs.remove(&key) {
                self.list[at as usize].closed = Some(frame);
            }
        }
    }
}
