//! A body that remembers what of it was read.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use serde_json::{Number, Value};

use super::{Notes, Said};

/// A request's body being read: each value has a path, and is known to have been read or not.
pub struct Sheet<'a> {
    root: &'a Value,
    paths: HashMap<*const Value, String>,
    read: RefCell<HashSet<*const Value>>,
    notes: RefCell<Notes>,
}

impl<'a> Sheet<'a> {
    /// Nothing of it is read yet.
    pub fn new(root: &'a Value) -> Self {
        let mut paths = HashMap::new();
        name(root, String::new(), &mut paths);
        Self { root, paths, read: RefCell::default(), notes: RefCell::default() }
    }

    /// The whole body.
    pub fn root(&self) -> Node<'_> {
        Node { value: self.root, sheet: self }
    }

    /// The value at a path.
    pub fn value(&self, path: &str) -> Option<&'a Value> {
        find(self.root, &|value| self.path(value) == path)
    }

    /// Where nobody read: the paths of whole values of which nothing was, in order. A `null` says
    /// nothing and is none.
    pub fn unread(&self) -> Vec<String> {
        let mut list = Vec::new();
        if !self.collect(self.root, &mut list) {
            list = vec![self.path(self.root).to_owned()];
        }
        list
    }

    /// Notes that were taken while reading.
    pub fn into_notes(self) -> Notes {
        self.notes.into_inner()
    }

    fn path(&self, value: &Value) -> &str {
        self.paths.get(&std::ptr::from_ref(value)).map_or("", String::as_str)
    }

    /// Adds what of a value nobody read; `false` when nobody read any of it.
    fn collect(&self, value: &Value, list: &mut Vec<String>) -> bool {
        if self.read.borrow().contains(&std::ptr::from_ref(value)) {
            return true;
        }
        let inner: Vec<&Value> = match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(members) => members.values().collect(),
            _ => return false,
        };
        let mut any = false;
        let mut here = Vec::new();
        for value in inner.into_iter().filter(|v| !v.is_null()) {
            let mut below = Vec::new();
            if self.collect(value, &mut below) {
                any = true;
                here.append(&mut below);
            } else {
                here.push(self.path(value).to_owned());
            }
        }
        list.append(&mut here);
        any
    }
}

fn name(value: &Value, path: String, paths: &mut HashMap<*const Value, String>) {
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                name(item, format!("{path}[{i}]"), paths);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
                let path = match (plain && !key.is_empty(), path.is_empty()) {
                    (true, true) => key.clone(),
                    (true, false) => format!("{path}.{key}"),
                    (false, _) => format!("{path}[{}]", crate::text::to_json(key)),
                };
                name(member, path, paths);
            }
        }
        _ => {}
    }
    paths.insert(std::ptr::from_ref(value), path);
}

fn find<'a>(value: &'a Value, is: &dyn Fn(&Value) -> bool) -> Option<&'a Value> {
    if is(value) {
        return Some(value);
    }
    match value {
        Value::Array(items) => items.iter().find_map(|v| find(v, is)),
        Value::Object(members) => members.values().find_map(|v| find(v, is)),
        _ => None,
    }
}

/// One value of a [`Sheet`]. To look is free; what is taken counts as read.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    value: &'a Value,
    sheet: &'a Sheet<'a>,
}

impl<'a> Node<'a> {
    fn of(self, value: &'a Value) -> Self {
        Self { value, sheet: self.sheet }
    }

    /// A member.
    pub fn get(self, key: &str) -> Option<Self> {
        self.value.get(key).map(|v| self.of(v))
    }

    /// The first of these members that is there.
    pub fn any(self, keys: &[&str]) -> Option<Self> {
        keys.iter().find_map(|key| self.get(key))
    }

    /// A member of a member.
    pub fn at(self, path: &[&str]) -> Option<Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// An array's items; none of anything else.
    pub fn items(self) -> impl Iterator<Item = Node<'a>> {
        self.value.as_array().into_iter().flatten().map(move |v| self.of(v))
    }

    /// The value, without taking it.
    pub fn look(self) -> &'a Value {
        self.value
    }

    /// A member's text, without taking it; empty where there is none.
    pub fn look_str(self, key: &str) -> &'a str {
        self.value.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// Takes the value with all that is in it.
    pub fn take(self) -> &'a Value {
        self.sheet.read.borrow_mut().insert(std::ptr::from_ref(self.value));
        self.value
    }

    /// Takes a string.
    pub fn text(self) -> Option<String> {
        let text = self.value.as_str()?.to_owned();
        self.take();
        Some(text)
    }

    /// Takes a boolean.
    pub fn bool(self) -> Option<bool> {
        let value = self.value.as_bool()?;
        self.take();
        Some(value)
    }

    /// Takes a member that only says what kind of thing this is.
    pub fn tag(self, key: &str) {
        if let Some(node) = self.get(key) {
            node.take();
        }
    }

    /// Takes a string, with its place.
    pub fn said_text(self) -> Option<Said<String>> {
        self.text().map(|text| self.said(text))
    }

    /// Takes a boolean, with its place.
    pub fn said_bool(self) -> Option<Said<bool>> {
        self.bool().map(|value| self.said(value))
    }

    /// Takes a number, with its place.
    pub fn said_number(self) -> Option<Said<Number>> {
        let Value::Number(number) = self.value else { return None };
        self.take();
        Some(self.said(number.clone()))
    }

    /// Something said here.
    pub fn said<T>(self, what: T) -> Said<T> {
        Said { what, at: self.path() }
    }

    /// Its path.
    pub fn path(self) -> String {
        self.sheet.path(self.value).to_owned()
    }

    /// Notes that what stands here was not read as quite what it says.
    pub fn changed(self, why: &str) {
        self.sheet.notes.borrow_mut().changed(&self.path(), why);
    }
}
