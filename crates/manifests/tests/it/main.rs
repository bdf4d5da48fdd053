//! What users write, and what becomes of it.

mod defaults;
