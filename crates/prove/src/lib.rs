//! Reasoning about all packets at once.

pub mod addresses;
pub mod announce;
mod boxes;
pub mod connections;
pub mod cuts;
pub mod deciding;
pub mod exposure;
pub mod field;
mod hostile;
mod marks;
pub mod matrix;
mod members;
mod predicate;
pub mod question;
pub mod reach;
mod readable;
pub mod routes;
pub mod rulebook;
pub mod sample;
pub mod situation;
pub mod space;
pub mod spoof;
pub mod translation;
pub mod universe;
pub mod unknowns;
mod walk;
pub mod witness;
