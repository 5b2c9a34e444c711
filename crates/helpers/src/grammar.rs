//! Readers that several helpers share. Each takes bytes and says how many of them it used; none
//! can panic, and none looks at a byte more than a constant number of times.

pub mod address;
pub mod ber;
pub mod line;
pub mod number;
