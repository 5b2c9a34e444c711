//! The probes: an nftables table whose chains stand before, between and behind everybody
//! else's, and the traces they make the kernel send.
//!
//! A packet that is marked for tracing makes the kernel report every chain it walks, with the
//! rule that decided and, since Linux 6.16, the state, direction, status and identity of its
//! connection. The probe chains are therefore empty but for the mark itself and the question
//! for the helper: that they were walked is the message. Nothing they do changes a packet.

use crate::KernelError;
use crate::netlink::Message;
use kinwall_terms::{CtState, Direction, Family, Hook, Status};

/// The probe table.
pub(crate) const TABLE: &str = "kinwall_probe";
/// The table whose chains stand behind even the confirmation of connections.
pub(crate) const TABLE_LAST: &str = "kinwall_last";

/// Names of the helpers of Linux, as `ct helper` knows them.
const HELPERS: [&str; 12] = [
    "amanda",
    "ftp",
    "RAS",
    "Q.931",
    "H.245",
    "irc",
    "netbios-ns",
    "pptp",
    "sane",
    "sip",
    "snmp",
    "tftp",
];

/// A probe: the hook it stands at, and where in the order of that hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stage {
    /// The hook.
    pub hook: Hook,
    /// The place within the hook.
    pub point: Point,
}

/// Places within a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// Before everything; at PREROUTING also before fragments are reassembled.
    First,
    /// At PREROUTING and OUTPUT: behind the reassembly of fragments, before `raw`.
    Whole,
    /// At PREROUTING and OUTPUT: behind `raw` and tracking, before `mangle`.
    Tracked,
    /// Behind all tables, before helpers and confirmation.
    End,
    /// At INPUT and POSTROUTING: behind helpers and confirmation.
    Confirmed,
}

impl Point {
    /// Priority of the probe chains at this point.
    fn priority(self) -> i32 {
        match self {
            Point::First => i32::MIN + 1,
            Point::Whole => -399,
            Point::Tracked => -199,
            Point::End => i32::MAX - 1,
            Point::Confirmed => i32::MAX,
        }
    }
}

const fn stage(hook: Hook, point: Point) -> Stage {
    Stage { hook, point }
}

/// Every stage with the name of its chain.
const STAGES: [(Stage, &str); 16] = [
    (stage(Hook::Prerouting, Point::First), "prerouting_first"),
    (stage(Hook::Prerouting, Point::Whole), "prerouting_whole"),
    (stage(Hook::Prerouting, Point::Tracked), "prerouting_tracked"),
    (stage(Hook::Prerouting, Point::End), "prerouting_end"),
    (stage(Hook::Input, Point::First), "input_first"),
    (stage(Hook::Input, Point::End), "input_end"),
    (stage(Hook::Input, Point::Confirmed), "input_confirmed"),
    (stage(Hook::Forward, Point::First), "forward_first"),
    (stage(Hook::Forward, Point::End), "forward_end"),
    (stage(Hook::Output, Point::First), "output_first"),
    (stage(Hook::Output, Point::Whole), "output_whole"),
    (stage(Hook::Output, Point::Tracked), "output_tracked"),
    (stage(Hook::Output, Point::End), "output_end"),
    (stage(Hook::Postrouting, Point::First), "postrouting_first"),
    (stage(Hook::Postrouting, Point::End), "postrouting_end"),
    (stage(Hook::Postrouting, Point::Confirmed), "postrouting_confirmed"),
];

/// The stage whose chain is called `chain`.
pub(crate) fn stage_of(chain: &str) -> Option<Stage> {
    STAGES.into_iter().find(|&(_, name)| name == chain).map(|(stage, _)| stage)
}

/// The helper whose chain is called `chain`.
pub(crate) fn helper_of(chain: &str) -> Option<&'static str> {
    HELPERS.get(chain.strip_prefix("helper_")?.parse::<usize>().ok()?).copied()
}

/// The table that must be loaded before anything uses connection tracking: of two chains of
/// the same priority the one registered later comes first, so these end up behind the
/// confirmation. What is delivered to the gateway ends here, so that its stack does not answer.
pub(crate) fn last_table() -> String {
    let mut text = format!("table inet {TABLE_LAST} {{\n");
    for (stage, chain) in STAGES.into_iter().filter(|(stage, _)| stage.point == Point::Confirmed) {
        let rule = if stage.hook == Hook::Input { "drop;" } else { "" };
        text += &base_chain(stage, chain, rule);
    }
    text + "}\n"
}

/// The probe table itself.
pub(crate) fn probe_table() -> String {
    let mut text = format!("table inet {TABLE} {{\n");
    for (index, _) in HELPERS.iter().enumerate() {
        text += &format!("chain helper_{index} {{ }}\n");
    }
    let mut ask = String::new();
    for (index, name) in HELPERS.iter().enumerate() {
        ask += &format!("ct helper \"{name}\" jump helper_{index};\n");
    }
    for (stage, chain) in STAGES.into_iter().filter(|(stage, _)| stage.point != Point::Confirmed) {
        let rule = match (stage.hook, stage.point) {
            (Hook::Prerouting | Hook::Output, Point::First) => "meta nftrace set 1;",
            // Reassembly may keep another fragment's buffer than the one that was marked.
            (_, Point::Whole) => "meta nftrace set 1;",
            (_, Point::Tracked) => &ask,
            _ => "",
        };
        text += &base_chain(stage, chain, rule);
    }
    text + "}\n"
}

/// Keeps connection tracking on in a namespace without probes.
pub(crate) fn tracking_table() -> String {
    let end = Stage { hook: Hook::Prerouting, point: Point::End };
    format!(
        "table inet {TABLE} {{\nchain unused {{ ct state new; }}\n{}}}\n",
        base_chain(end, "prerouting_end", "")
    )
}

fn base_chain(stage: Stage, chain: &str, rule: &str) -> String {
    let priority = stage.point.priority();
    let hook = stage.hook.chain().to_ascii_lowercase();
    format!("chain {chain} {{ type filter hook {hook} priority {priority};\n{rule}\n}}\n")
}

/// What became of a packet at a chain or a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A rule matched and gave this verdict code.
    Rule { handle: u64, code: i32 },
    /// A user chain was left at its end.
    Return,
    /// The base chain was left at its end with this policy code.
    Policy { code: i32 },
}

/// Verdict codes of netfilter.
pub(crate) const CODE_DROP: i32 = 0;
pub(crate) const CODE_STOLEN: i32 = 2;
pub(crate) const CODE_QUEUE: i32 = 3;

/// What a trace says of the packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TracedCt {
    pub(crate) state: CtState,
    pub(crate) id: Option<u32>,
    pub(crate) direction: Option<Direction>,
    pub(crate) status: Status,
}

/// One trace message.
#[derive(Clone, Debug)]
pub(crate) struct Trace<'a> {
    /// The same for all messages about one packet.
    pub(crate) id: u32,
    pub(crate) family: Option<Family>,
    pub(crate) table: &'a str,
    pub(crate) chain: &'a str,
    pub(crate) step: Step,
    /// The network header; only in the first message of a packet at a base chain.
    pub(crate) network_header: Option<&'a [u8]>,
    pub(crate) connection: Option<TracedCt>,
    /// Packet mark; only in messages about the end of a chain, when it is not zero.
    pub(crate) mark: Option<u32>,
    pub(crate) out_index: Option<u32>,
}

/// Attribute numbers of `enum nft_trace_attributes`.
mod attribute {
    pub(super) const TABLE: u16 = 1;
    pub(super) const CHAIN: u16 = 2;
    pub(super) const RULE_HANDLE: u16 = 3;
    pub(super) const KIND: u16 = 4;
    pub(super) const VERDICT: u16 = 5;
    pub(super) const ID: u16 = 6;
    pub(super) const NETWORK_HEADER: u16 = 8;
    pub(super) const OUT_INDEX: u16 = 12;
    pub(super) const MARK: u16 = 14;
    pub(super) const FAMILY: u16 = 15;
    pub(super) const POLICY: u16 = 16;
    pub(super) const CT_ID: u16 = 18;
    pub(super) const CT_DIRECTION: u16 = 19;
    pub(super) const CT_STATUS: u16 = 20;
    pub(super) const CT_STATE: u16 = 21;
    /// Within the verdict.
    pub(super) const VERDICT_CODE: u16 = 1;
}

/// Message number of a trace.
pub(crate) const MSG_TRACE: u8 = 17;

impl<'a> Trace<'a> {
    /// Reads a trace message.
    pub(crate) fn read(message: &Message<'a>) -> Result<Trace<'a>, KernelError> {
        let broken = |what: &str| KernelError::Message(format!("a trace without {what}"));
        let a = message.attributes;
        let step = match a.u32(attribute::KIND).ok_or_else(|| broken("a kind"))? {
            1 => Step::Policy { code: a.u32(attribute::POLICY).unwrap_or(1) as i32 },
            2 => Step::Return,
            3 => {
                let verdict = a.nested(attribute::VERDICT);
                let code = verdict.and_then(|v| v.u32(attribute::VERDICT_CODE));
                // The end of a chain's rules is reported as a rule without a handle.
                let handle = a.u64(attribute::RULE_HANDLE).unwrap_or(0);
                Step::Rule { handle, code: code.ok_or_else(|| broken("a verdict"))? as i32 }
            }
            kind => return Err(KernelError::Message(format!("a trace of kind {kind}"))),
        };
        Ok(Trace {
            id: a.u32(attribute::ID).ok_or_else(|| broken("an id"))?,
            family: match a.u32(attribute::FAMILY) {
                Some(2) => Some(Family::Ipv4),
                Some(10) => Some(Family::Ipv6),
                _ => None,
            },
            table: a.text(attribute::TABLE).ok_or_else(|| broken("a table"))?,
            chain: a.text(attribute::CHAIN).ok_or_else(|| broken("a chain"))?,
            step,
            network_header: a.get(attribute::NETWORK_HEADER),
            connection: Trace::connection(message),
            mark: a.u32(attribute::MARK),
            out_index: a.u32(attribute::OUT_INDEX),
        })
    }

    fn connection(message: &Message<'a>) -> Option<TracedCt> {
        let a = message.attributes;
        let state = match a.u32(attribute::CT_STATE)? {
            1 => CtState::Invalid,
            2 => CtState::Established,
            4 => CtState::Related,
            8 => CtState::New,
            64 => CtState::Untracked,
            _ => return None,
        };
        let direction = a.u8(attribute::CT_DIRECTION).map(|d| match d {
            0 => Direction::Original,
            _ => Direction::Reply,
        });
        // The template and offload bits have no meaning for a packet at these hooks.
        let status = a.u32(attribute::CT_STATUS).unwrap_or(0) & 0xffff;
        Some(TracedCt {
            state,
            id: a.u32(attribute::CT_ID),
            direction,
            status: Status::from_bits_truncate(status as u16),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_found_by_their_names() {
        for (stage, chain) in STAGES {
            assert_eq!(stage_of(chain), Some(stage));
        }
        assert_eq!(helper_of("helper_1"), Some("ftp"));
        assert_eq!(helper_of("helper_99"), None);
        assert_eq!(helper_of("FORWARD"), None);
    }
}
