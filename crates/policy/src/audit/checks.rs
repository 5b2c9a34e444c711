//! The checks, one file each, and what several of them ask.

mod accept_before_ct;
mod advice_of_another_kernel;
mod automatic_assignment;
mod ct_without_destination;
mod ct_without_port;
mod ct_wrong_direction;
mod dangerous_option;
mod forward_open;
mod helper_behind_translation;
mod helper_in_vain;
mod helper_name_unknown;
mod helper_not_in_output;
mod helper_on_tls;
mod inside_translated;
mod invalid_not_dropped;
mod ipv6_open;
mod loose_reverse_path;
mod module_ports;
mod never_matches;
mod never_reached;
mod no_anti_spoofing;
mod outside_port_behind;
mod private_source;
mod published_host_open;
mod published_to_anybody;
mod related_icmp_unbounded;
mod related_in_vain;
mod related_privileged_ports;
mod related_without_address;
mod related_without_helper;
mod reverse_path_too_late;
mod rp_filter_not_ipv6;
mod signalling_from_anywhere;
mod spoofing_list_open;

use super::{Check, Gateway, Severity, Visit, Visits};
use kinwall_helpers::instances::Instance;
use kinwall_rules::ruleset::Policy;
use kinwall_terms::{Family, Hook, L4Proto, Table};
use kinwall_topology::Topology;

/// Every check, in order of its code.
pub static CHECKS: &[Check] = &[
    Check {
        code: "KW001",
        name: "related-without-helper",
        severity: Severity::Error,
        title: "RELATED accepted without -m helper",
        why: "RELATED means that some payload has named this flow. Without -m helper the rule \
              accepts what any helper makes of any payload, those you did not think of included.",
        exploit: "A web page makes a browser inside send a line that looks like a PORT or REGISTER \
                  command, and the port it names is open from outside.",
        nft: "ct state related ct helper \"ftp\" ... accept, in place of ct state related accept",
        run: related_without_helper::run,
    },
    Check {
        code: "KW002",
        name: "related-without-address",
        severity: Severity::Warning,
        title: "RELATED of a helper accepted for any address",
        why: "The payload chooses addresses that the helper's protocol does not fix. A rule \
              without addresses lets it choose among all hosts.",
        exploit: "A forged command names another host, and the rule has nothing against that host.",
        nft: "ip saddr and ip daddr (or @set) beside ct state related ct helper \"ftp\"",
        run: related_without_address::run,
    },
    Check {
        code: "KW003",
        name: "related-privileged-ports",
        severity: Severity::Warning,
        title: "RELATED of a helper accepted to privileged ports",
        why: "Data flows of these protocols use ports from 1024 on. A rule without ports lets the \
              payload name 22 or 445 as well.",
        exploit: "PORT 10,1,0,5,0,22 in a forged command opens the SSH port of 10.1.0.5.",
        nft: "tcp dport 1024-65535 beside ct state related ct helper \"ftp\"",
        run: related_privileged_ports::run,
    },
    Check {
        code: "KW004",
        name: "accept-before-ct",
        severity: Severity::Error,
        title: "a raw rule before the CT rule takes the helper away",
        why: "ACCEPT ends the walk through the raw table, and the first CT or NOTRACK rule \
              decides. Packets it matches never come to the CT rule behind it, so the helper is \
              not assigned and its protocol breaks without a message.",
        exploit: "None by itself; the usual repair, accepting high ports from everywhere, is the \
                  hole.",
        nft: "an accept ends its own base chain only: give the helper out (ct helper set) in a \
              chain \
              ahead of it, or name the exception before",
        run: accept_before_ct::run,
    },
    Check {
        code: "KW005",
        name: "related-icmp-unbounded",
        severity: Severity::Note,
        title: "RELATED ICMP errors of any type at any rate",
        why: "Some ICMP errors are needed (path MTU discovery), others are not (redirects, source \
              quench). A rate keeps a flood of forged errors from reaching hosts.",
        exploit: "Forged errors that quote a live connection slow it down or reset it.",
        nft: "icmp type { destination-unreachable, time-exceeded, parameter-problem } ct state \
              related \
              limit rate 100/second accept",
        run: related_icmp_unbounded::run,
    },
    Check {
        code: "KW010",
        name: "automatic-assignment",
        severity: Severity::Error,
        title: "helpers are assigned automatically",
        why: "Every connection to port 21, 5060, 6667 and so on is read by a helper, to whatever \
              address. Nobody decided that for any of them.",
        exploit: "A browser is made to post to port 6667 of the attacker's host, and the helper \
                  believes the DCC command in the post.",
        nft: "ct helper set \"ftp-tcp\" in rules of your own; the sysctl is the same for both \
              tools",
        run: automatic_assignment::run,
    },
    Check {
        code: "KW011",
        name: "module-ports",
        severity: Severity::Warning,
        title: "ports= of a helper's module is used",
        why: "The option has a port read on every address, where a CT rule names the one server. \
              It also renames the helper, so rules that ask for its plain name may not match.",
        exploit: "Any host that offers that port is read as if it were the server.",
        nft: "ct helper NAME { type \"ftp\" protocol tcp; } and tcp dport 2121 ct helper set \
              \"NAME\"",
        run: module_ports::run,
    },
    Check {
        code: "KW012",
        name: "dangerous-option",
        severity: Severity::Error,
        title: "a helper's module has a dangerous option set",
        why: "The option lets the payload name addresses other than the two peers. That is what \
              the default refuses.",
        exploit: "A forged command or answer names a third host, and the flow to it is RELATED.",
        nft: "the options are those of the kernel's modules, whatever tool writes the rules",
        run: dangerous_option::run,
    },
    Check {
        code: "KW013",
        name: "ct-without-destination",
        severity: Severity::Warning,
        title: "a helper is assigned whatever the destination",
        why: "A helper reads what it is given. Without a destination or a client network that is \
              everybody's traffic to that port.",
        exploit: "The attacker offers the port himself and answers with the command that opens a \
                  flow.",
        nft: "ip daddr ADDRESS tcp dport 21 ct helper set \"ftp-tcp\"",
        run: ct_without_destination::run,
    },
    Check {
        code: "KW014",
        name: "ct-without-port",
        severity: Severity::Error,
        title: "a helper is assigned whatever the port",
        why: "Every connection of the protocol is read as if it were this one. Any text that looks \
              like a command is believed.",
        exploit: "A web form, a mail or a chat line holds the command.",
        nft: "tcp dport 21 beside ct helper set \"ftp-tcp\"",
        run: ct_without_port::run,
    },
    Check {
        code: "KW015",
        name: "ct-wrong-direction",
        severity: Severity::Error,
        title: "a helper is assigned by the server's answers",
        why: "A connection gets its helper with its first packet, which the client sends to the \
              server's port. A rule by source port assigns it to connections that begin at that \
              port.",
        exploit: "A peer that may choose its source port has its connection read by the helper.",
        nft: "tcp dport 21 in place of tcp sport 21, beside ct helper set \"ftp-tcp\"",
        run: ct_wrong_direction::run,
    },
    Check {
        code: "KW016",
        name: "signalling-from-anywhere",
        severity: Severity::Warning,
        title: "a connection that a helper reads is accepted from anywhere",
        why: "Who may open the signalling connection may announce flows. Accept it from those who \
              need it.",
        exploit: "Any host opens the signalling connection and announces what it wants.",
        nft: "ip saddr CLIENTS beside the accept of tcp dport 21",
        run: signalling_from_anywhere::run,
    },
    Check {
        code: "KW017",
        name: "helper-on-tls",
        severity: Severity::Error,
        title: "a helper is assigned to an encrypted port",
        why: "The helper sees ciphertext and announces nothing. The data flows do not pass, or \
              pass by a rule that is too wide.",
        exploit: "None by itself; the wide rule that makes up for it is the hole.",
        nft: "no ct helper set for tcp dport { 990, 5061, 6697 }",
        run: helper_on_tls::run,
    },
    Check {
        code: "KW018",
        name: "helper-name-unknown",
        severity: Severity::Error,
        title: "a helper name that cannot exist",
        why: "ports= renames helpers (ftp-2121, ftp-0), and a name that no helper bears never \
              matches. The rule does nothing.",
        exploit: "None by itself; the protocol breaks, and the usual repair is too wide.",
        nft: "the type of a ct helper object, and what ct helper compares with, is a helper's \
              own name",
        run: helper_name_unknown::run,
    },
    Check {
        code: "KW019",
        name: "helper-in-vain",
        severity: Severity::Warning,
        title: "a helper is assigned, and its flows are never accepted",
        why: "The helper reads and announces, and no rule lets the flows through. It is attack \
              surface without use.",
        exploit: "The parser runs on hostile input for nothing.",
        nft: "ct state related ct helper \"ftp\" ... accept, or no ct helper set",
        run: helper_in_vain::run,
    },
    Check {
        code: "KW020",
        name: "related-in-vain",
        severity: Severity::Warning,
        title: "RELATED of a helper is accepted that nothing assigns",
        why: "The rule never matches: no connection has this helper. Either an assignment is \
              missing, or the rule is left over.",
        exploit: "None today; it opens when the helper is assigned for another purpose.",
        nft: "ct helper set \"ftp-tcp\" for the connections that are meant, or no ct helper \
              \"ftp\"",
        run: related_in_vain::run,
    },
    Check {
        code: "KW021",
        name: "helper-not-in-output",
        severity: Severity::Warning,
        title: "the gateway's own connections lack their helper",
        why: "Packets the gateway sends do not pass PREROUTING. Its own connections get a helper \
              only from OUTPUT of the raw table.",
        exploit: "None by itself; the protocol breaks on the gateway.",
        nft: "ct helper set in a chain at hook output as well",
        run: helper_not_in_output::run,
    },
    Check {
        code: "KW030",
        name: "no-anti-spoofing",
        severity: Severity::Error,
        title: "forged sources enter",
        why: "Helpers believe both ends of a connection. Whoever can send as one of them can \
              announce flows in its name.",
        exploit: "A packet from outside with an inside source address carries the command.",
        nft: "fib saddr . iif oif missing drop, at hook prerouting, priority raw",
        run: no_anti_spoofing::run,
    },
    Check {
        code: "KW031",
        name: "spoofing-list-open",
        severity: Severity::Error,
        title: "a list of permitted sources without its final DROP",
        why: "Accepting the right sources stops nothing: the wrong ones go on to the next rule. \
              The list must end in a DROP for the interface.",
        exploit: "Any forged source passes, as if the list were not there.",
        nft: "iifname \"eth0\" drop behind the accepts of the list",
        run: spoofing_list_open::run,
    },
    Check {
        code: "KW032",
        name: "rp-filter-not-ipv6",
        severity: Severity::Error,
        title: "rp_filter is taken to cover IPv6",
        why: "The sysctl exists for IPv4 only. IPv6 needs the rpfilter match or lists of its own.",
        exploit: "The attack that IPv4 stops is made over IPv6.",
        nft: "meta nfproto ipv6 fib saddr . iif oif missing drop",
        run: rp_filter_not_ipv6::run,
    },
    Check {
        code: "KW033",
        name: "loose-reverse-path",
        severity: Severity::Warning,
        title: "a loose reverse path test",
        why: "Loose asks only whether the source is reachable at all. With a default route every \
              address is.",
        exploit: "A packet from outside with an inside source address passes.",
        nft: "fib saddr . iif oif missing drop, with iif: fib saddr oif alone is loose",
        run: loose_reverse_path::run,
    },
    Check {
        code: "KW034",
        name: "reverse-path-too-late",
        severity: Severity::Warning,
        title: "packets pass by the reverse path test",
        why: "A test that stands behind ACCEPT rules, or behind connection tracking, does not see \
              or does not stop everything. It belongs first in the raw table.",
        exploit: "A forged packet that the earlier rule accepts is tracked and read.",
        nft: "the fib rule at hook prerouting, priority raw (-300), ahead of every accept",
        run: reverse_path_too_late::run,
    },
    Check {
        code: "KW040",
        name: "invalid-not-dropped",
        severity: Severity::Warning,
        title: "INVALID packets pass",
        why: "INVALID packets belong to no connection, or break its sequence. Rules about \
              connections say nothing of them.",
        exploit: "Forged resets and scans with odd flags reach hosts behind the gateway.",
        nft: "ct state invalid drop, ahead of the accepts",
        run: invalid_not_dropped::run,
    },
    Check {
        code: "KW041",
        name: "ipv6-open",
        severity: Severity::Error,
        title: "IPv6 is open beside a closed IPv4",
        why: "Hosts answer to both families. What one firewall closes the other leaves open.",
        exploit: "The attacker uses the IPv6 address of the same host.",
        nft: "table inet holds for both families; meta nfproto ipv6 where they differ",
        run: ipv6_open::run,
    },
    Check {
        code: "KW042",
        name: "forward-open",
        severity: Severity::Warning,
        title: "FORWARD accepts by default",
        why: "What no rule decides passes. A forgotten protocol or interface is then open, not \
              closed.",
        exploit: "Any service behind the gateway that no rule mentions is reached directly.",
        nft: "type filter hook forward priority filter; policy drop;",
        run: forward_open::run,
    },
    Check {
        code: "KW043",
        name: "never-reached",
        severity: Severity::Warning,
        title: "a rule that is never reached",
        why: "An earlier rule decides everything this one could match. What it was written for \
              does not happen.",
        exploit: "None by itself; a DROP that is never reached protects nothing.",
        nft: "what an earlier accept, drop or verdict map decides in the same chain",
        run: never_reached::run,
    },
    Check {
        code: "KW044",
        name: "never-matches",
        severity: Severity::Warning,
        title: "a rule that can never match",
        why: "Its tests exclude each other. What it was written for does not happen.",
        exploit: "None by itself; a DROP that never matches protects nothing.",
        nft: "tests of one rule all have to hold; any of several values is { A, B }",
        run: never_matches::run,
    },
    Check {
        code: "KW045",
        name: "advice-of-another-kernel",
        severity: Severity::Warning,
        title: "a setting that this kernel does not have",
        why: "The setting was advice for another version of Linux. Here it is refused or ignored, \
              and protects nothing.",
        exploit: "None by itself; the protection is believed to be there.",
        nft: "the sysctls and module options are the same for both tools",
        run: advice_of_another_kernel::run,
    },
    Check {
        code: "KW050",
        name: "published-to-anybody",
        severity: Severity::Warning,
        title: "a whole host, or a port that manages it, is published to anybody",
        why: "DNAT leads everybody outside to the host. What manages a host, and what nobody \
              thought of on it, is for those who have to.",
        exploit: "Passwords are tried, and last week's hole is used, from everywhere.",
        nft: "ip saddr ADDRESSES tcp dport PORT dnat ip to HOST:PORT",
        run: published_to_anybody::run,
    },
    Check {
        code: "KW051",
        name: "outside-port-behind",
        severity: Severity::Error,
        title: "FORWARD asks for the address or port before translation",
        why: "DNAT is done before routing, so FORWARD sees the inside address and port. A rule for \
              the outside ones never matches.",
        exploit: "None by itself; the usual repair, accepting everything for the host, is the \
                  hole.",
        nft: "ip daddr INSIDE tcp dport INSIDE-PORT ct status dnat accept, at hook forward",
        run: outside_port_behind::run,
    },
    Check {
        code: "KW052",
        name: "published-host-open",
        severity: Severity::Warning,
        title: "more of a published host is accepted than what is published",
        why: "DNAT names the port, the rule that accepts does not. Whoever can address the host \
              itself reaches all of it.",
        exploit: "A neighbour on the outer network routes packets to the inside address by way of \
                  the gateway.",
        nft: "ip daddr INSIDE tcp dport PORT ct original ip daddr OUTSIDE accept",
        run: published_host_open::run,
    },
    Check {
        code: "KW053",
        name: "inside-translated",
        severity: Severity::Warning,
        title: "sources are translated between inside networks too",
        why: "The other side sees the gateway's address in place of the client's. Its logs and its \
              own rules about addresses say nothing then.",
        exploit: "A host inside reaches, as the gateway, what is open for the gateway alone.",
        nft: "oifname \"eth0\" ip saddr NETWORK masquerade",
        run: inside_translated::run,
    },
    Check {
        code: "KW054",
        name: "private-source",
        severity: Severity::Warning,
        title: "private sources leave where the default route leads",
        why: "No rule translates them on the way out. Answers do not come back, and the addresses \
              tell how it looks inside.",
        exploit: "None by itself; what leaks helps to forge packets from inside.",
        nft: "oifname \"eth0\" ip saddr NETWORK masquerade, at hook postrouting, priority srcnat",
        run: private_source::run,
    },
    Check {
        code: "KW055",
        name: "helper-behind-translation",
        severity: Severity::Error,
        title: "a helper is assigned by what the destination becomes",
        why: "The raw table comes before DNAT and sees the outside address and port. Connections \
              to the published host get no helper.",
        exploit: "None by itself; the usual repair, accepting high ports from everywhere, is the \
                  hole.",
        nft: "ct helper set ahead of priority dstnat (-100) sees the outside address and port",
        run: helper_behind_translation::run,
    },
];

/// The tool of the family.
fn command(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "iptables",
        Family::Ipv6 => "ip6tables",
    }
}

/// Addresses of a family in the words of nft: `ip` or `ip6`.
fn header(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ip",
        Family::Ipv6 => "ip6",
    }
}

/// Whether packets of the protocol have ports.
fn has_ports(proto: L4Proto) -> bool {
    [L4Proto::TCP, L4Proto::UDP, L4Proto::UDPLITE, L4Proto::SCTP, L4Proto::DCCP].contains(&proto)
}

/// The registered helpers that `-m helper --helper NAME` or a CT rule with this name means.
fn helpers_called<'a>(
    gateway: &Gateway<'a>,
    name: &'a str,
) -> impl Iterator<Item = &'a Instance> + use<'a> {
    gateway.instances.list().iter().filter(move |instance| name.starts_with(&instance.name))
}

/// The helpers that connections of `family` can get: all of them when they are assigned
/// automatically, else those that CT rules name and those that their children get.
fn opened(gateway: &Gateway<'_>, visits: &Visits<'_>, family: Family) -> Vec<String> {
    let automatic = gateway.automatic_helpers && gateway.kernel.has_automatic_assignment();
    let mut names: Vec<String> = match automatic {
        true => gateway
            .instances
            .list()
            .iter()
            .filter(|i| i.helper.families.contains(&family) && i.port.is_some_and(|port| port != 0))
            .map(|instance| instance.name.clone())
            .collect(),
        false => Vec::new(),
    };
    let assigned = visits.of_table(Table::Raw).filter(|visit| visit.family == family);
    names.extend(assigned.filter_map(|visit| visit.assigns().map(str::to_owned)));
    // What announces may announce what announces in its turn: RAS, Q.931, H.245.
    let mut next = 0;
    while let Some(name) = names.get(next).cloned() {
        let of_name = gateway.instances.list().iter().filter(|i| name.starts_with(&i.name));
        for child in of_name.flat_map(|i| i.helper.rows).filter_map(|row| row.child) {
            if !names.iter().any(|known| known == child) {
                names.push(child.to_owned());
            }
        }
        next += 1;
    }
    names.sort();
    names.dedup();
    names
}

/// The rules that ask for the reverse path, before routing.
fn reverse_path_rules<'v, 'a>(
    visits: &'v Visits<'a>,
    family: Family,
) -> impl Iterator<Item = &'v Visit<'a>> {
    [Table::Raw, Table::Mangle]
        .into_iter()
        .flat_map(move |table| visits.at(family, table, Hook::Prerouting))
        .filter(|visit| visit.matches().any(no_anti_spoofing::asks_for_reverse_path))
}

/// Whether rp_filter is strict on every interface, for IPv4.
fn rp_filter_in_force(topology: &Topology) -> bool {
    let all = topology.sysctl().get("net.ipv4.conf.all.rp_filter");
    let all = all.and_then(|value| value.as_integer()).unwrap_or(0);
    let mut interfaces = topology.interfaces().iter().peekable();
    interfaces.peek().is_some()
        && interfaces.all(|interface| i64::from(interface.rp_filter.unwrap_or(0)).max(all) == 1)
}

/// Whether a rule refuses everything that comes to it.
fn refuses_the_rest(visit: &Visit<'_>) -> bool {
    visit.refuses()
        && visit.parts().all(|rule| {
            rule.src.is_none()
                && rule.dst.is_none()
                && rule.in_iface.is_none()
                && rule.out_iface.is_none()
                && rule.proto.is_none()
                && rule.matches.is_empty()
        })
}

/// Whether what no rule decides is refused at `hook` of the filter table.
fn is_closed(visits: &Visits<'_>, family: Family, hook: Hook) -> bool {
    visits.policy(family, Table::Filter, hook) == Policy::Drop
        || visits.at(family, Table::Filter, hook).iter().any(refuses_the_rest)
}
