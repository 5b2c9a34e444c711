//! The chains that hand packets to the queue, set up and taken down.
//!
//! They hold the target NFQUEUE of xtables, which kernels without `nft queue` have as well. A
//! packet passes the queue in the raw table, before anything else, and again in the mangle table
//! once it is routed: for the gateway at INPUT, for others at FORWARD, the gateway's own at
//! POSTROUTING. Behind that a chain of the filter table refuses what is marked so: there Linux
//! composes the answers.
//!
//! All chains of a family are installed by one `iptables-restore`, table by table, and what an
//! earlier process left behind is replaced by it. Nothing here asks for the kernel's own
//! connection tracking.

use crate::GatewayError;
use crate::marks::Marks;
use ipnet::IpNet;
use kinwall_terms::{Family, RejectWith};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};

/// How the names of all our chains begin.
const OWN: &str = "KINWALL_";

/// Table, chain of the kernel's, and chain of ours.
const JUMPS: &[(&str, &str, &str)] = &[
    ("raw", "PREROUTING", "KINWALL_ARRIVING"),
    ("raw", "OUTPUT", "KINWALL_SENDING"),
    ("mangle", "INPUT", "KINWALL_ROUTED"),
    ("mangle", "FORWARD", "KINWALL_ROUTED"),
    ("mangle", "POSTROUTING", "KINWALL_ROUTED"),
    ("filter", "INPUT", "KINWALL_REFUSED"),
    ("filter", "FORWARD", "KINWALL_REFUSED"),
    ("filter", "OUTPUT", "KINWALL_REFUSED"),
];

/// The tables with chains of ours.
const TABLES: [&str; 3] = ["raw", "mangle", "filter"];

/// Hop by hop messages that an IPv6 neighbour asks and answers with (RFC 4861).
const NEIGHBOURS: [&str; 4] = ["133", "134", "135", "136"];

/// What is done with packets while nobody reads the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileDown {
    /// They are dropped.
    Closed,
    /// They pass, unfiltered.
    Open,
}

impl WhileDown {
    fn flag(self) -> &'static str {
        match self {
            WhileDown::Closed => "",
            WhileDown::Open => " --queue-bypass",
        }
    }
}

/// What the chains depend on.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The queue's number.
    pub queue: u16,
    /// The bits of marks that are ours.
    pub marks: Marks,
    /// While nobody reads the queue: packets that are forwarded.
    pub forward: WhileDown,
    /// The same for those to and from the gateway itself.
    pub input: WhileDown,
    /// Packets to the gateway from these addresses, and its answers, never pass the queue.
    pub management: Vec<IpNet>,
}

impl Plan {
    /// What `iptables-restore --noflush` is given for one family. `before` is what
    /// `iptables-save` printed: jumps that are left from earlier go.
    pub(crate) fn install(&self, family: Family, before: &str) -> String {
        let mut text = String::new();
        for table in TABLES {
            let _ = writeln!(text, "*{table}");
            let mut declared = Vec::new();
            for (_, _, own) in JUMPS.iter().filter(|(of, _, _)| *of == table) {
                if !declared.contains(own) {
                    let _ = writeln!(text, ":{own} - [0:0]");
                    declared.push(own);
                }
            }
            for jump in jumps(before, table) {
                let _ = writeln!(text, "-D{jump}");
            }
            match table {
                "raw" => self.first(family, &mut text),
                "mangle" => self.second(&mut text),
                _ => self.refusing(family, &mut text),
            }
            for (_, chain, own) in JUMPS.iter().filter(|(of, _, _)| *of == table) {
                let _ = writeln!(text, "-I {chain} 1 -j {own}");
            }
            text.push_str("COMMIT\n");
        }
        text
    }

    fn first(&self, family: Family, text: &mut String) {
        let Plan { queue, forward, input, .. } = self;
        let (arriving, sending) = ("-A KINWALL_ARRIVING", "-A KINWALL_SENDING");
        let _ = writeln!(text, "{arriving} -i lo -j RETURN\n{sending} -o lo -j RETURN");
        let mut has_management = false;
        for net in self.management.iter().filter(|net| Family::of(net.addr()) == family) {
            has_management = true;
            let to_us = "-m addrtype --dst-type LOCAL -j RETURN";
            let _ = writeln!(text, "{arriving} -s {net} {to_us}");
            let _ = writeln!(text, "{sending} -d {net} -j RETURN");
        }
        if has_management && family == Family::Ipv6 {
            // Without its neighbours nobody reaches the gateway.
            for kind in NEIGHBOURS {
                let matches = format!("-p icmpv6 -m icmp6 --icmpv6-type {kind}");
                let _ = writeln!(text, "{arriving} {matches} -m hl --hl-eq 255 -j RETURN");
                let _ = writeln!(text, "{sending} {matches} -j RETURN");
            }
        }
        let own = format!("-j NFQUEUE --queue-num {queue}{}", input.flag());
        let kinds: &[&str] = match family {
            Family::Ipv4 => &["LOCAL", "BROADCAST", "MULTICAST"],
            Family::Ipv6 => &["LOCAL", "MULTICAST"],
        };
        for kind in kinds {
            let _ = writeln!(text, "{arriving} -m addrtype --dst-type {kind} {own}");
        }
        let others = format!("-j NFQUEUE --queue-num {queue}{}", forward.flag());
        let _ = writeln!(text, "{arriving} {others}\n{sending} {own}");
    }

    fn second(&self, text: &mut String) {
        let either = match (self.forward, self.input) {
            (WhileDown::Closed, WhileDown::Closed) => WhileDown::Closed,
            _ => WhileDown::Open,
        };
        // What has no token passed by the queue on its first way, and does so here.
        let routed = "-A KINWALL_ROUTED";
        let mask = self.marks.mask();
        let _ = writeln!(text, "{routed} -m mark --mark 0x0/{mask:#x} -j RETURN");
        let (queue, flag) = (self.queue, either.flag());
        let _ = writeln!(text, "{routed} -j NFQUEUE --queue-num {queue}{flag}");
    }

    fn refusing(&self, family: Family, text: &mut String) {
        let mask = self.marks.mask();
        for (with, bits) in self.marks.refusals(family) {
            let proto = if with == RejectWith::TcpReset { "-p tcp " } else { "" };
            let _ = writeln!(
                text,
                "-A KINWALL_REFUSED {proto}-m mark --mark {bits:#x}/{mask:#x} -j REJECT \
                 --reject-with {}",
                with.name()
            );
        }
    }
}

/// The rules in `table` that jump to chains of ours from others, each behind its `-A`.
fn jumps<'a>(saved: &'a str, table: &str) -> impl Iterator<Item = &'a str> {
    let mut now = "";
    let rules = saved.lines().map(move |line| {
        now = line.strip_prefix('*').unwrap_or(now);
        (now, line)
    });
    let table = table.to_owned();
    rules.filter(move |(of, _)| *of == table).filter_map(|(_, line)| {
        let rule = line.strip_prefix("-A")?;
        let jumps = rule.split_whitespace().any(|word| word.starts_with(OWN));
        (jumps && !rule.trim_start().starts_with(OWN)).then_some(rule)
    })
}

/// The chains of ours that `iptables-save` printed, by table.
fn chains<'a>(saved: &'a str, table: &str) -> Vec<&'a str> {
    let mut now = "";
    let mut found = Vec::new();
    for line in saved.lines() {
        now = line.strip_prefix('*').unwrap_or(now);
        let name = line.strip_prefix(':').and_then(|line| line.split_whitespace().next());
        found.extend(name.filter(|name| now == table && name.starts_with(OWN)));
    }
    found
}

/// What `iptables-restore --noflush` is given to take our chains away; empty where there are none.
pub(crate) fn removal(saved: &str) -> String {
    let mut text = String::new();
    for table in TABLES {
        let own = chains(saved, table);
        let jumps: Vec<&str> = jumps(saved, table).collect();
        if own.is_empty() && jumps.is_empty() {
            continue;
        }
        let _ = writeln!(text, "*{table}");
        jumps.iter().for_each(|jump| {
            let _ = writeln!(text, "-D{jump}");
        });
        for what in ["-F", "-X"] {
            own.iter().for_each(|chain| {
                let _ = writeln!(text, "{what} {chain}");
            });
        }
        text.push_str("COMMIT\n");
    }
    text
}

/// The programs of a family: what saves, and what restores.
pub(crate) fn programs(family: Family) -> [&'static str; 2] {
    match family {
        Family::Ipv4 => ["iptables-save", "iptables-restore"],
        Family::Ipv6 => ["ip6tables-save", "ip6tables-restore"],
    }
}

/// What is there of a family.
///
/// # Errors
///
/// The program is not there, or fails.
pub(crate) fn saved(family: Family) -> Result<String, GatewayError> {
    run(programs(family)[0], &[], "")
}

fn restore(family: Family, text: &str) -> Result<(), GatewayError> {
    run(programs(family)[1], &["--noflush", "-w", "10"], text).map(drop)
}

/// Sets the chains of both families up, or none.
///
/// # Errors
///
/// The kernel or a program refuses; what was set up of it is taken down again.
pub fn install(plan: &Plan) -> Result<(), GatewayError> {
    for family in Family::ALL {
        let set = saved(family).and_then(|before| restore(family, &plan.install(family, &before)));
        if let Err(error) = set {
            // The first error is the one that tells.
            let _ = remove();
            return Err(error);
        }
    }
    Ok(())
}

/// Takes away whatever of ours is there. True if there was something.
///
/// # Errors
///
/// A program is not there, or fails.
pub fn remove() -> Result<bool, GatewayError> {
    let mut found = false;
    let mut failed = None;
    for family in Family::ALL {
        let result = saved(family).and_then(|before| {
            let text = removal(&before);
            found |= !text.is_empty();
            if text.is_empty() { Ok(()) } else { restore(family, &text) }
        });
        failed = failed.or(result.err());
    }
    failed.map_or(Ok(found), Err)
}

/// Runs a program with `input`.
pub(crate) fn run(
    program: &'static str,
    arguments: &[&str],
    input: &str,
) -> Result<String, GatewayError> {
    let failed = |message: String| GatewayError::Program { program, message };
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => GatewayError::Missing { program },
        _ => failed(error.to_string()),
    })?;
    let mut stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // A program that refuses its input early closes the pipe; its message says why.
        scope.spawn(move || stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes())));
        child.wait_with_output()
    });
    let output = output.map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            queue: 7,
            marks: Marks::DEFAULT,
            forward: WhileDown::Closed,
            input: WhileDown::Open,
            management: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/64".parse().unwrap()],
        }
    }

    #[test]
    fn what_is_installed_is_removed() {
        let before = "*filter\n:INPUT ACCEPT [0:0]\n:KINWALL_REFUSED - [0:0]\n\
                      -A INPUT -j KINWALL_REFUSED\n-A INPUT -j MINE\n\
                      -A KINWALL_REFUSED -j REJECT\nCOMMIT\n";
        let text = plan().install(Family::Ipv4, before);
        assert!(text.contains("-D INPUT -j KINWALL_REFUSED\n"), "{text}");
        assert_eq!(text.matches("-j KINWALL_").count(), JUMPS.len() + 1, "{text}");
        let expected = "*filter\n-D INPUT -j KINWALL_REFUSED\n-F KINWALL_REFUSED\n\
                        -X KINWALL_REFUSED\nCOMMIT\n";
        assert_eq!(removal(before), expected);
        assert_eq!(removal("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j MINE\nCOMMIT\n"), "");
    }

    #[test]
    fn only_who_may_passes_by_the_queue() {
        let v4 = plan().install(Family::Ipv4, "");
        assert!(v4.contains("-A KINWALL_ARRIVING -j NFQUEUE --queue-num 7\n"), "{v4}");
        assert!(v4.contains("-A KINWALL_SENDING -j NFQUEUE --queue-num 7 --queue-bypass\n"));
        assert!(v4.contains(
            "-A KINWALL_ARRIVING -s 192.0.2.0/24 -m addrtype --dst-type LOCAL -j RETURN\n"
        ));
        assert!(!v4.contains("2001:db8") && !v4.contains("icmp6"), "{v4}");
        let v6 = plan().install(Family::Ipv6, "");
        assert!(!v6.contains("192.0.2") && v6.contains("--icmpv6-type 135"), "{v6}");
    }

    #[test]
    fn nothing_switches_connection_tracking_on() {
        for family in Family::ALL {
            let text = plan().install(family, "");
            for word in ["conntrack", "state", "nat", "CT", "MASQUERADE"] {
                assert!(!text.split_whitespace().any(|found| found == word), "{word}: {text}");
            }
        }
    }
}
