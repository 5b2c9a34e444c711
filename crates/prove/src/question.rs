//! Questions: can one part of the world reach another?
//!
//! `can FROM reach TO [on PROTOCOL [PORT[-PORT]]] [via HELPER]`, and `cannot ...` for an
//! expectation of the contrary. FROM and TO are an interface, a network or address, `gateway`,
//! `wan` (what the default route leads to) or `lan` (the one other interface).

use crate::field::Field;
use crate::reach::Reach;
use crate::sample::{Sample, USUAL_SPORT, outsider};
use crate::situation::{Situation, Tracked};
use crate::space::{Set, TooLarge, Unknown};
use crate::universe::UniverseBuilder;
use ipnet::IpNet;
use kinwall_rules::eval::RuleId;
use kinwall_terms::{Family, InterfaceName, L4Proto};
use kinwall_topology::Topology;
use std::net::IpAddr;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where from.
    pub from: Place,
    /// Where to.
    pub to: Place,
    /// By which protocol; any if `None`.
    pub proto: Option<L4Proto>,
    /// To which ports, inclusive.
    pub ports: (u16, u16),
    /// As a child that this helper announces; as a connection of its own if `None`.
    pub via: Option<String>,
    /// Whether it should be possible.
    pub expected: bool,
}

/// A part of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// What is behind an interface.
    Interface(InterfaceName),
    /// Addresses, wherever they are.
    Network(IpNet),
    /// The gateway itself.
    Gateway,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// A packet that passes whatever cannot be decided, or else one that may.
    pub packet: Option<Sample>,
    /// Whether that packet passes for certain.
    pub certain: bool,
    /// The helper instance that announces it.
    pub via: Option<u8>,
    /// The rules that let it pass.
    pub rules: Vec<RuleId>,
    /// What could not be decided.
    pub undecided: Vec<Unknown>,
}

impl Question {
    /// Reads a question. What is wrong is said with what would be right.
    pub fn parse(text: &str, topology: &Topology) -> Result<Question, String> {
        let text = text.trim().trim_end_matches('?');
        let mut words = text.split_whitespace();
        let expected = match words.next() {
            Some("can") => true,
            Some("cannot") => false,
            _ => return Err(format!("a question begins with `can` or `cannot`: {FORM}")),
        };
        let from = Place::parse(words.next(), topology)?;
        if words.next() != Some("reach") {
            return Err(format!("`reach` is missing: {FORM}"));
        }
        let to = Place::parse(words.next(), topology)?;
        let mut question =
            Question { from, to, proto: None, ports: (0, u16::MAX), via: None, expected };
        let mut next = words.next();
        if next == Some("on") {
            let proto = words.next().ok_or("`on` wants a protocol, such as tcp")?;
            question.proto = Some(protocol(proto)?);
            next = words.next();
            if let Some(ports) = next.filter(|word| *word != "via") {
                question.ports = port_range(ports)?;
                next = words.next();
            }
        }
        if next == Some("via") {
            let helper = words.next().ok_or("`via` wants the name of a helper, such as ftp")?;
            question.via = Some(helper.to_owned());
            next = words.next();
        }
        match next {
            None => Ok(question),
            Some(word) => Err(format!("`{word}` is not understood: {FORM}")),
        }
    }

    /// Keeps apart what the question names.
    pub fn prepare(&self, builder: &mut UniverseBuilder) {
        for place in [&self.from, &self.to] {
            if let Place::Network(network) = place {
                builder.network(*network);
            }
        }
        builder.ports(self.ports.0, self.ports.1);
        self.proto.into_iter().for_each(|proto| builder.proto(proto));
    }

    /// Whether it is about this family at all.
    pub fn concerns(&self, family: Family) -> bool {
        [&self.from, &self.to].into_iter().all(|place| match place {
            Place::Network(network) => Family::of(network.addr()) == family,
            _ => true,
        })
    }
}

const FORM: &str = "can FROM reach TO [on PROTOCOL [PORT]] [via HELPER]";

impl Place {
    fn parse(word: Option<&str>, topology: &Topology) -> Result<Place, String> {
        let word = word.ok_or_else(|| format!("the question ends early: {FORM}"))?;
        if word == "gateway" {
            return Ok(Place::Gateway);
        }
        let network = word.parse::<IpNet>().map(|network| network.trunc());
        if let Ok(network) = network.or_else(|_| word.parse::<IpAddr>().map(IpNet::from)) {
            return Ok(Place::Network(network));
        }
        let interfaces = topology.interfaces().iter();
        let real = interfaces.filter(|interface| interface.name != InterfaceName::LOOPBACK);
        let named = real.clone().find(|interface| interface.name.as_str() == word);
        if let Some(interface) = named {
            return Ok(Place::Interface(interface.name));
        }
        let leads_out = |family| move |default: kinwall_topology::Defaults| default.has(family);
        let outside = match word {
            "wan" => true,
            "lan" => false,
            _ => return Err(unknown(word, topology)),
        };
        let found: Vec<InterfaceName> = real
            .filter(|interface| {
                let any = Family::ALL.iter().any(|family| leads_out(*family)(interface.default));
                any == outside
            })
            .map(|interface| interface.name)
            .collect();
        match found.as_slice() {
            [one] => Ok(Place::Interface(*one)),
            _ => Err(format!("`{word}` could be several interfaces or none: name one")),
        }
    }
}

fn unknown(word: &str, topology: &Topology) -> String {
    let known: Vec<&str> =
        topology.interfaces().iter().map(|interface| interface.name.as_str()).collect();
    format!(
        "`{word}` is no address and no interface; there are {}, wan, lan and gateway",
        known.join(", ")
    )
}

pub(crate) fn protocol(word: &str) -> Result<L4Proto, String> {
    let known = [L4Proto::TCP, L4Proto::UDP, L4Proto::UDPLITE, L4Proto::SCTP, L4Proto::DCCP];
    let more = [L4Proto::GRE, L4Proto::ICMP, L4Proto::ICMPV6];
    let named = known.into_iter().chain(more).find(|proto| proto.to_string() == word);
    let numbered = || word.parse().ok().map(L4Proto);
    named.or_else(numbered).ok_or_else(|| format!("`{word}` is no protocol: name it, or a number"))
}

pub(crate) fn port_range(word: &str) -> Result<(u16, u16), String> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok((first, last)),
        _ => Err(format!("`{word}` is no port and no range of ports, such as 1024-65535")),
    }
}

impl Reach<'_> {
    /// Answers a question.
    pub fn answer(&mut self, question: &Question) -> Result<Answer, TooLarge> {
        let mut best = Answer {
            packet: None,
            certain: false,
            via: None,
            rules: Vec::new(),
            undecided: Vec::new(),
        };
        let helpers: Vec<Option<u8>> = match &question.via {
            None => vec![None],
            Some(name) => {
                let list = self.given.instances.list().iter().zip(0..);
                list.filter(|(instance, _)| instance.name == *name)
                    .map(|(_, at)| Some(at))
                    .collect()
            }
        };
        let asked = self.asked(question);
        for helper in helpers {
            for sent in [false, true] {
                let situation = Situation::received(Tracked::First).of(helper).sent(sent);
                let passing = self.all_through(situation)?;
                let mut set = self.space.and(&passing, &asked);
                if let Some(helper) = helper {
                    let announced = self.connections()?.announced;
                    let tuples = announced.into_iter().find(|(by, _)| *by == helper);
                    let tuples = tuples.map_or_else(|| self.space.nothing(), |(_, tuples)| tuples);
                    set = self.space.and(&set, &tuples);
                }
                let certain = self.space.certain(&set);
                let is_certain = !self.space.is_empty(&certain);
                let chosen = if is_certain { certain } else { self.space.possible(&set) };
                let chosen = self.rather(chosen);
                let Some((numbers, _)) = self.space.pick(&chosen) else { continue };
                if best.packet.is_some() && (best.certain || !is_certain) {
                    continue;
                }
                let packet = Sample::of(&self.universe, &numbers);
                let one = self.just(&numbers);
                let one = self.space.and(&set, &one);
                let rules = self.accepted(&one, situation)?;
                best = Answer {
                    packet: Some(packet),
                    certain: is_certain,
                    via: helper,
                    rules: rules.into_iter().filter_map(|part| part.rule).collect(),
                    undecided: if is_certain { vec![] } else { self.space.unknowns_of(&set) },
                };
            }
        }
        self.space.check()?;
        Ok(best)
    }

    /// First packets from and to the places, of the protocol and ports; of TCP with SYN.
    fn asked(&self, question: &Question) -> Set {
        let space = &self.space;
        let routes = self.routes(Situation::received(Tracked::First));
        let input = |number| space.numbers(Field::Input, &[(number, number)]);
        let local = self.universe.local_input();
        let from = match &question.from {
            Place::Interface(name) => self.universe.input(*name).map(input),
            Place::Network(network) => {
                Some(space.numbers(Field::Src, &self.universe.net(*network)))
            }
            Place::Gateway => Some(input(local)),
        };
        let to = match &question.to {
            Place::Interface(name) => {
                routes.outputs.iter().find(|way| way.0 == *name).map(|way| way.1.clone())
            }
            Place::Network(network) => {
                Some(space.numbers(Field::Dst, &self.universe.net(*network)))
            }
            Place::Gateway => Some(routes.local.clone()),
        };
        let (Some(from), Some(to)) = (from, to) else { return space.nothing() };
        let ports = self.universe.port_range(question.ports.0, question.ports.1);
        let ports = space.numbers(Field::Dport, &ports);
        let proto = question.proto.map_or_else(|| space.everything(), |proto| self.proto(proto));
        let begins = self.begins();
        space.all_of([&from, &to, &ports, &proto, &begins])
    }

    /// Those of a set that a reader expects, if there are any: from the Internet, from a port that
    /// programs call from.
    fn rather(&self, set: Set) -> Set {
        let outsider = outsider(self.family());
        let wishes = [
            (Field::Src, self.universe.between(outsider, outsider)),
            (Field::Sport, self.universe.port_range(USUAL_SPORT, USUAL_SPORT)),
        ];
        wishes.into_iter().fold(set, |set, (field, numbers)| {
            let those = self.space.and(&set, &self.space.numbers(field, &numbers));
            if self.space.is_empty(&those) { set } else { those }
        })
    }

    /// The packets with these numbers.
    fn just(&self, numbers: &[u32; Field::ALL.len()]) -> Set {
        let sets = Field::ALL.map(|field| {
            let number = numbers[field.index()];
            self.space.numbers(field, &[(number, number)])
        });
        self.space.all_of(&sets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPOLOGY: &str = "[[interface]]\nname = 'eth0'\naddresses = ['192.0.2.1/24']\n\
                            default = true\n[[interface]]\nname = 'eth1'\n\
                            addresses = ['10.1.0.1/24']";

    #[test]
    fn questions_are_read() {
        let topology = Topology::from_toml(TOPOLOGY, "topology").expect("a topology");
        let read = |text: &str| Question::parse(text, &topology);
        let question = read("can wan reach lan on tcp 445 via ftp?").expect("a question");
        let interface = |name: &str| Place::Interface(InterfaceName::new(name).expect("a name"));
        let expected = Question {
            from: interface("eth0"),
            to: interface("eth1"),
            proto: Some(L4Proto::TCP),
            ports: (445, 445),
            via: Some("ftp".to_owned()),
            expected: true,
        };
        assert_eq!(question, expected);
        let question = read("cannot 10.1.0.0/24 reach gateway on udp 1024-2000").expect("another");
        assert_eq!((question.ports, question.expected), ((1024, 2000), false));
        for (text, wrong) in [
            ("may wan reach lan", "begins with `can`"),
            ("can wan reach eth9", "no interface; there are eth0, eth1"),
            ("can wan touch lan", "`reach` is missing"),
            ("can wan", "`reach` is missing"),
            ("can wan reach lan on tpc", "no protocol"),
            ("can wan reach lan on tcp 70000", "no port"),
            ("can wan reach lan tomorrow", "`tomorrow` is not understood"),
        ] {
            let error = read(text).expect_err("a mistake");
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }
}
