//! Bytes to headers: checked views, one pass, and back.
//!
//! [`Headers::parse`] reads a packet once, from its network header to its transport header, and
//! keeps what the rest of kinwall asks for: addresses, protocol, ports, flags and the place where
//! the payload begins. It allocates nothing and never panics, whatever the bytes are. Options and
//! chunks that only a few readers want (TCP options, SCTP chunks, IPv4 options) are iterators over
//! the packet, asked for when they are wanted.
//!
//! The way back is [`emit`]: packets composed from legal values, with the checksums right or
//! wrong as wanted.
//!
//! Untrusted bytes are read through [`reader`] only: it checks, then moves.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod checksum;
pub mod crc32c;
pub mod dccp;
pub mod emit;
pub mod fields;
pub mod gre;
pub mod headers;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod ipv6_ext;
pub mod link;
pub mod reader;
pub mod rewrite;
pub mod sctp;
pub mod tcp;
pub mod translate;
pub mod udp;
mod verify;

pub use dccp::Dccp;
pub use gre::Gre;
pub use headers::{Fragment, Headers, L4, ParseError};
pub use icmp::Icmp;
pub use ipv6_ext::{ExtensionKind, Ipv6Extensions};
pub use link::{Link, LinkError, LinkFacts, LinkType, PacketType};
pub use reader::Reader;
pub use sctp::Sctp;
pub use tcp::{Tcp, TcpFlags};
pub use udp::Udp;
