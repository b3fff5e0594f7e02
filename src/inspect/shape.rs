//! The shape table: every JSON path that a stream had, with its types, how often, and since when.
//!
//! Both bug reports that this program grew from argued for weeks about which field carried the text. No one had
//! counted.

use std::collections::HashMap;

use crate::json::{Kind, MAX_REPEATED, Tape, Value};
use crate::text;

/// The largest number of distinct paths that are kept. Otherwise a stream that writes data as keys would grow
/// the table without bound. Anything beyond is counted in [`Shape::dropped`].
pub(super) const MAX_PATHS: usize = 10_000;
/// The largest depth of paths; deeper values count as part of the value there.
const MAX_DEPTH: usize = 32;
/// The largest number of characters of a sample that are kept.
const SAMPLE: usize = 60;
/// From how many children on a node looks them up by hash.
const MANY: usize = 16;

/// The paths of a stream, as a tree.
#[derive(Debug, Clone)]
pub struct Shape {
    nodes: Vec<ShapeNode>,
    by_key: HashMap<(u32, Box<[u8]>), u32>,
    /// Values under paths that were not kept.
    pub dropped: u64,
    /// Number of objects, to detect a key written twice in one object.
    objects: u64,
    duplicate_key: Option<String>,
    template: Template,
}

/// The last frame whose paths were looked up. Most frames of a stream have the same keys in the
/// same order: then every path is known by its position, and counting is a walk over a list.
#[derive(Debug, Default, Clone)]
struct Template {
    /// The position on the tape of each value, and its node.
    nodes: Vec<(u32, u32)>,
    duplicate_key: Option<String>,
    /// It is short enough to be repeated, and nothing in it was left out of the table.
    whole: bool,
    /// Number of frames with the same keys and types that are still to be counted.
    uncounted: u64,
}

#[derive(Debug, Default, Clone)]
struct ShapeNode {
    /// The key in the parent, UTF-8; empty for the items of an array. As bytes, because comparing
    /// text by slices of it costs as much again for finding out that no character is cut.
    key: Box<[u8]>,
    is_item: bool,
    parent: u32,
    children: Vec<u32>,
    /// The child for the items of an array; 0, which is no node's child, for none.
    items: u32,
    /// The child found last: frames repeat themselves, so the next key is mostly the next child.
    hint: usize,
    types: u8,
    count: u64,
    first: u32,
    sample: String,
    object: u64,
}

impl ShapeNode {
    /// Counts a value. Keeps a sample of the first that says something: no container and no empty string.
    fn see(&mut self, value: Value<'_>) {
        let kind = value.kind();
        self.count += 1;
        self.types |= 1 << (kind as u8);
        let tells = !matches!(kind, Kind::Null | Kind::Array | Kind::Object);
        if tells && self.sample.is_empty() && value.raw() != b"\"\"" {
            self.sample = text::preview(value.source(), SAMPLE);
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct ShapeRow {
    /// The path, array items as `[]`: `choices[].delta.reasoning`.
    pub path: String,
    /// The JSON types seen there, in the order of [`Kind`].
    pub types: Vec<&'static str>,
    /// Number of values.
    pub count: u64,
    /// The frame that had it first.
    pub first: u32,
    /// The first informative value, truncated; made visible.
    pub sample: String,
}

const KINDS: [Kind; 6] =
    [Kind::Null, Kind::Bool, Kind::Number, Kind::String, Kind::Array, Kind::Object];

impl Default for Shape {
    fn default() -> Self {
        Self {
            nodes: vec![ShapeNode::default()],
            by_key: HashMap::new(),
            dropped: 0,
            objects: 0,
            duplicate_key: None,
            template: Template::default(),
        }
    }
}

impl Shape {
    /// Counts the JSON of one frame; `tape` is its tape and `text` its text. All frames of a stream are
    /// parsed on one tape, and each is counted. Returns the first key that one object had twice, if any.
    pub fn add(&mut self, frame: u32, tape: &Tape, text: &str) -> Option<String> {
        let root = tape.root(text)?;
        if tape.repeats() && self.template.whole {
            let template = std::mem::take(&mut self.template);
            for (position, node) in &template.nodes {
                self.nodes[*node as usize].see(tape.value_at(text, *position));
            }
            self.template = template;
            return self.template.duplicate_key.clone();
        }
        for (_, node) in &self.template.nodes {
            self.nodes[*node as usize].count += self.template.uncounted;
        }
        self.template.uncounted = 0;
        self.duplicate_key = None;
        let dropped = self.dropped;
        self.template.nodes.clear();
        self.template.whole = text.len() <= MAX_REPEATED;
        self.value(0, frame, root, 0);
        self.template.whole &= self.dropped == dropped;
        self.template.duplicate_key.clone_from(&self.duplicate_key);
        self.duplicate_key.take()
    }

    /// Counts a frame with the keys, types and values of the one before, but for a text that was not
    /// empty there.
    pub(super) fn repeat(&mut self) {
        self.template.uncounted += 1;
    }

    /// Returns whether the frame counted last may be counted again by [`Shape::repeat`].
    pub(super) fn can_repeat(&self) -> bool {
        self.template.whole
    }

    /// Recursion ends at [`MAX_DEPTH`].
    fn value(&mut self, node: u32, frame: u32, value: Value<'_>, depth: usize) {
        if self.template.whole {
            self.template.nodes.push((value.position(), node));
        }
        let n = &mut self.nodes[node as usize];
        n.see(value);
        if n.count == 1 {
            n.first = frame;
        }
        match value.kind() {
            Kind::Array if depth < MAX_DEPTH => {
                for item in value.items() {
                    match self.child(node, b"", true) {
                        Some(child) => self.value(child, frame, item, depth + 1),
                        None => self.dropped += 1,
                    }
                }
            }
            Kind::Object if depth < MAX_DEPTH => {
                self.objects += 1;
                let object = self.objects;
                for (key, member) in value.entries() {
                    let name = key.text_bytes();
                    let Some(child) = self.child(node, &name, false) else {
                        self.dropped += 1;
                        continue;
                    };
                    let c = &mut self.nodes[child as usize];
                    if c.object == object && self.duplicate_key.is_none() {
                        self.duplicate_key = Some(String::from_utf8_lossy(&name).into_owned());
                    }
                    c.object = object;
                    self.value(child, frame, member, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn child(&mut self, node: u32, key: &[u8], is_item: bool) -> Option<u32> {
        let parent = &self.nodes[node as usize];
        if is_item && parent.items != 0 {
            return Some(parent.items);
        }
        let is = |at: usize| {
            let child = *parent.children.get(at)?;
            let n = &self.nodes[child as usize];
            (!is_item && !n.is_item && &*n.key == key).then_some((at, child))
        };
        let found = is(parent.hint).or_else(|| is(0)).or_else(|| {
            if is_item {
                None
            } else if parent.children.len() < MANY {
                (0..parent.children.len()).find_map(is)
            } else {
                self.by_key.get(&(node, key.into())).map(|c| (parent.hint, *c))
            }
        });
        if let Some((at, child)) = found {
            self.nodes[node as usize].hint = at + 1;
            return Some(child);
        }
        if self.nodes.len() > MAX_PATHS {
            return None;
        }
        let child = self.nodes.len() as u32;
        self.nodes.push(ShapeNode {
            key: key.into(),
            is_item,
            parent: node,
            ..ShapeNode::default()
        });
        if !is_item {
            self.by_key.insert((node, key.into()), child);
        }
        let parent = &mut self.nodes[node as usize];
        if is_item {
            parent.items = child;
        }
        parent.children.push(child);
        parent.hint = parent.children.len();
        Some(child)
    }

    /// Returns the number of distinct paths.
    pub fn len(&self) -> usize {
        self.nodes.len() - 1
    }

    /// Returns whether no JSON was seen.
    pub fn is_empty(&self) -> bool {
        self.nodes[0].count == 0
    }

    /// The table, each path before what it holds, siblings in order of first appearance.
    pub fn rows(&self) -> Vec<ShapeRow> {
        let mut rows = Vec::new();
        let mut uncounted = HashMap::new();
        if self.template.uncounted > 0 {
            for (_, node) in &self.template.nodes {
                *uncounted.entry(*node).or_insert(0) += self.template.uncounted;
            }
        }
        let mut todo: Vec<u32> = self.nodes[0].children.iter().rev().copied().collect();
        while let Some(i) = todo.pop() {
            let n = &self.nodes[i as usize];
            rows.push(ShapeRow {
                path: self.path(i),
                types: KINDS
                    .iter()
                    .filter(|k| n.types & 1 << (**k as u8) != 0)
                    .map(|k| k.name())
                    .collect(),
                count: n.count + uncounted.get(&i).copied().unwrap_or(0),
                first: n.first,
                sample: n.sample.clone(),
            });
            todo.extend(n.children.iter().rev());
        }
        rows
    }

    /// Returns the number of values at `path` (as in [`ShapeRow::path`]).
    pub fn count(&self, path: &str) -> u64 {
        self.rows().iter().find(|r| r.path == path).map_or(0, |r| r.count)
    }

    fn path(&self, mut i: u32) -> String {
        let mut parts = Vec::new();
        while i != 0 {
            let n = &self.nodes[i as usize];
            parts.push(n);
            i = n.parent;
        }
        let mut path = String::new();
        for n in parts.into_iter().rev() {
            if n.is_item {
                path.push_str("[]");
                continue;
            }
            let key = text::lossy(&n.key);
            let plain = !key.is_empty()
                && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '@'));
            if plain {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&key);
            } else {
                // A key that is no plain word is quoted, so that paths stay unambiguous.
                path.push_str(&format!("[{}]", text::to_json(&key)));
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(frames: &[&str]) -> (Shape, Vec<Option<String>>) {
        let mut shape = Shape::default();
        let mut tape = Tape::new();
        let twice = frames.iter().enumerate().map(|(i, f)| {
            tape.parse(f).unwrap();
            shape.add(i as u32, &tape, f)
        });
        let twice = twice.collect();
        (shape, twice)
    }

    #[test]
    fn paths_are_counted_with_types_and_first_frame() {
        let (shape, _) = shape(&[
            r#"{"choices":[{"delta":{"role":"assistant"}}]}"#,
            r#"{"choices":[{"delta":{"content":null,"reasoning":"a"}}]}"#,
            r#"{"choices":[{"delta":{"content":"x","reasoning":"b"}},{}],"a.b":1}"#,
        ]);
        let rows = shape.rows();
        let row = |path: &str| rows.iter().find(|r| r.path == path).unwrap();
        assert_eq!(row("choices[].delta.content").types, ["null", "string"]);
        let reasoning = row("choices[].delta.reasoning");
        assert_eq!((reasoning.count, reasoning.first, reasoning.sample.as_str()), (2, 1, "\"a\""));
        assert_eq!(row("choices[]").count, 4);
        assert_eq!(row("[\"a.b\"]").count, 1);
    }

    #[test]
    fn a_key_written_twice_is_told() {
        let (_, twice) =
            shape(&[r#"{"a":1,"b":{"c":1,"c":2}}"#, r#"{"a":{"x":1},"b":[{"x":1},{"x":2}]}"#]);
        assert_eq!(twice, [Some("c".to_owned()), None]);
    }

    #[test]
    fn a_frame_like_the_last_one_counts_the_same() {
        let frames = [
            r#"{"a":[{"b":null},{"b":""}],"c":1}"#,
            r#"{"a":[{"b":"x"},{"b":2}],"c":null}"#,
            r#"{"a":[{"b":{"d":1}}],"c":1}"#,
            r#"{"a":[{"b":[3]}],"c":1}"#,
            r#"{"a":[{"b":[]}],"c":{}}"#,
        ];
        let (by_template, _) = shape(&frames);
        let mut plain = Shape::default();
        for (i, f) in frames.iter().enumerate() {
            // A tape that knows of no frame before this one.
            let mut tape = Tape::new();
            tape.parse(f).unwrap();
            assert!(!tape.repeats());
            plain.add(i as u32, &tape, f);
        }
        assert_eq!(by_template.rows(), plain.rows());
    }

    #[test]
    fn data_as_keys_does_not_grow_without_bound() {
        let mut shape = Shape::default();
        let mut tape = Tape::new();
        for i in 0..MAX_PATHS + 500 {
            let text = format!("{{\"k{i}\":1}}");
            tape.parse(&text).unwrap();
            shape.add(0, &tape, &text);
        }
        assert_eq!((shape.len(), shape.dropped), (MAX_PATHS, 500));
    }
}
