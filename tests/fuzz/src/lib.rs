//! What holds for every body, whatever its bytes.

pub mod pem;

use std::fmt::Debug;

use contract::{Bounds, HeapSize, bounded::from_slice};
use serde::{Serialize, de::DeserializeOwned};

/// No body becomes more than this in memory, whatever is in it: the lists of a heartbeat with what
/// an allocator adds.
const MOST: usize = 8 << 20;

/// Reads a body as the server does. What can be read is bounded; it is written, and what was
/// written is read again as the same and written the same.
///
/// Returns what was read, for what else should hold of it.
///
/// # Panics
/// If it is not so.
#[must_use]
pub fn body<T: Serialize + DeserializeOwned + PartialEq + Debug + HeapSize>(bytes: &[u8]) -> Option<T> {
    let (read, cut) = from_slice::<T>(bytes, Bounds::RECEIVED).ok()?;
    assert!(read.heap_size() < MOST + bytes.len());
    if cut.is_empty() {
        assert_eq!(
            serde_json::from_slice::<T>(bytes).expect("it can be read whole"),
            read
        );
    }
    let written = serde_json::to_vec(&read).expect("what was read can be written");
    let (again, further) = from_slice::<T>(&written, Bounds::RECEIVED).expect("what was written can be read");
    assert_eq!(again, read);
    assert!(further.is_empty(), "{further:?}");
    assert_eq!(serde_json::to_vec(&again).expect("twice"), written);
    Some(read)
}

/// Labels of any hardware are valid Kubernetes label values.
///
/// # Panics
/// If one is not.
pub fn labels(hardware: Option<&contract::HardwareInfo>) {
    for (name, value) in hardware.map(contract::labels::from_hardware).unwrap_or_default() {
        label(&value).unwrap_or_else(|| panic!("{name}={value:?}"));
    }
}

/// The text, if it is a valid Kubernetes label value that is not empty.
#[must_use]
pub fn label(text: &str) -> Option<&str> {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner))
        .then_some(text)
}
