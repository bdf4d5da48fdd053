//! Binary `flotta-companion`.

fn main() {}
