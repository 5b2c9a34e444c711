//! snmp_trap: what agents tell their manager unasked (RFC 1157, RFC 3416).
//!
//! Nothing is announced; where the connection is translated, the agent's own address within the
//! message is written anew (see `snmp/addresses.rs`). Tests: `tests/helpers/snmp_trap/` at the root
//! of the repository, and `tests/` of this crate.

use super::{BASIC, addresses};
use crate::effects::Effects;
use crate::helper::{Helper, Manual, PortsOption, Segment};
use crate::registry::{self, HelperKind};
use kinwall_terms::{Family, L4Proto, Profile};
use serde::{Deserialize, Serialize};

/// The helper `snmp_trap`.
pub static HELPER: Helper = Helper {
    kind: HelperKind::SnmpTrap,
    name: "snmp_trap",
    module: "nf_nat_snmp_basic",
    l4: &[L4Proto::UDP],
    families: &[Family::Ipv4],
    default_port: Some(162),
    ports_option: PortsOption::None,
    options: &[],
    classes: &[],
    rows: &[],
    guard: BASIC,
    unread_max_bytes: 0,
    linux,
    strict,
    ends_too: None,
    manual: MANUAL,
};

const MANUAL: Manual = Manual {
    about: "network management: what agents tell unasked",
    reads: "UDP 162, IPv4, of translated connections, and only once guard.snmp_trap.no_mangle=0 \
            has switched it on, as loading the module nf_nat_snmp_basic does in Linux. Values of \
            the type IpAddress that are the originator's own address become the one by which it \
            is known outside. In the linux profile a message that cannot be read is dropped: \
            version 3, and traps of version 1 among them; in strict it passes as it is, and the \
            agent's address of a version 1 trap is written anew, too.",
    opens: "Nothing.",
    costs: "Payload is changed that its ends may have signed or compare with something else. \
            In Linux every trap of version 1 of a translated agent is lost.",
    secure_use: "Leave it off. Let agents name themselves otherwise, or do not translate them.",
    rules: &["iptables -A PREROUTING -t raw -p udp --dport 162 -s $MY_AGENTS -d $MY_MANAGER \
              -j CT --helper snmp_trap"],
};

/// What the helper remembers of a connection: nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scratch;

fn linux(segment: &Segment<'_>, _: &mut registry::Scratch, effects: &mut Effects) {
    addresses::rewrite(Profile::Linux, segment, effects);
}

fn strict(segment: &Segment<'_>, _: &mut registry::Scratch, effects: &mut Effects) -> usize {
    addresses::rewrite(Profile::Strict, segment, effects);
    segment.payload.len()
}
