//! What a value takes in memory, as far as that can be told without asking the allocator: never
//! less than it is.

use serde_json::Value;

const VALUE: usize = size_of::<Value>();
/// Keys and values of a node of `BTreeMap`, which has room for eleven of each, and the links to
/// twelve others.
const NODE: usize = 12 * (size_of::<String>() + VALUE) + 12 * size_of::<usize>();

/// A value in a list. The list's room is doubled when it is full.
pub(super) const ELEMENT: usize = 2 * VALUE;
/// A list that is not empty.
pub(super) const LIST: usize = allocation(4 * VALUE);
/// An object that is not empty.
pub(super) const OBJECT: usize = allocation(NODE);

/// What is behind a text, beside its place in what contains it.
pub(super) const fn text(length: usize) -> usize {
    allocation(length)
}

/// A value in an object, with its key. A node that was filled is cut into two, of which one has
/// five of them left.
pub(super) const fn entry(key: usize) -> usize {
    NODE / 5 + allocation(key)
}

const fn allocation(bytes: usize) -> usize {
    if bytes == 0 {
        0
    } else {
        bytes.next_multiple_of(16) + 16
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A node of std's map is not nameable; what is known of it is that eleven keys and values are
    /// in one allocation.
    #[test]
    fn a_node_has_room_for_eleven() {
        assert!(NODE >= 11 * (size_of::<String>() + size_of::<Value>()) + 12 * 8 + 12);
        assert!(
            size_of::<serde_json::Map<String, Value>>() <= size_of::<BTreeMap<String, Value>>().max(VALUE)
        );
    }

    #[test]
    fn nothing_weighs_nothing() {
        assert_eq!(text(0), 0);
        assert!(text(1) >= 17 && entry(0) > size_of::<String>() + VALUE);
    }
}
