//! What is wrong with a capture, and where.

use super::window::LOOK_AHEAD_BYTES_MAX;
use std::fmt;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// The file ends within its header.
    #[error("the file ends within its header, after {0} bytes")]
    CutHeader(u64),
    /// The file ends within a packet.
    #[error("the file ends within a packet: {wanted} bytes wanted, {found} there")]
    CutPacket {
        /// Bytes of the record.
        wanted: u64,
        /// Bytes that are left.
        found: u64,
    },
    /// A packet says that it is longer than packets can be.
    #[error("a packet of {0} bytes cannot be: the most is {PACKET_BYTES_MAX}")]
    AbsurdLength(u32),
    /// A block length that no block can have.
    #[error("a block of {0} bytes cannot be: lengths are multiples of 4, from 12")]
    BlockLength(u32),
    /// A block whose second length is not its first.
    #[error("a block says at its end that it has {last} bytes, and at its beginning {first}")]
    BlockLengths {
        /// Length at the beginning.
        first: u32,
        /// Length at the end.
        last: u32,
    },
    /// A section header or interface description larger than any that makes sense.
    #[error("a header block of {0} bytes: the most that is read is {LOOK_AHEAD_BYTES_MAX}")]
    HeaderBlock(u32),
    /// A block whose content is inconsistent.
    #[error("{0} cannot be read")]
    Block(&'static str),
    /// More interfaces than any capture has.
    #[error("more than {0} interfaces")]
    Interfaces(usize),
    /// A packet of an interface that was not described.
    #[error("the packet's interface {0} is not described")]
    UnknownInterface(u32),
    /// A packet of a link type that is not read.
    #[error("packets of link type {0} are not read")]
    LinkType(u32),
    /// Reading failed, or decompressing did.
    #[error("{0}")]
    Read(String),
}

/// The longest packet that is believed, in bytes: the longest that the usual capturing
/// programs write.
pub const PACKET_BYTES_MAX: u32 = 262_144;

/// Damage in one capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which of the captures, from 0.
    pub capture: usize,
    /// Its name, as given.
    pub file: String,
    /// Number of the packet in this capture that is damaged, or before which the damage is,
    /// from 1.
    pub packet: u64,
    /// Offset of the damaged record, block or header, in bytes from the beginning; of a
    /// compressed capture, in what it holds.
    pub offset: u64,
    /// What is wrong.
    pub kind: DamageKind,
    /// Whether the rest of the capture could not be read.
    pub fatal: bool,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { file, packet, offset, kind, .. } = self;
        write!(f, "{file}: packet {packet}, byte {offset}: {kind}")?;
        if self.fatal {
            f.write_str("; the rest is not read")?;
        }
        Ok(())
    }
}

impl std::error::Error for Damage {}

/// How many damages are kept for a capture; further ones are counted only.
pub(crate) const KEPT_MAX: usize = 100;

/// Damage as a reader meets it.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) offset: u64,
    pub(crate) kind: DamageKind,
}

impl Fault {
    pub(crate) fn new(offset: u64, kind: DamageKind) -> Fault {
        Fault { offset, kind }
    }
}
