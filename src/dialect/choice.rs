//! Numbers of choices, valid or not.

use crate::json::Value;

/// The number of a choice, as it is written. What no client could count by (a negative number, a
/// fraction, a string, more than 32 bits) gets a number of its own from the top, made of its text,
/// so that it is never merged into another choice.
pub fn choice_number(index: Value<'_>) -> u32 {
    match valid_choice(index) {
        Some(number) => number,
        None if index.is_null() => 0,
        None => {
            let bytes = index.source().bytes();
            u32::MAX - bytes.fold(0u32, |hash, b| (hash * 31 + u32::from(b)) % 65_521)
        }
    }
}

/// The first of the choice numbers that represent an invalid index.
const STAND_INS: u32 = u32::MAX - 65_521;

/// The number of a choice, if it is one.
pub fn valid_choice(index: Value<'_>) -> Option<u32> {
    index.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| !is_stand_in(*n))
}

/// Returns whether a choice's number represents an invalid index.
pub fn is_stand_in(choice: u32) -> bool {
    choice >= STAND_INS
}
