//! The list of matches.
//!
//! # How to add a match
//!
//! 1. Create `matches/NAME.rs`. Its module doc has one example line, says what is compared and
//!    what Linux does at the edges.
//! 2. Declare `pub const SPEC: Spec`: the name, one [`crate::option::Opt`] row an option in the
//!    order `iptables-save` prints them, and where it may stand (`.only(family)`, `.needs(&[..])`,
//!    `.tables(&[..])`, `.hooks(&[..])`, `.stateful()` when it remembers,
//!    `.not_evaluated()` when `eval` can never answer, `.passive()` when `eval` changes nothing
//!    and never answers [`Answer::HotDrop`], `.steady()` when moreover all packets of one
//!    direction of an open connection get the same answer).
//! 3. Declare the options struct with public typed fields ([`crate::option::Test`] for what may
//!    be negated): other crates read them to reason about rules.
//! 4. `pub fn parse(args: &mut Args<'_>) -> Option<Self>`: read each option with
//!    `args.read(NAME, reader)`; readers are in [`crate::value`]. Return `None` only when a
//!    mistake has been reported.
//! 5. `pub fn print(&self, out: &mut Line)`: the canonical options, as `iptables-save` 1.8.9.
//! 6. `pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer`: no allocation, no panic. What
//!    cannot be known is [`Answer::Unknown`], never a guess. State goes to `scene.memory`.
//! 7. Add its `pub mod` line in `matches.rs` and its row below, in order of name.
//! 8. Write `tests/rules/NAME.t` (canonical, negated, boundary and failing rows, each checked
//!    against the real tool) and a table test of `eval` in the file.
//!
//! A target is added the same way in `targets/`; its `eval` gives an [`crate::eval::Effect`].

use crate::eval::{Answer, Scene};
use crate::option::{Args, Spec};
use crate::print::Line;

macro_rules! matches {
    ($($(#[$doc:meta])* $variant:ident = $module:ident,)*) => {
        $(use super::$module;)*

        /// A match of a rule.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Match {
            $($(#[$doc])* $variant($module::$variant),)*
        }

        /// Which match: a row of the list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// Every match, in order of the list.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant,)*];

            /// What the match declares.
            pub fn spec(self) -> &'static Spec {
                match self { $(Kind::$variant => &$module::SPEC,)* }
            }

            /// Reads the options of the match.
            pub(crate) fn parse(self, args: &mut Args<'_>) -> Option<Match> {
                Some(match self {
                    $(Kind::$variant => Match::$variant($module::$variant::parse(args)?),)*
                })
            }
        }

        impl Match {
            /// Which match it is.
            pub fn kind(&self) -> Kind {
                match self { $(Match::$variant(_) => Kind::$variant,)* }
            }

            /// Writes its options, each with a blank before.
            pub fn print(&self, out: &mut Line) {
                match self { $(Match::$variant(found) => found.print(out),)* }
            }

            /// Whether the packet matches.
            pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Answer {
                match self { $(Match::$variant(found) => found.eval(scene),)* }
            }
        }
    };
}

matches! {
    /// `addrtype`: the types of the addresses.
    Addrtype = addrtype,
    /// `ah`: the index of AH, IPv4.
    Ah = ah,
    /// `ah`: the authentication header, IPv6.
    Ah6 = ah6,
    /// `bpf`: a program of the packet filter.
    Bpf = bpf,
    /// `cgroup`: the control group of the sender.
    Cgroup = cgroup,
    /// `cluster`: the share of a node.
    Cluster = cluster,
    /// `comment`: a remark.
    Comment = comment,
    /// `connbytes`: how much the connection has carried.
    Connbytes = connbytes,
    /// `connlabel`: a label of the connection.
    Connlabel = connlabel,
    /// `connlimit`: how many connections a host has open.
    Connlimit = connlimit,
    /// `connmark`: the mark of the connection.
    Connmark = connmark,
    /// `conntrack`: what connection tracking says.
    Conntrack = conntrack,
    /// `cpu`: the processor.
    Cpu = cpu,
    /// `dccp`: ports, type and options of DCCP.
    Dccp = dccp,
    /// `devgroup`: the group of the interface.
    Devgroup = devgroup,
    /// `dscp`: the code point.
    Dscp = dscp,
    /// `dst`: the destination options header.
    Dst = dst,
    /// `ecn`: congestion notification.
    Ecn = ecn,
    /// `esp`: the index of ESP.
    Esp = esp,
    /// `eui64`: the source was made from the link-layer address.
    Eui64 = eui64,
    /// `frag`: the fragment header.
    Frag = frag,
    /// `hashlimit`: a rate for each group of packets.
    Hashlimit = hashlimit,
    /// `hbh`: the hop-by-hop options header.
    Hbh = hbh,
    /// `helper`: which helper announced the connection.
    Helper = helper,
    /// `hl`: the hop limit of IPv6.
    Hl = hl,
    /// `icmp`: type and code of ICMP.
    Icmp = icmp,
    /// `icmp6`: type and code of ICMPv6.
    Icmp6 = icmp6,
    /// `ipcomp`: the index of IPComp.
    Ipcomp = ipcomp,
    /// `iprange`: addresses between two others.
    Iprange = iprange,
    /// `ipv6header`: which extension headers there are.
    Ipv6header = ipv6header,
    /// `ipvs`: the virtual service.
    Ipvs = ipvs,
    /// `length`: the length of the packet.
    Length = length,
    /// `limit`: a rate for all packets together.
    Limit = limit,
    /// `mac`: the sender on the link.
    Mac = mac,
    /// `mark`: the packet mark.
    Mark = mark,
    /// `mh`: the mobility header.
    Mh = mh,
    /// `multiport`: lists of ports.
    Multiport = multiport,
    /// `nfacct`: a named account.
    Nfacct = nfacct,
    /// `nft`: an expression of nftables without a counterpart.
    Nft = nft,
    /// `osf`: the sending system, by its fingerprint.
    Osf = osf,
    /// `owner`: the process behind an own packet.
    Owner = owner,
    /// `physdev`: the bridge ports.
    Physdev = physdev,
    /// `pkttype`: to whom the link addressed it.
    Pkttype = pkttype,
    /// `policy`: the IPsec policy.
    Policy = policy,
    /// `quota`: until so many bytes have matched.
    Quota = quota,
    /// `rateest`: measured rates.
    Rateest = rateest,
    /// `realm`: the realm of the route.
    Realm = realm,
    /// `recent`: addresses seen lately.
    Recent = recent,
    /// `rpfilter`: the source came the way its answers would go.
    Rpfilter = rpfilter,
    /// `rt`: the routing header.
    Rt = rt,
    /// `sctp`: ports and chunks of SCTP.
    Sctp = sctp,
    /// `set`: the packet is in a set.
    Set = set,
    /// `socket`: a socket of the gateway takes it.
    Socket = socket,
    /// `srh`: the segment routing header.
    Srh = srh,
    /// `state`: the ct state, in its older spelling.
    State = state,
    /// `statistic`: some packets.
    Statistic = statistic,
    /// `string`: bytes anywhere in the packet.
    Text = string,
    /// `tcp`: ports, flags and options of TCP.
    Tcp = tcp,
    /// `tcpmss`: the maximum segment size.
    Tcpmss = tcpmss,
    /// `time`: the moment.
    Time = time,
    /// `tos`: the TOS octet.
    Tos = tos,
    /// `ttl`: the time to live of IPv4.
    Ttl = ttl,
    /// `u32`: numbers anywhere in the packet.
    U32 = u32,
    /// `udp`: ports of UDP.
    Udp = udp,
}

impl Kind {
    /// The match called `name`, also by the names under which a protocol loads it.
    pub fn from_name(name: &str, family: kinwall_terms::Family) -> Option<Kind> {
        let name = match name {
            "ipv6-icmp" | "icmpv6" => "icmp6",
            "mobility-header" | "ipv6-mh" => "mh",
            "ipv6-opts" => "dst",
            "ipv6-frag" => "frag",
            "ipv6-route" => "rt",
            name => name,
        };
        let fits = |spec: &Spec| spec.name == name && spec.family.is_none_or(|f| f == family);
        Kind::ALL.iter().copied().find(|kind| fits(kind.spec()))
    }

    /// Whether a match of that name exists in some family.
    pub fn exists(name: &str) -> bool {
        Kind::ALL.iter().any(|kind| kind.spec().name == name)
    }
}
