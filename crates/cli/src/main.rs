//! The kinwall command line.
fn main() {}
