//! The `spn` command.
fn main() {}
