//! Checksums of rows: what was written is read again, or it is known that it is not.
//!
//! SHA-256 over a row's table and all its columns as they are stored, each with its kind and
//! length. It shows damage, not malice: whoever can write a row can write its checksum.
//!
//! A checksum carries the row's *stamp*: a column that every writer moves on with each write (the
//! revision of a device or a document, the time at which a source was applied). A row that has
//! another stamp than its checksum was written since by a program that knows no checksums, before a
//! store is migrated for good or after a way back, and counts as a row without one. `report` and
//! `rendering` have no such column; whether theirs count is decided by the device's, and by the
//! revision of the documents at which checksums were written last, as for a source that loses
//! documents to another one. So a single flipped bit is found or changes nothing but a stamp.
//!
//! Rejected: triggers that remove the checksum of a row that is written without one (they would
//! hide what somebody, or a repair by hand, changes), and shutting the earlier program out (several
//! servers on PostgreSQL are replaced one by one).

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

/// First byte of a checksum: how it is made. A reader that does not know it takes the row as one
/// without a checksum.
const VERSION: u8 = 1;

/// Bytes of version and stamp.
const HEAD: usize = 1 + size_of::<i64>();

/// A column as it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column<'a> {
    Null,
    Integer(i64),
    Text(&'a str),
}

impl From<i64> for Column<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for Column<'_> {
    fn from(value: bool) -> Self {
        Self::Integer(i64::from(value))
    }
}

impl<'a> From<&'a str> for Column<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a, T: Into<Column<'a>>> From<Option<T>> for Column<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What the checksum of a row is made of.
#[derive(Debug)]
pub(crate) struct Summed<'a, const N: usize> {
    pub(crate) table: &'static str,
    pub(crate) stamp: i64,
    pub(crate) columns: [Column<'a>; N],
}

/// What is known of a row by its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is what was written.
    Verified,
    /// It has no checksum that could tell.
    Unsummed,
    /// It is not what was written.
    Damaged,
}

impl Standing {
    /// That of a row whose checksum counts only if something else `counts`.
    pub(crate) fn if_it(self, counts: bool) -> Self {
        if counts { self } else { Self::Unsummed }
    }
}

impl<const N: usize> Summed<'_, N> {
    /// The checksum to store.
    pub(crate) fn checksum(&self) -> Vec<u8> {
        let mut context = Context::new(&SHA256);
        context.update(&[VERSION]);
        text(&mut context, self.table);
        for column in self.columns {
            match column {
                Column::Null => context.update(&[0]),
                Column::Integer(value) => {
                    context.update(&[1]);
                    context.update(&value.to_be_bytes());
                }
                Column::Text(value) => {
                    context.update(&[2]);
                    text(&mut context, value);
                }
            }
        }
        let mut checksum = Vec::with_capacity(HEAD + SHA256_OUTPUT_LEN);
        checksum.push(VERSION);
        checksum.extend(self.stamp.to_be_bytes());
        checksum.extend(context.finish().as_ref());
        checksum
    }

    /// What the checksum that is stored says.
    pub(crate) fn standing(&self, stored: Option<&[u8]>) -> Standing {
        match stored {
            None => Standing::Unsummed,
            Some(stored) if stored.first().is_some_and(|version| *version != VERSION) => Standing::Unsummed,
            Some(stored)
                if stored
                    .get(1..HEAD)
                    .is_some_and(|stamp| stamp != self.stamp.to_be_bytes()) =>
            {
                Standing::Unsummed
            }
            Some(stored) if stored == self.checksum() => Standing::Verified,
            Some(_) => Standing::Damaged,
        }
    }
}

fn text(context: &mut Context, text: &str) {
    context.update(&(text.len() as u64).to_be_bytes());
    context.update(text.as_bytes());
}

/// The reason of what is said about a row that is damaged.
pub(crate) const DAMAGED: &str = "its row is not what was written (the checksum differs)";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    enum Value {
        Null,
        Integer(i64),
        Text(String),
    }

    impl Value {
        fn column(&self) -> Column<'_> {
            match self {
                Self::Null => Column::Null,
                Self::Integer(value) => Column::Integer(*value),
                Self::Text(value) => Column::Text(value),
            }
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            ".{0,9}".prop_map(Value::Text),
        ]
    }

    fn row(values: &[Value; 3], stamp: i64) -> Summed<'_, 3> {
        Summed {
            table: "some",
            stamp,
            columns: values.each_ref().map(Value::column),
        }
    }

    proptest! {
        #[test]
        fn another_row_has_another_checksum(one in [value(), value(), value()], other in [value(), value(), value()]) {
            let stored = row(&one, 1).checksum();
            prop_assert_eq!(Standing::Verified, row(&one, 1).standing(Some(&stored)));
            if one != other {
                prop_assert_eq!(Standing::Damaged, row(&other, 1).standing(Some(&stored)));
            }
            prop_assert_eq!(Standing::Unsummed, row(&one, 1).standing(None));
            prop_assert_eq!(Standing::Unsummed, row(&other, 2).standing(Some(&stored)));
            let table = Summed { table: "other", ..row(&one, 1) };
            prop_assert_eq!(Standing::Damaged, table.standing(Some(&stored)));
        }

        #[test]
        fn a_checksum_that_is_damaged_itself_blesses_nothing(
            one in [value(), value(), value()], other in [value(), value(), value()], at in any::<prop::sample::Index>(), bit in 0..8_u8,
        ) {
            prop_assume!(one != other);
            let mut stored = row(&one, 1).checksum();
            let at = at.index(stored.len());
            stored[at] ^= 1 << bit;
            prop_assert_ne!(Standing::Verified, row(&one, 1).standing(Some(&stored)));
            prop_assert_ne!(Standing::Verified, row(&other, 1).standing(Some(&stored)));
            stored.truncate(at);
            prop_assert_ne!(Standing::Verified, row(&one, 1).standing(Some(&stored)));
        }
    }

    /// Stored checksums must be read by later programs.
    #[test]
    fn the_form_of_a_checksum_stays() {
        let values = [Value::Text("a".to_owned()), Value::Null, Value::Integer(-1)];
        let hex = sha256::hexadecimal(&row(&values, 258).checksum());
        assert_eq!(82, hex.len());
        assert!(hex.starts_with("010000000000000102"), "{hex}");
        insta::assert_snapshot!(hex);
    }
}
