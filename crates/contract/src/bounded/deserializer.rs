//! A deserializer around another one, which asks the [`Reader`] before anything is made.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::Reader;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The name of a field of an object that we know.
    Name,
    /// A value, or a key that somebody chose.
    Value,
}

pub(super) struct Bounded<'r, D> {
    inner: D,
    reader: &'r Reader,
    role: Role,
}

impl<'r, D> Bounded<'r, D> {
    pub(super) fn new(inner: D, reader: &'r Reader) -> Self {
        let role = Role::Value;
        Self { inner, reader, role }
    }
}

macro_rules! forwarded {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let Self { inner, reader, role } = self;
            inner.$method($($argument,)* Watched { visitor, reader, role })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    forwarded! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_identifier();
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        // A word of ours: nothing that grows.
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

struct Watched<'r, V> {
    visitor: V,
    reader: &'r Reader,
    role: Role,
}

impl<V> Watched<'_, V> {
    fn text<'a>(&self, text: &'a str) -> &'a str {
        match self.role {
            Role::Name => {
                let mut field = self.reader.field.borrow_mut();
                field.clear();
                // What is longer is no field of ours and read past.
                field.push_str(super::beginning(text, LONGEST_NAME));
                text
            }
            Role::Value => self.reader.text(text),
        }
    }
}

/// Longer than the name of any field.
const LONGEST_NAME: usize = 64;

macro_rules! passed_on {
    ($($method:ident($type:ty);)*) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watched<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    passed_on! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_i128(i128);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_u128(u128);
        visit_f32(f32);
        visit_f64(f64);
        visit_char(char);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>);
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        let text = self.text(text);
        self.visitor.visit_str(text)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<V::Value, E> {
        let text = self.text(text);
        self.visitor.visit_borrowed_str(text)
    }

    fn visit_string<E: Error>(self, mut text: String) -> Result<V::Value, E> {
        let kept = self.text(&text).len();
        text.truncate(kept);
        self.visitor.visit_string(text)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let Self {
            visitor,
            reader,
            role,
        } = self;
        visitor.visit_some(Bounded { inner, reader, role })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let Self {
            visitor,
            reader,
            role,
        } = self;
        visitor.visit_newtype_struct(Bounded { inner, reader, role })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let opened = self.reader.open();
        let reader = self.reader;
        let value = self.visitor.visit_seq(Elements { inner, reader })?;
        if opened {
            reader.close();
        }
        Ok(value)
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let reader = self.reader;
        let within = reader.list.borrow().is_some();
        let named = false;
        let value = self.visitor.visit_map(Entries { inner, reader, named })?;
        if !within {
            reader.close();
        }
        Ok(value)
    }
}

struct Elements<'r, A> {
    inner: A,
    reader: &'r Reader,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        if self.reader.take(size_of::<T::Value>()) {
            let seed = Seed::new(seed, self.reader, Role::Value);
            return self.inner.next_element_seed(seed);
        }
        let mut more = false;
        while self.inner.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        if more {
            self.reader.mark();
        }
        Ok(None)
    }
}

struct Entries<'r, A> {
    inner: A,
    reader: &'r Reader,
    /// The last key was the name of a field.
    named: bool,
}

/// Whether keys of this type are texts that somebody chose. The fields of an object are an enum
/// without content.
const fn is_text<K>() -> bool {
    size_of::<K>() >= size_of::<String>()
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.named = !is_text::<K::Value>();
        if self.named {
            return self.inner.next_key_seed(Seed::new(seed, self.reader, Role::Name));
        }
        self.reader.open();
        if self.reader.take(size_of::<K::Value>()) {
            return self
                .inner
                .next_key_seed(Seed::new(seed, self.reader, Role::Value));
        }
        let mut more = false;
        while self.inner.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            more = true;
        }
        if more {
            self.reader.mark();
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        let reader = self.reader;
        let before = reader.bounded.get();
        if self.named {
            let bounded = reader.bounds_field(&reader.field.borrow());
            reader.bounded.set(bounded);
        } else {
            reader.spend(size_of::<V::Value>());
        }
        let value = self.inner.next_value_seed(Seed::new(seed, reader, Role::Value))?;
        reader.bounded.set(before);
        Ok(value)
    }
}

struct Seed<'r, S> {
    inner: S,
    reader: &'r Reader,
    role: Role,
}

impl<'r, S> Seed<'r, S> {
    fn new(inner: S, reader: &'r Reader, role: Role) -> Self {
        Self { inner, reader, role }
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let Self {
            inner: seed,
            reader,
            role,
        } = self;
        seed.deserialize(Bounded { inner, reader, role })
    }
}
