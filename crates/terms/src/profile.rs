//! How helpers read.

use std::fmt;

/// Whether helpers answer as Linux does, or as they should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Exactly as the Linux kernel's helpers, their weaknesses included.
    #[default]
    Linux,
    /// Bounded in-order streams, the protocol's own beginning required, guards on.
    Strict,
}

impl Profile {
    /// Both profiles, `linux` first.
    pub const ALL: [Profile; 2] = [Profile::Linux, Profile::Strict];
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Profile::Linux => "linux",
            Profile::Strict => "strict",
        })
    }
}
