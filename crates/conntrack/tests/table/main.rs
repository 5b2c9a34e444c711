//! The rules of connection tracking, one table of packets each, and a naive reference.

mod expectations;
mod hostile;
mod icmp;
mod life;
mod limits;
mod reference;
mod snapshot;
mod states;
mod support;
mod zones;
