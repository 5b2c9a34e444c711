//! What ends together with a connection.

use crate::Tuple;

/// What ends with a connection, beside the expectations it has announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndsToo {
    /// Nothing: children live on.
    Nothing,
    /// Every child it has.
    Children,
    /// Whatever connection has one of these tuples in either direction, whoever announced it, or
    /// else the expectation of it (the kernel's behaviour for PPTP).
    Holders([Tuple; 2]),
}
