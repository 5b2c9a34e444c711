//! The descriptor of a helper and what it is shown of a packet.

use crate::effects::Effects;
use crate::guard::GuardDefaults;
use crate::options::{OptionSpec, OptionValues, Quantity};
use crate::registry::{HelperKind, Scratch};
use kinwall_terms::freedom::Row;
use kinwall_terms::{Direction, EndsToo, Family, KernelVersion, L4Proto, Profile, Tuple};
use std::net::IpAddr;

/// Everything that is known about a helper without a packet. One `static` a helper.
pub struct Helper {
    /// Which one it is.
    pub kind: HelperKind,
    /// Name on its default port, as `-j CT --helper` and `-m helper` spell it.
    pub name: &'static str,
    /// The kernel module that holds it; its options are set as `MODULE.OPTION`.
    pub module: &'static str,
    /// Protocols it is registered under: a CT rule must say one of them. (H.245 is registered
    /// under UDP and reads TCP, which is the kernel's behaviour.)
    pub l4: &'static [L4Proto],
    /// Families it is registered under.
    pub families: &'static [Family],
    /// The port that automatic assignment goes by, and that broadcast answers come from; `None`
    /// for a helper that only children get.
    pub default_port: Option<u16>,
    /// Whether the module has a `ports=` option, and how that names the helper.
    pub ports_option: PortsOption,
    /// The module's other options, in the order of their [`OptionIndex`].
    ///
    /// [`OptionIndex`]: crate::options::OptionIndex
    pub options: &'static [OptionSpec],
    /// Kinds of expectation, in the order of `Proposal::class`; at most 8.
    pub classes: &'static [Class],
    /// Degrees of freedom: one row per kind of announcement and setting.
    pub rows: &'static [Row],
    /// What the guard holds in the `strict` profile unless it is set.
    pub guard: GuardDefaults,
    /// How many unread bytes of a direction `strict` may ask to keep; more without progress ends
    /// its help.
    pub unread_max_bytes: usize,
    /// Reads one packet as the Linux kernel does. The payload is the packet's own.
    pub linux: fn(&Segment<'_>, &mut Scratch, &mut Effects),
    /// Reads an in-order stream (TCP: the payload is what was not consumed yet, oldest byte
    /// first) or a whole datagram. Returns how many bytes of the payload are done with; the rest
    /// is shown again, with more behind it, on the next packet of this direction.
    pub strict: fn(&Segment<'_>, &mut Scratch, &mut Effects) -> usize,
    /// What ends with the master, beside the expectations it has announced: `None` for nothing
    /// (only PPTP ends its calls).
    pub ends_too: Option<fn(&Ending, &Scratch) -> EndsToo>,
    /// The manual page.
    pub manual: Manual,
}

impl Helper {
    /// Limit and timeout of class `class` under `options`; the first class's when out of range.
    pub fn policy(&self, class: u8, options: &OptionValues) -> Policy {
        let class = self.classes.get(usize::from(class)).or(self.classes.first());
        class.map_or(Policy { limit: 1, timeout_s: 0 }, |class| Policy {
            limit: u8::try_from(class.limit.value(options)).unwrap_or(u8::MAX),
            timeout_s: class.timeout_s.value(options),
        })
    }

    /// The rows that hold under these settings, in the order of the table.
    pub fn rows<'a>(
        &'static self,
        profile: Profile,
        family: Family,
        options: &'a OptionValues,
    ) -> impl Iterator<Item = &'static Row> + 'a {
        self.rows.iter().filter(move |row| {
            row.profiles.contains(&profile)
                && row.families.contains(&family)
                && row.options.iter().all(|(name, value)| options.is(self, name, value))
        })
    }
}

/// How `ports=` renames a helper (the kernel's behaviour): on its default port it keeps its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortsOption {
    /// The module has no such option.
    None,
    /// `NAME-PORT`: ftp and sane.
    NamedByPort,
    /// `NAME-INDEX`, the position in the list from 0: irc, tftp and sip.
    NamedByIndex,
}

/// A kind of expectation within a helper.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// Name, as events and dumps print it.
    pub name: &'static str,
    /// How many may be pending per master (at most 255); one more evicts the oldest. 0:
    /// unlimited.
    pub limit: Quantity,
    /// How long one lives unmatched, in seconds.
    pub timeout_s: Quantity,
}

/// Limit and timeout of a class with the options applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many may be pending per master; 0: unlimited.
    pub limit: u8,
    /// How long one lives unmatched, in seconds.
    pub timeout_s: u32,
}

/// A helper's page of the manual, in whole sentences.
#[derive(Clone, Copy, Debug)]
pub struct Manual {
    /// One line: the protocol.
    pub about: &'static str,
    /// What it reads.
    pub reads: &'static str,
    /// What it opens.
    pub opens: &'static str,
    /// What it costs: the risk that remains, and what it does not understand.
    pub costs: &'static str,
    /// How to use it securely.
    pub secure_use: &'static str,
    /// The rules that go with it, as iptables commands.
    pub rules: &'static [&'static str],
}

/// What a helper is shown of a packet (or, in the `strict` profile over TCP, of a stream).
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    /// In `linux`: what follows the transport header. In `strict` over TCP: the contiguous bytes
    /// of this direction that were not consumed yet. Every [`Span`] counts from its first byte.
    ///
    /// [`Span`]: kinwall_terms::expectation::Span
    pub payload: &'a [u8],
    /// How many bytes of a datagram's payload stand behind the length that its UDP header states.
    pub behind_length: u32,
    /// Where in `payload` the current packet's own bytes begin; 0 in `linux`.
    pub packet_at: u32,
    /// Direction of the packet within the connection.
    pub direction: Direction,
    /// Tuple of the connection's first packet.
    pub original: Tuple,
    /// Tuple of its answers.
    pub reply: Tuple,
    /// Sequence number of the first byte of `payload`, as it is before any translation; 0 for
    /// anything but TCP.
    pub seq: u32,
    /// The packet's ct state is ESTABLISHED, in either direction.
    pub established: bool,
    /// The connection is itself the child of another.
    pub expected: bool,
    /// Source or destination of the connection are translated, and payload may be rewritten.
    pub translated: bool,
    /// What the helper has asked to be remembered of this connection; zeroes at first.
    pub remembered: [u32; 2],
    /// The port this instance of the helper is registered on; 0 when it has none.
    pub port: u16,
    /// The module's options.
    pub options: &'a OptionValues,
    /// Which Linux the `linux` profile answers for.
    pub kernel: KernelVersion,
    /// Only for a packet the gateway itself sends to the broadcast address of the interface it
    /// leaves by, as configured there.
    pub broadcast: Option<Broadcast>,
    /// What may be asked of the routes; `None` when they are unknown.
    pub routing: Option<&'a dyn Routing>,
}

impl Segment<'_> {
    /// The addresses of the packet's sender: its own, and the one the receiver knows it by, which
    /// differ under translation.
    pub fn sender(&self) -> [IpAddr; 2] {
        [self.tuple().src, self.opposite().dst]
    }

    /// The family of the connection.
    pub fn family(&self) -> Family {
        self.original.family()
    }

    /// The tuple of the packet's own direction.
    pub fn tuple(&self) -> &Tuple {
        match self.direction {
            Direction::Original => &self.original,
            Direction::Reply => &self.reply,
        }
    }

    /// The tuple of the other direction: a child from the receiver to the sender of the packet
    /// has its addresses.
    pub fn opposite(&self) -> &Tuple {
        match self.direction {
            Direction::Original => &self.reply,
            Direction::Reply => &self.original,
        }
    }
}

/// The network a broadcast query went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// The broadcast address, which the packet was sent to.
    pub address: IpAddr,
    /// The netmask of the interface's address, as an address.
    pub netmask: IpAddr,
}

/// How many expectations are pending before this packet: what the guard counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Announced by this master.
    pub of_master: u32,
    /// Announced by packets from this packet's source address, over all masters.
    pub of_peer: u32,
}

/// Questions a helper may ask of the routes.
pub trait Routing {
    /// Whether the way to `address` leaves by the interface this packet leaves by.
    fn leaves_with_packet(&self, address: IpAddr) -> bool;
    /// Whether the ways to both have the same next hop: the same router, or no router and the
    /// same address.
    fn same_next_hop(&self, one: IpAddr, other: IpAddr) -> bool;
}

/// What is known when a master ends.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// The profile that it was read in.
    pub profile: Profile,
    /// Tuple of its first packet.
    pub original: Tuple,
    /// Tuple of its answers.
    pub reply: Tuple,
}
