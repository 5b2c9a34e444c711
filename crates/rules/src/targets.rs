//! Targets: one file each, one row each in [`registry`].

pub mod ct;
pub mod log;
pub mod mark;
pub mod notrack;
pub mod registry;
pub mod reject;

pub use registry::Target;
