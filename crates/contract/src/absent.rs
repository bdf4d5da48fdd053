//! What a field without a value looks like on the wire, decided by the field's type.
//!
//! Flotta's Go models know four rules. Here a type stands for each, so that no field can have the
//! wrong one by a forgotten attribute:
//!
//! | Type of the field | Without a value it is written | Rule's name in Go |
//! |---|---|---|
//! | `String`, number, `bool`, `Vec<T>`, `BTreeMap<String, T>` | not at all | `omitempty` |
//! | `Option<Vec<T>>` | as `null`; an empty list as `[]` | a slice without `omitempty` |
//! | `Option<object>`, `Option<String>` | not at all; `Some` always, even as `{}` or `""` | a pointer with `omitempty` |
//! | `DateTime`, an object that is not optional | in full | `omitempty` without effect on a Go struct |
//!
//! Reading follows Go too: `null` stands for "no value" everywhere. One thing differs on purpose: a
//! `null` among the elements of a list is dropped, where Go keeps a nil pointer that crashes some
//! of Flotta's own code.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

/// A type that may be the type of a field of a wire object.
pub(crate) trait Field: Sized {
    /// Whether the field is left out when written.
    fn is_absent(&self) -> bool;
    /// Reads the field's value, `null` included.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// `skip_serializing_if` of every field.
pub(crate) fn is_absent<T: Field>(field: &T) -> bool {
    field.is_absent()
}

/// `deserialize_with` of every field.
pub(crate) fn read<'de, T: Field, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

/// `null` or a value.
pub(crate) fn null_or<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

macro_rules! omitted_when {
    ($($type:ty: $absent:expr;)*) => {$(
        impl Field for $type {
            fn is_absent(&self) -> bool {
                let absent: fn(&Self) -> bool = $absent;
                absent(self)
            }
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                null_or(deserializer)
            }
        }
    )*};
}

omitted_when! {
    String: String::is_empty;
    bool: |value| !value;
    i32: |value| *value == 0;
    i64: |value| *value == 0;
    f64: |value| *value == 0.0;
    Option<String>: Option::is_none;
    Option<serde_json::Value>: Option::is_none;
}

impl<T: for<'a> Deserialize<'a>> Field for Vec<T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(<Option<List<T>>>::deserialize(deserializer)?.map_or_else(Vec::new, |list| list.0))
    }
}

impl<T: for<'a> Deserialize<'a>> Field for Option<Vec<T>> {
    fn is_absent(&self) -> bool {
        false
    }
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(<Option<List<T>>>::deserialize(deserializer)?.map(|list| list.0))
    }
}

impl<T: Default + for<'a> Deserialize<'a>> Field for BTreeMap<String, T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = <Option<BTreeMap<String, Option<T>>>>::deserialize(deserializer)?;
        Ok(read
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.unwrap_or_default()))
            .collect())
    }
}

/// A list without its `null` elements.
struct List<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<T> {
            type Value = List<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<List<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(element) = elements.next_element::<Option<T>>()? {
                    list.extend(element);
                }
                list.shrink_to_fit();
                Ok(List(list))
            }
        }
        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

/// Reads objects from JSON objects alone. What serde derives would also take an array, field by
/// field; `remote` in [`wire_objects`] is the way to get between.
pub(crate) struct ObjectOnly<D>(pub(crate) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for ObjectOnly<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Declares wire objects. The fields are public; how each is written and read follows from its type
/// (see the module).
macro_rules! wire_objects {
    ($(
        $(#[$about:meta])*
        pub struct $name:ident {
            $($(#[$field_about:meta])* $field:ident: $type:ty,)*
        }
    )*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, remote = "Self")]
        pub struct $name {
            $(
                $(#[$field_about])*
                #[serde(
                    deserialize_with = "crate::absent::read",
                    skip_serializing_if = "crate::absent::is_absent"
                )]
                pub $field: $type,
            )*
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::deserialize(crate::absent::ObjectOnly(deserializer))
            }
        }

        impl crate::heap::HeapSize for $name {
            fn heap_size(&self) -> usize {
                [$(crate::heap::HeapSize::heap_size(&self.$field)),*].iter().sum()
            }
        }

        impl crate::absent::Field for $name {
            fn is_absent(&self) -> bool {
                false
            }
            fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::absent::null_or(deserializer)
            }
        }

        impl crate::absent::Field for Option<$name> {
            fn is_absent(&self) -> bool {
                self.is_none()
            }
            fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                serde::Deserialize::deserialize(deserializer)
            }
        }
    )*};
}
pub(crate) use wire_objects;
