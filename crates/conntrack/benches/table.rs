//! Measures the tables.

fn main() {}
