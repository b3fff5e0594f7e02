//! A body that remembers what of it was read.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use serde_json::{Number, Value};

use super::{Located, Notes};

/// A request's body being read: each value has a path, and is known to have been read or not.
pub struct TrackedJson<'a> {
    root: &'a Value,
    /// The container of each value, and the value's name there.
    places: HashMap<*const Value, (&'a Value, PathStep<'a>)>,
    read: RefCell<HashSet<*const Value>>,
    /// The same in the order of reading.
    order: RefCell<Vec<*const Value>>,
    notes: RefCell<Notes>,
}

/// The name of a value in its container.
#[derive(Clone, Copy)]
enum PathStep<'a> {
    Member(&'a str),
    Item(usize),
}

impl<'a> TrackedJson<'a> {
    /// Nothing of it is read yet.
    pub fn new(root: &'a Value) -> Self {
        let mut places = HashMap::new();
        place(root, &mut places);
        Self {
            root,
            places,
            read: RefCell::default(),
            order: RefCell::default(),
            notes: RefCell::default(),
        }
    }

    /// The whole body.
    pub fn root(&self) -> TrackedValue<'_> {
        TrackedValue { value: self.root, sheet: self }
    }

    /// Returns the unread paths: those of whole values of which nothing was read, in order. A `null` says
    /// nothing and is not listed.
    pub fn unread(&self) -> Vec<String> {
        let mut list = Vec::new();
        self.collect(self.root, &mut list);
        list.into_iter().map(|value| self.path(value)).collect()
    }

    /// Notes that were taken while reading.
    pub fn into_notes(self) -> Notes {
        self.notes.into_inner()
    }

    fn path(&self, value: &Value) -> String {
        match self.places.get(&std::ptr::from_ref(value)) {
            None => String::new(),
            Some((outer, PathStep::Item(i))) => format!("{}[{i}]", self.path(outer)),
            Some((outer, PathStep::Member(key))) => member(&self.path(outer), key),
        }
    }

    /// Adds what of a value was not read; returns `false` when none of it was.
    fn collect(&self, value: &'a Value, list: &mut Vec<&'a Value>) -> bool {
        if self.read.borrow().contains(&std::ptr::from_ref(value)) {
            return true;
        }
        let mut any = false;
        let start = list.len();
        let mut look = |inner: &'a Value| {
            let before = list.len();
            if inner.is_null() {
                return;
            }
            if self.collect(inner, list) {
                any = true;
            } else {
                list.truncate(before);
                list.push(inner);
            }
        };
        match value {
            Value::Array(items) => items.iter().for_each(&mut look),
            Value::Object(members) => members.values().for_each(&mut look),
            _ => {}
        }
        if !any {
            list.truncate(start);
        }
        any
    }
}

fn place<'a>(value: &'a Value, places: &mut HashMap<*const Value, (&'a Value, PathStep<'a>)>) {
    let mut put = |inner: &'a Value, step| {
        places.insert(std::ptr::from_ref(inner), (value, step));
        place(inner, places);
    };
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| put(item, PathStep::Item(i)));
        }
        Value::Object(members) => members.iter().for_each(|(k, v)| put(v, PathStep::Member(k))),
        _ => {}
    }
}

/// The path of a member.
pub(super) fn member(outer: &str, key: &str) -> String {
    let mut path = outer.to_owned();
    push_member(&mut path, key);
    path
}

fn push_member(path: &mut String, key: &str) {
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !plain || key.is_empty() {
        path.push_str(&format!("[{}]", crate::text::to_json(&key)));
    } else {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    }
}

/// Shows every value with its path; goes into those for which `see` is true.
pub(super) fn walk<'a>(
    value: &'a Value,
    path: &mut String,
    see: &mut dyn FnMut(&str, &'a Value) -> bool,
) {
    if !see(path, value) {
        return;
    }
    let length = path.len();
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                path.push_str(&format!("[{i}]"));
                walk(item, path, see);
                path.truncate(length);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                push_member(path, key);
                walk(member, path, see);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// One value of a [`TrackedJson`]. To look is free; what is taken counts as read.
#[derive(Clone, Copy)]
pub struct TrackedValue<'a> {
    value: &'a Value,
    sheet: &'a TrackedJson<'a>,
}

impl<'a> TrackedValue<'a> {
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
    pub fn items(self) -> impl Iterator<Item = TrackedValue<'a>> {
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
        let value = std::ptr::from_ref(self.value);
        if self.sheet.read.borrow_mut().insert(value) {
            self.sheet.order.borrow_mut().push(value);
        }
        self.value
    }

    /// Reads all that it takes to make something of this value; where something is missing, nothing
    /// of it counts as read.
    pub fn whole<T>(self, read: impl FnOnce(Self) -> Option<T>) -> Option<T> {
        let before = self.sheet.order.borrow().len();
        let made = read(self);
        if made.is_none() {
            let mut known = self.sheet.read.borrow_mut();
            for value in self.sheet.order.borrow_mut().drain(before..) {
                known.remove(&value);
            }
        }
        made
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

    /// Takes a member's word that only says what kind of thing this is.
    pub fn tag(self, key: &str) {
        if let Some(node) = self.get(key).filter(|n| n.value.is_string()) {
            node.take();
        }
    }

    /// Takes a string, with its place.
    pub fn located_text(self) -> Option<Located<String>> {
        self.text().map(|text| self.located(text))
    }

    /// Takes a boolean, with its place.
    pub fn located_bool(self) -> Option<Located<bool>> {
        self.bool().map(|value| self.located(value))
    }

    /// Takes a number, with its place.
    pub fn located_number(self) -> Option<Located<Number>> {
        let Value::Number(number) = self.value else { return None };
        self.take();
        Some(self.located(number.clone()))
    }

    /// Something said here.
    pub fn located<T>(self, value: T) -> Located<T> {
        Located { value, at: self.path() }
    }

    /// Its path.
    pub fn path(self) -> String {
        self.sheet.path(self.value)
    }

    /// Notes that the value here was not read as quite what it says.
    pub fn changed(self, why: &str) {
        self.sheet.notes.borrow_mut().changed(&self.path(), why);
    }

    /// Notes that this goes without saying in another dialect.
    pub fn elsewhere(self, why: &str) {
        self.sheet.notes.borrow_mut().elsewhere(&self.path(), why);
    }
}
