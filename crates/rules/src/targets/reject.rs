//! `-j REJECT --reject-with icmp-port-unreachable`: the packet is dropped and its sender told.
//!
//! Only in the filter table. Types may be abbreviated; the short names without `icmp-` are
//! understood; `tcp-reset` needs `-p tcp`.

use crate::diagnostic::Diagnostic;
use crate::eval::{Decision, Effect, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, value};
use crate::print::Line;
use kinwall_terms::{Family, Hook, L4Proto, RejectWith, Table};

/// What the target declares.
pub const SPEC: Spec = Spec::new("REJECT")
    .tables(&[Table::Filter])
    .hooks(&[Hook::Input, Hook::Forward, Hook::Output])
    .options(&[value("reject-with")]);

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Its type.
    pub with: RejectWith,
}

/// Types of a family with their short names, in the order in which abbreviations are tried.
const IPV4: &[(RejectWith, &str)] = &[
    (RejectWith::IcmpNetUnreachable, "net-unreach"),
    (RejectWith::IcmpHostUnreachable, "host-unreach"),
    (RejectWith::IcmpProtoUnreachable, "proto-unreach"),
    (RejectWith::IcmpPortUnreachable, "port-unreach"),
    (RejectWith::IcmpNetProhibited, "net-prohib"),
    (RejectWith::IcmpHostProhibited, "host-prohib"),
    (RejectWith::TcpReset, "tcp-rst"),
    (RejectWith::IcmpAdminProhibited, "admin-prohib"),
];

const IPV6: &[(RejectWith, &str)] = &[
    (RejectWith::Icmp6NoRoute, "no-route"),
    (RejectWith::Icmp6AdmProhibited, "adm-prohibited"),
    (RejectWith::Icmp6AddrUnreachable, "addr-unreach"),
    (RejectWith::Icmp6PortUnreachable, "port-unreach"),
    (RejectWith::TcpReset, "tcp-reset"),
    (RejectWith::Icmp6PolicyFail, "policy-fail"),
    (RejectWith::Icmp6RejectRoute, "reject-route"),
];

impl Reject {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Reject> {
        let family = args.context.family;
        let default = match family {
            Family::Ipv4 => RejectWith::IcmpPortUnreachable,
            Family::Ipv6 => RejectWith::Icmp6PortUnreachable,
        };
        let with = args.plain("reject-with", |word| reject_with(word, family)).unwrap_or(default);
        if with == RejectWith::TcpReset && args.context.one_protocol() != Some(L4Proto::TCP) {
            args.report_at("reject-with", "tcp-reset answers only TCP", "add -p tcp to the rule");
        }
        Some(Reject { with })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("reject-with", self.with.name());
    }

    /// Drops the packet.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Decide(Decision::Reject(self.with))
    }
}

fn reject_with(word: &Word, family: Family) -> Result<RejectWith, Diagnostic> {
    let types = if family == Family::Ipv4 { IPV4 } else { IPV6 };
    let text = word.text.to_ascii_lowercase();
    let fits = |name: &str| !text.is_empty() && name.starts_with(&text);
    let found = types.iter().find(|(with, short)| fits(with.name()) || fits(short));
    found.map(|(with, _)| *with).ok_or_else(|| {
        let names: Vec<&str> = types.iter().map(|(with, _)| with.name()).collect();
        word.mistake(format!("{:?} is not a reject type", word.text))
            .help(format!("one of {}", names.join(", ")))
    })
}
