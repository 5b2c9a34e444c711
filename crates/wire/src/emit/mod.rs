//! The way back: packets composed from legal values.
//!
//! ```
//! use kinwall_wire::emit::{Packet, Tcp};
//! use kinwall_wire::{Headers, TcpFlags};
//!
//! let [client, server] = [[10, 1, 0, 2], [10, 2, 0, 2]];
//! let syn = Tcp::new(32768, 21).flags(TcpFlags::SYN).seq(7);
//! let bytes = Packet::new(client, server, syn).build();
//! assert_eq!(Headers::parse(&bytes).unwrap().ports(), Some((32768, 21)));
//! ```
//!
//! Lengths and checksums are filled in; a checksum can be left out or made wrong on purpose.
//! [`fragment`] cuts a packet into fragments, [`icmp_error`] answers one, [`frame`] gives it an
//! Ethernet header, and [`repair`] puts lengths and checksums right after bytes were changed.

mod cut;
mod packet;
mod repair;
mod transport;

pub use cut::{fragment, fragment_piece, frame, icmp_error};
pub(crate) use packet::put;
pub use packet::{Checksum, Extension, Packet};
pub use repair::{repair, repair_checksums};
pub use transport::{Dccp, Gre, Icmp, Sctp, Tcp, TcpOptions, Transport, Udp, UdpLite, sctp_chunk};
