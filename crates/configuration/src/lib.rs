//! The configuration of a device, from the objects that it follows from; without IO.

pub mod go_yaml;
pub mod podspec;
