//! Netfilter's netlink: one socket that hears everything, one that asks, and the attributes of
//! their messages.

use crate::KernelError;
use netlink_packet_core::{NLA_HEADER_SIZE, NlasIterator};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};
use std::os::fd::{AsRawFd, OwnedFd};

/// Subsystem of connection messages, in the high byte of a message's type.
pub(crate) const CONNECTIONS: u8 = 1;
/// Subsystem of expectation messages.
pub(crate) const EXPECTATIONS: u8 = 2;
/// Subsystem of nftables messages.
pub(crate) const NFTABLES: u8 = 10;

/// Message numbers that connections and expectations share.
pub(crate) const MSG_NEW: u8 = 0;
pub(crate) const MSG_GET: u8 = 1;
pub(crate) const MSG_DELETE: u8 = 2;

const FLAG_REQUEST: u16 = 1;
const FLAG_ACK: u16 = 4;
const FLAG_DUMP: u16 = 0x300;
/// On an event: the object is new (`NLM_F_CREATE`).
pub(crate) const FLAG_CREATE: u16 = 0x400;

const TYPE_ERROR: u16 = 2;
const TYPE_DONE: u16 = 3;

/// Multicast groups 1 to 6 (connections and expectations: new, update, destroy) and 9 (traces),
/// as the bit mask that `bind` takes.
const GROUPS: u32 = 0b1_0011_1111;

/// Room for what one packet causes, in bytes of kernel memory.
const RECEIVE_BUFFER_BYTES: usize = 32 << 20;
/// The longest datagram the kernel sends, in bytes.
const DATAGRAM_BYTES_MAX: usize = 1 << 16;

const HEADER_BYTES: usize = 16;
const FAMILY_HEADER_BYTES: usize = 4;

/// One netfilter message: what it is about, and its attributes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// The subsystem: [`CONNECTIONS`], [`EXPECTATIONS`] or [`NFTABLES`].
    pub(crate) subsystem: u8,
    /// The message's number within the subsystem.
    pub(crate) number: u8,
    /// Header flags.
    pub(crate) flags: u16,
    /// Protocol family.
    pub(crate) family: u8,
    /// The attributes.
    pub(crate) attributes: Attributes<'a>,
}

/// A list of attributes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// The attributes in `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Attributes<'a> {
        Attributes(bytes)
    }

    /// Each attribute's kind and value; a damaged list ends early.
    pub(crate) fn iter(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        NlasIterator::new(self.0).map_while(Result::ok).map(|nla| {
            let (kind, end) = (nla.kind(), NLA_HEADER_SIZE + nla.value_length());
            (kind, nla.into_inner().get(NLA_HEADER_SIZE..end).unwrap_or_default())
        })
    }

    /// The value of the first attribute of this kind.
    pub(crate) fn get(self, kind: u16) -> Option<&'a [u8]> {
        self.iter().find(|&(k, _)| k == kind).map(|(_, value)| value)
    }

    /// The attributes nested in this one.
    pub(crate) fn nested(self, kind: u16) -> Option<Attributes<'a>> {
        self.get(kind).map(Attributes)
    }

    /// A byte.
    pub(crate) fn u8(self, kind: u16) -> Option<u8> {
        self.get(kind)?.first().copied()
    }

    /// A big-endian number of two bytes.
    pub(crate) fn u16(self, kind: u16) -> Option<u16> {
        Some(u16::from_be_bytes(self.get(kind)?.try_into().ok()?))
    }

    /// A big-endian number of four bytes.
    pub(crate) fn u32(self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(kind)?.try_into().ok()?))
    }

    /// A big-endian number of eight bytes.
    pub(crate) fn u64(self, kind: u16) -> Option<u64> {
        Some(u64::from_be_bytes(self.get(kind)?.try_into().ok()?))
    }

    /// A zero-terminated text.
    pub(crate) fn text(self, kind: u16) -> Option<&'a str> {
        let value = self.get(kind)?;
        let end = value.iter().position(|&b| b == 0).unwrap_or(value.len());
        std::str::from_utf8(&value[..end]).ok()
    }
}

/// A netlink socket of the namespace it was opened in.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

impl Socket {
    /// A socket that hears traces and the events of connections and expectations, in the order
    /// in which they happen, and never waits.
    pub(crate) fn listen() -> Result<Socket, KernelError> {
        let made = Socket::open(GROUPS, SockFlag::SOCK_NONBLOCK)?;
        setsockopt(&made.fd, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES)
            .map_err(|e| KernelError::io("enlarging a netlink socket")(e.into()))?;
        Ok(made)
    }

    /// A socket for requests.
    pub(crate) fn ask() -> Result<Socket, KernelError> {
        Socket::open(0, SockFlag::empty())
    }

    fn open(groups: u32, flags: SockFlag) -> Result<Socket, KernelError> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            flags | SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        )
        .map_err(|e| KernelError::io("opening a netlink socket")(e.into()))?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))
            .map_err(|e| KernelError::io("binding a netlink socket")(e.into()))?;
        Ok(Socket { fd, buffer: vec![0; DATAGRAM_BYTES_MAX] })
    }

    /// Hands every waiting message to `take`; returns when none is left.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(Message<'_>)) -> Result<(), KernelError> {
        loop {
            match recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Ok(length) => {
                    each(&self.buffer[..length], |header, message| {
                        if header.kind > TYPE_DONE {
                            take(message);
                        }
                        Ok(())
                    })?;
                }
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::ENOBUFS) => return Err(KernelError::Overrun),
                Err(e) => return Err(KernelError::io("reading a netlink socket")(e.into())),
            }
        }
    }

    /// Asks for everything of one kind, and hands each message to `take`.
    pub(crate) fn dump(
        &mut self,
        subsystem: u8,
        number: u8,
        take: impl FnMut(Message<'_>),
    ) -> Result<(), KernelError> {
        self.request(subsystem, number, FLAG_REQUEST | FLAG_DUMP)?;
        self.answer(take)
    }

    /// Gives an order without attributes and waits until it is done.
    pub(crate) fn order(&mut self, subsystem: u8, number: u8) -> Result<(), KernelError> {
        self.request(subsystem, number, FLAG_REQUEST | FLAG_ACK)?;
        self.answer(|_| {})
    }

    fn request(&self, subsystem: u8, number: u8, flags: u16) -> Result<(), KernelError> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + FAMILY_HEADER_BYTES);
        bytes.extend(((HEADER_BYTES + FAMILY_HEADER_BYTES) as u32).to_ne_bytes());
        bytes.extend((u16::from(subsystem) << 8 | u16::from(number)).to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8 + FAMILY_HEADER_BYTES]);
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty())
            .map_err(|e| KernelError::io("sending a netlink request")(e.into()))?;
        Ok(())
    }

    fn answer(&mut self, mut take: impl FnMut(Message<'_>)) -> Result<(), KernelError> {
        let mut done = false;
        while !done {
            let length = recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::empty())
                .map_err(|e| KernelError::io("reading a netlink answer")(e.into()))?;
            each(&self.buffer[..length], |header, message| {
                match header.kind {
                    TYPE_DONE => done = true,
                    TYPE_ERROR => {
                        done = true;
                        refusal(header.code)?;
                    }
                    _ => take(message),
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// The parts of a message header that decide how it is read.
struct Header {
    kind: u16,
    /// The first four bytes after the header: an error number in an error message.
    code: i32,
}

fn refusal(code: i32) -> Result<(), KernelError> {
    match code {
        0 => Ok(()),
        _ => {
            let source = std::io::Error::from_raw_os_error(-code);
            Err(KernelError::Io { doing: "asking netfilter", source })
        }
    }
}

/// Splits a datagram into its messages.
fn each(
    mut bytes: &[u8],
    mut take: impl FnMut(Header, Message<'_>) -> Result<(), KernelError>,
) -> Result<(), KernelError> {
    while let Some(header) = bytes.first_chunk::<HEADER_BYTES>() {
        let [l0, l1, l2, l3, t0, t1, f0, f1, ..] = *header;
        let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        let kind = u16::from_ne_bytes([t0, t1]);
        let Some(body) = bytes.get(HEADER_BYTES..length) else {
            return Err(KernelError::Message(format!("length {length} of type {kind}")));
        };
        let [subsystem, number] = kind.to_be_bytes();
        let message = Message {
            subsystem,
            number,
            flags: u16::from_ne_bytes([f0, f1]),
            family: body.first().copied().unwrap_or(0),
            attributes: Attributes(body.get(FAMILY_HEADER_BYTES..).unwrap_or_default()),
        };
        let code = body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
        take(Header { kind, code }, message)?;
        bytes = bytes.get((length + 3) & !3..).unwrap_or_default();
    }
    Ok(())
}
