//! The rules, by what they are about. Each takes an empty place.

pub(crate) mod damage;
pub(crate) mod documents;
pub(crate) mod events;
pub(crate) mod identity;
pub(crate) mod random;
pub(crate) mod reading;
pub(crate) mod sealing;
pub(crate) mod times;
pub(crate) mod writes;
