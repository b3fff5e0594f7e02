//! Reading a text that is the one before it with other values, as nearly every frame of a stream
//! is: what both have in common is compared, which costs a fraction of parsing it.

use super::{Kind, Node, Tape, parse};

/// A longer text is not kept for the next one to be compared with, and never repeats one; in bytes.
pub const MAX_REPEATED: usize = 64 << 10;

impl Tape {
    /// Moves the last text's nodes to where `bytes` has the same members and items, and reads the
    /// values that differ. False where anything but a value that is no container differs, white
    /// space too, or is no JSON; the nodes are of no use then.
    pub(super) fn parse_again(&mut self, bytes: &[u8]) -> bool {
        if self.last.is_empty() || self.nonfinite || bytes.len() > MAX_REPEATED {
            return false;
        }
        let same = common(&self.last, bytes);
        // How far the last text and this one have been read. Between values both are the same, so what is at
        // `x` in the last text is at `x - old + new` in this one.
        let (mut old, mut new) = (0, 0);
        let moved = |x: u32, old: usize, new: usize| (x as usize - old + new) as u32;
        self.stack.clear();
        let mut i = 0;
        while i < self.nodes.len() {
            let node = self.nodes[i];
            // Needs one more byte: only the byte after a number shows that it ends.
            if (node.end as usize) < same {
                i = node.next as usize;
                continue;
            }
            self.close_before(i, |end| moved(end, old, new));
            let start = moved(node.start, old, new);
            self.nodes[i].start = start;
            match node.kind {
                Kind::Array | Kind::Object => self.stack.push(i as u32),
                // The key is compared below, with everything else before the next value.
                Kind::Key => self.nodes[i].end = moved(node.end, old, new),
                _ => {
                    let between = self.last.get(old..node.start as usize);
                    if between != bytes.get(new..start as usize) {
                        return false;
                    }
                    let Ok(value) = parse::scalar(bytes, start as usize) else { return false };
                    self.nonfinite |= value.nonfinite;
                    (old, new) = (node.end as usize, value.end);
                    let (kind, escaped) = (value.kind, value.escaped);
                    self.nodes[i] = Node { kind, escaped, start, end: new as u32, ..node };
                }
            }
            i += 1;
        }
        self.close_before(i, |end| moved(end, old, new));
        if self.last.get(old..) != bytes.get(new..) {
            return false;
        }
        self.last.truncate(same);
        self.last.extend_from_slice(&bytes[same..]);
        true
    }

    /// Moves the ends of the open containers that end before node `i`.
    fn close_before(&mut self, i: usize, moved: impl Fn(u32) -> u32) {
        while let Some(open) = self.stack.last().map(|open| &mut self.nodes[*open as usize])
            && open.next as usize <= i
        {
            open.end = moved(open.end);
            self.stack.pop();
        }
    }
}

/// Returns the number of bytes that two texts have in common at their beginning.
fn common(a: &[u8], b: &[u8]) -> usize {
    // Sixteen at a step, which are one comparison.
    let steps = a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0);
    let at = steps.take_while(|(x, y)| x == y).count() * 16;
    at + a[at..].iter().zip(&b[at..]).take_while(|(x, y)| x == y).count()
}
