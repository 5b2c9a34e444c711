//! Rule sets of growing length for the measurement.

use std::fmt::Write;

/// The gateway between the capture's clients and its servers.
pub(super) const TOPOLOGY: &str = r#"[[interface]]
name = "eth0"
addresses = ["192.0.2.1/24"]
default = true

[[interface]]
name = "eth1"
addresses = ["10.0.0.1/8"]
networks = ["10.0.0.0/8"]
"#;

/// Where the rule that accepts known connections stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// First, as it should.
    KnownFirst,
    /// After the rules that do not match: every packet has to get past them.
    KnownLast,
}

impl Order {
    /// For file names.
    pub(super) fn name(self) -> &'static str {
        match self {
            Order::KnownFirst => "first",
            Order::KnownLast => "last",
        }
    }
}

/// A rule set, by the number of its rules.
pub(super) struct Set {
    pub(super) order: Order,
    pub(super) rules: u32,
}

/// The first is the one of the goal, the others draw the curve.
pub(super) const SETS: &[Set] = &[
    Set { order: Order::KnownFirst, rules: 100 },
    Set { order: Order::KnownLast, rules: 10 },
    Set { order: Order::KnownLast, rules: 100 },
    Set { order: Order::KnownLast, rules: 1_000 },
    Set { order: Order::KnownLast, rules: 100_000 },
];

/// Rules that every set has: three in raw, three in FORWARD.
const FIXED_RULES: u32 = 6;

impl Set {
    /// What is printed beside the measurement.
    pub(super) fn title(&self) -> String {
        match self.order {
            Order::KnownFirst => format!("replay, {} rules", self.rules),
            Order::KnownLast => format!("replay, {} rules, ESTABLISHED behind them", self.rules),
        }
    }

    /// The rules as `iptables-restore` takes them.
    pub(super) fn text(&self) -> String {
        let known = "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n";
        let mut text = String::from(
            "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
             -A PREROUTING -m rpfilter --invert -j DROP\n\
             -A PREROUTING -i eth1 -p tcp -m tcp --dport 21 -j CT --helper ftp\n\
             -A PREROUTING -i eth1 -p udp -m udp --dport 69 -j CT --helper tftp\n\
             COMMIT\n*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n",
        );
        if self.order == Order::KnownFirst {
            text.push_str(known);
        }
        for index in 0..self.rules - FIXED_RULES {
            // Networks outside those of the capture, and ports in turn.
            let [_, a, b, c] = index.to_be_bytes();
            let port = 1 + index % 1000;
            let _ = match index % 3 {
                0 => writeln!(text, "-A FORWARD -s 172.{a}.{b}.{c}/32 -j DROP"),
                1 => writeln!(
                    text,
                    "-A FORWARD -d 203.{a}.{b}.{c}/32 -p tcp -m tcp --dport {port} -j ACCEPT"
                ),
                _ => writeln!(
                    text,
                    "-A FORWARD -s 172.{a}.{b}.{c}/32 -i eth0 -p udp -m udp --dport {port} \
                     -j ACCEPT"
                ),
            };
        }
        if self.order == Order::KnownLast {
            text.push_str(known);
        }
        text.push_str(
            "-A FORWARD -m conntrack --ctstate RELATED -m helper --helper ftp -j ACCEPT\n\
             -A FORWARD -i eth1 -o eth0 -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n",
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_rules_as_said() {
        for set in SETS {
            let text = set.text();
            let rules = text.lines().filter(|line| line.starts_with("-A")).count();
            assert_eq!(rules, set.rules as usize, "{}", set.title());
        }
    }
}
