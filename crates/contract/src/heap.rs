//! How much memory a value takes beside itself.
//!
//! What is kept in memory is bounded by this, not by an estimate: the fields of a device's report
//! can be a hundred times what they usually are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{DateTime, DeviceId, Namespace};

/// A type whose values know what they hold on the heap.
pub trait HeapSize {
    /// Bytes on the heap, with what an allocator adds.
    fn heap_size(&self) -> usize;
}

/// What an allocation of so many bytes takes: its header, and whole units of 16 bytes.
pub fn block(bytes: usize) -> usize {
    if bytes == 0 {
        return 0;
    }
    (bytes + 8).next_multiple_of(16).max(32)
}

/// Implements [`HeapSize`] for structs: the fields that may hold something, and after `;` those
/// that cannot. All have to be named.
#[macro_export]
macro_rules! heap_size {
    ($($name:ty { $($field:ident),* $(,)? $(; $($plain:ident),* $(,)?)? })*) => {$(
        impl $crate::HeapSize for $name {
            fn heap_size(&self) -> usize {
                let Self { $($field,)* $($($plain: _,)*)? } = self;
                let sizes: &[usize] = &[$($crate::HeapSize::heap_size($field)),*];
                sizes.iter().sum()
            }
        }
    )*};
}

macro_rules! nothing {
    ($($type:ty)*) => {$(
        impl HeapSize for $type {
            fn heap_size(&self) -> usize {
                0
            }
        }
    )*};
}

nothing! { bool i32 i64 f64 DateTime }

impl HeapSize for String {
    fn heap_size(&self) -> usize {
        block(self.capacity())
    }
}

impl<T: HeapSize> HeapSize for Option<T> {
    fn heap_size(&self) -> usize {
        self.as_ref().map_or(0, HeapSize::heap_size)
    }
}

impl<T: HeapSize> HeapSize for Vec<T> {
    fn heap_size(&self) -> usize {
        block(self.capacity() * size_of::<T>()) + self.iter().map(HeapSize::heap_size).sum::<usize>()
    }
}

impl<T: HeapSize> HeapSize for Arc<T> {
    /// As if nobody shared it.
    fn heap_size(&self) -> usize {
        block(2 * size_of::<usize>() + size_of::<T>()) + (**self).heap_size()
    }
}

impl<K: HeapSize, V: HeapSize> HeapSize for BTreeMap<K, V> {
    fn heap_size(&self) -> usize {
        nodes(self.len(), size_of::<K>() + size_of::<V>())
            + self
                .iter()
                .map(|(key, value)| key.heap_size() + value.heap_size())
                .sum::<usize>()
    }
}

impl<T: HeapSize> HeapSize for BTreeSet<T> {
    fn heap_size(&self) -> usize {
        nodes(self.len(), size_of::<T>()) + self.iter().map(HeapSize::heap_size).sum::<usize>()
    }
}

/// Nodes of a B-tree have eleven places, of which at least five are taken.
fn nodes(entries: usize, entry: usize) -> usize {
    block(11 * entry + 16) * entries.div_ceil(5)
}

impl HeapSize for DeviceId {
    fn heap_size(&self) -> usize {
        block(2 * size_of::<usize>() + self.as_str().len())
    }
}

impl HeapSize for Namespace {
    fn heap_size(&self) -> usize {
        block(2 * size_of::<usize>() + self.as_str().len())
    }
}

impl HeapSize for serde_json::Value {
    fn heap_size(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => 0,
            Self::String(text) => text.heap_size(),
            Self::Array(list) => list.heap_size(),
            Self::Object(fields) => {
                let entry = size_of::<String>() + size_of::<Self>();
                let content = fields
                    .iter()
                    .map(|(key, value)| key.heap_size() + value.heap_size());
                nodes(fields.len(), entry) + content.sum::<usize>()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Disk, HardwareInfo};

    #[test]
    fn an_empty_disk_takes_more_than_a_hundred_times_its_text() {
        let disks = HardwareInfo {
            disks: Some(vec![Disk::default(); 1000]),
            ..HardwareInfo::default()
        };
        assert!(disks.heap_size() >= 100 * 3 * 1000);
    }

    #[test]
    fn what_is_reserved_counts() {
        assert_eq!(String::with_capacity(1000).heap_size(), 1008);
        assert_eq!(String::new().heap_size(), 0);
        assert_eq!(String::from("a").heap_size(), 32);
        let map: BTreeMap<String, bool> = [("a".to_owned(), true)].into();
        assert!(map.heap_size() >= 11 * 25 + 32);
    }
}
