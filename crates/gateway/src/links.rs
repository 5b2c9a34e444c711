//! Interfaces by their numbers, and word of their changes (rtnetlink(7)).

use crate::GatewayError;
use kinwall_terms::InterfaceName;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::net::if_::if_indextoname;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Names of interfaces that are kept, at most.
const NAMES_MAX: usize = 4_096;

/// Groups of `linux/rtnetlink.h`: links, IPv4 addresses, routes and rules, IPv6 addresses, routes
/// and rules.
const GROUPS: [u32; 7] = [1, 5, 7, 8, 9, 11, 19];

/// What tells of changes, and the names as they are until then.
pub(crate) struct Links {
    socket: Socket,
    names: HashMap<u32, InterfaceName>,
    buffer: Vec<u8>,
}

impl Links {
    pub(crate) fn new() -> Result<Links, GatewayError> {
        let failed = |source| GatewayError::Io { doing: "following the routes", source };
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(failed)?;
        socket.bind(&SocketAddr::new(0, 0)).map_err(failed)?;
        for group in GROUPS {
            socket.add_membership(group).map_err(failed)?;
        }
        socket.set_non_blocking(true).map_err(failed)?;
        Ok(Links { socket, names: HashMap::new(), buffer: Vec::with_capacity(1 << 16) })
    }

    /// The name of an interface; `None` where there is none, or it has just gone.
    pub(crate) fn name(&mut self, index: u32) -> Option<InterfaceName> {
        if index == 0 {
            return None;
        }
        if let Some(name) = self.names.get(&index) {
            return Some(*name);
        }
        let name = if_indextoname(index).ok()?;
        let name = InterfaceName::new(name.to_str().ok()?)?;
        if self.names.len() < NAMES_MAX {
            self.names.insert(index, name);
        }
        Some(name)
    }

    /// Reads what there is to read. True: something has changed, or word of it was lost.
    pub(crate) fn have_changed(&mut self) -> bool {
        let mut changed = false;
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(_) => changed = true,
                Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => changed = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        if changed {
            self.names.clear();
        }
        changed
    }

    /// What to wait on.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
