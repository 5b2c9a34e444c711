//! A queue of packets that wait for a verdict.

use crate::GatewayError;
use crate::message::{self, FAIL_OPEN, GSO, Message, Queued, Sentence, Setting, UID_GID, messages};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Room for the longest packet that the queue hands out, and what is told of it.
const MESSAGE_MAX: usize = 65_536 + 4_096;

/// Verdicts are sent when they take up so many bytes: with the longest packet behind them, still
/// less than a socket sends at once by default.
const SEND_AT: usize = 64 * 1_024;

/// How much the kernel keeps for us to read, in bytes: as much as a burst of large packets needs.
const RECEIVE_BYTES: usize = 16 << 20;

/// A queue that is ours.
pub(crate) struct Queue {
    socket: Socket,
    number: u16,
    buffer: Vec<u8>,
    verdicts: Vec<u8>,
}

impl Queue {
    /// Takes the queue with this number, of at most `length` packets.
    pub(crate) fn bind(number: u16, length: u32) -> Result<Queue, GatewayError> {
        let failed = |source: io::Error| match source.raw_os_error() {
            // The kernel says the same of both.
            Some(nix::libc::EPERM | nix::libc::EBUSY | nix::libc::EEXIST) => {
                GatewayError::Refused { number, source, owner: owner(number) }
            }
            _ => GatewayError::NoQueue { number, source },
        };
        let mut socket = Socket::new(NETLINK_NETFILTER).map_err(failed)?;
        socket.bind_auto().map_err(failed)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(failed)?;
        let buffer = Vec::with_capacity(MESSAGE_MAX);
        let mut queue = Queue { socket, number, buffer, verdicts: Vec::new() };
        let flags = Setting::Flags { on: GSO | UID_GID, of: GSO | UID_GID | FAIL_OPEN };
        let all = [Setting::Bind, Setting::CopyWhole, Setting::Length(length), flags];
        for setting in all {
            queue.ask(setting).map_err(failed)?;
        }
        // Without the privilege for more the default stays.
        let _ = queue.socket.set_rx_buf_sz(RECEIVE_BYTES as u32);
        // A packet that finds no room is dropped, which is closed enough: nothing to be told of.
        queue.socket.set_no_enobufs(true).map_err(failed)?;
        queue.socket.set_non_blocking(true).map_err(failed)?;
        Ok(queue)
    }

    fn ask(&mut self, setting: Setting) -> io::Result<()> {
        self.socket.send(&message::config(self.number, setting), 0)?;
        loop {
            self.buffer.clear();
            self.socket.recv(&mut self.buffer, 0)?;
            let mut answer = None;
            messages(&self.buffer, |message| {
                if let Message::Answer(number) = message {
                    answer = Some(number);
                }
            });
            match answer {
                Some(0) => return Ok(()),
                Some(number) => return Err(io::Error::from_raw_os_error(number)),
                None => {}
            }
        }
    }

    /// Takes up to `most` messages from the queue, each packet by `judge`, which answers through
    /// [`Verdicts`]; all verdicts are sent when it returns. False: nothing more waits.
    pub(crate) fn batch(
        &mut self,
        most: usize,
        mut judge: impl FnMut(&Queued<'_>, &mut Verdicts<'_>),
    ) -> io::Result<bool> {
        let mut is_empty = false;
        for _ in 0..most {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    is_empty = true;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Packets were lost on the way here: they are dropped.
                Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => continue,
                Err(error) => return Err(error),
            }
            let (number, out) = (self.number, &mut self.verdicts);
            messages(&self.buffer, |message| {
                if let Message::Packet(packet) = message {
                    judge(&packet, &mut Verdicts { number, out });
                }
            });
            if self.verdicts.len() >= SEND_AT {
                self.send()?;
            }
        }
        self.send()?;
        Ok(!is_empty)
    }

    /// Drops packets, by their numbers in the queue.
    pub(crate) fn drop_all(&mut self, ids: impl Iterator<Item = u32>) -> io::Result<()> {
        for id in ids {
            message::verdict(&mut self.verdicts, self.number, id, Sentence::Drop, None, None);
        }
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        if self.verdicts.is_empty() {
            return Ok(());
        }
        let sent = self.socket.send(&self.verdicts, 0);
        self.verdicts.clear();
        match sent {
            Ok(_) => Ok(()),
            // An interface that is gone took its packets with it: their numbers mean nothing now.
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives the queue back.
    pub(crate) fn unbind(mut self) {
        let _ = self.socket.set_non_blocking(false);
        // The socket's end gives it back as well.
        let _ = self.socket.send(&message::config(self.number, Setting::Unbind), 0);
        self.buffer.clear();
    }

    /// What to wait on.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Where verdicts go.
pub(crate) struct Verdicts<'a> {
    number: u16,
    out: &'a mut Vec<u8>,
}

impl Verdicts<'_> {
    /// The verdict on the packet with this number in the queue.
    pub(crate) fn give(
        &mut self,
        id: u32,
        sentence: Sentence,
        mark: Option<u32>,
        payload: Option<&[u8]>,
    ) {
        message::verdict(self.out, self.number, id, sentence, mark, payload);
    }
}

/// The netlink port of who has a queue, by `/proc/net/netfilter/nfnetlink_queue`; often that is
/// its process.
pub(crate) fn owner(number: u16) -> Option<u32> {
    let text = std::fs::read_to_string("/proc/net/netfilter/nfnetlink_queue").ok()?;
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let is_it = words.next()?.parse() == Ok(number);
        if is_it { words.next()?.parse().ok() } else { None }
    })
}
