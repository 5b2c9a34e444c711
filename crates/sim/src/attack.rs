//! Attacks as texts: what is said to a gateway, and what is claimed of each word of it.
//!
//! One file an attack, in `tests/attacks/` at the root of the repository; the README there holds
//! the grammar. Here the text becomes packets and [`Claim`]s; who runs them is no matter of this
//! file.

mod hosts;
mod talk;

pub use hosts::Hosts;

use crate::traffic::Ingress;
use kinwall_helpers::Instances;
use kinwall_replay::typed::{Typed, unescape};
use kinwall_terms::Family;
use kinwall_wire::emit;
use talk::Talk;

/// An attack, read.
#[derive(Clone, Debug, Default)]
pub struct Attack {
    /// Name of its file.
    pub name: String,
    /// Its first line.
    pub title: String,
    /// What is set in every run, as `--set KEY=VALUE`.
    pub settings: Vec<(String, String)>,
    /// What is set in the dangerous run; without any there is none.
    pub dangers: Vec<(String, String)>,
    /// Rules beside the gateway's own, as commands.
    pub own_rules: String,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub struct Step {
    /// Number of its line.
    pub line: usize,
    /// Its line.
    pub text: String,
    /// What is done.
    pub deed: Deed,
    /// What is claimed of it.
    pub claims: Vec<Claim>,
}

/// What is done.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Packets reach the gateway.
    Send {
        /// They, in order.
        packets: Vec<(Ingress, Vec<u8>)>,
        /// Their verdict is what is asked for, whatever it is.
        tried: bool,
        /// There are many of a kind: their answers are told once.
        many: bool,
    },
    /// Time passes.
    Wait {
        /// So many seconds.
        seconds: u32,
    },
    /// The expectations that are pending are counted.
    Count,
}

/// What a step is claimed to bring.
#[derive(Clone, Debug)]
pub struct Claim {
    /// In which runs: all of these words must apply (`linux`, `strict`, `default`, `dangerous`).
    pub runs: Vec<String>,
    /// What, word for word as far as it goes.
    pub what: String,
}

impl Attack {
    /// Reads an attack. A mistake is told with its line.
    pub fn read(name: &str, text: &str, hosts: &Hosts) -> Result<Attack, String> {
        let mut reader = Reader { hosts, talks: Vec::new(), current: None };
        let mut attack = Attack { name: name.to_owned(), ..Attack::default() };
        let mut lines = (1..).zip(text.lines()).peekable();
        while let Some((line, text)) = lines.next() {
            let wrong = |message: String| format!("{name}:{line}: {message}");
            let mut text = text.trim_end().to_owned();
            while let Some((_, more)) = lines.next_if(|(_, next)| next.starts_with("| ")) {
                text += more.trim_start_matches("| ").trim_end();
            }
            let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
            match word {
                "" if attack.steps.is_empty() && text.is_empty() => {}
                "" => match attack.steps.last_mut() {
                    _ if text.is_empty() => {}
                    Some(step) => step.claims.push(Claim::read(rest.trim_start())),
                    None => return Err(wrong("a claim about nothing".into())),
                },
                "#" if attack.title.is_empty() => rest.clone_into(&mut attack.title),
                "#" => {}
                "set" => attack.settings.push(assignment(rest).map_err(wrong)?),
                "danger" => attack.dangers.push(assignment(rest).map_err(wrong)?),
                "rule" => attack.own_rules += &format!("{rest}\n"),
                _ => {
                    let deed = reader.deed(&text).map_err(wrong)?;
                    attack.steps.push(Step { line, text, deed, claims: Vec::new() });
                }
            }
        }
        if attack.title.is_empty() || attack.steps.is_empty() {
            return Err(format!(
                "{name}: an attack has a title (# ...) and something happens in it"
            ));
        }
        Ok(attack)
    }
}

impl Attack {
    /// The rules of the gateway, as a script of commands: a CT rule for each of `instances` that
    /// has a port, then `rules`, then the attack's own.
    pub fn rules(&self, rules: &str, instances: &Instances) -> String {
        let mut text = String::new();
        for instance in instances.list() {
            let Some(port) = instance.port else { continue };
            for (family, tool) in [(Family::Ipv4, "iptables"), (Family::Ipv6, "ip6tables")] {
                if !instance.helper.families.contains(&family) {
                    continue;
                }
                for (l4, chain) in instance
                    .helper
                    .l4
                    .iter()
                    .flat_map(|l4| ["PREROUTING", "OUTPUT"].map(|chain| (l4, chain)))
                {
                    text += &format!(
                        "{tool} -t raw -A {chain} -p {l4} --dport {port} -j CT --helper {}\n",
                        instance.name
                    );
                }
            }
        }
        text + rules + &self.own_rules
    }
}

impl Claim {
    fn read(text: &str) -> Claim {
        let known = |word: &str| ["linux", "strict", "default", "dangerous"].contains(&word);
        match text.split_once(": ") {
            Some((runs, what)) if runs.split(' ').all(known) => Claim {
                runs: runs.split(' ').map(str::to_owned).collect(),
                what: what.trim_start().to_owned(),
            },
            _ => Claim { runs: Vec::new(), what: text.to_owned() },
        }
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once(' ').ok_or("a key and a value belong here")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Reads lines that do something, and remembers the connections they speak of.
struct Reader<'a> {
    hosts: &'a Hosts,
    talks: Vec<Talk>,
    /// The connection spoken of last.
    current: Option<usize>,
}

impl Reader<'_> {
    fn deed(&mut self, text: &str) -> Result<Deed, String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (word, count) = match word.split_once('*') {
            Some((word, count)) => (word, count.parse().map_err(|_| "a number belongs after *")?),
            None => (word, 1),
        };
        let many = count > 1;
        match word {
            "tcp" | "udp" | "local" => self.open(text),
            "wait" => match rest.parse() {
                Ok(seconds) => Ok(Deed::Wait { seconds }),
                Err(_) => Err("seconds belong here".to_owned()),
            },
            "pending" => Ok(Deed::Count),
            "try" => {
                let packets: Result<Vec<_>, String> =
                    (0..count).map(|n| self.typed(&counted(rest, n)?)).collect();
                Ok(Deed::Send { packets: packets?, tried: true, many })
            }
            _ if word.starts_with(['>', '<']) => {
                let at = self.current.ok_or("nobody talks yet")?;
                let talk = self.talks.get_mut(at).ok_or("nobody talks yet")?;
                let (word, piece) = match word.split_once('/') {
                    Some((word, piece)) => (word, Some(piece)),
                    None => (word, None),
                };
                let mut packets = Vec::new();
                for n in 0..count {
                    let payload = payload(&counted(rest, n)?)?;
                    let whole = talk.say(word, &payload)?;
                    match piece {
                        Some(piece) => packets.extend(fragments(&whole, piece)?),
                        None => packets.push(whole),
                    }
                    if many {
                        packets.extend(talk.acknowledge(word));
                    }
                }
                Ok(Deed::Send { packets, tried: false, many })
            }
            _ => Err(format!("`{word}` begins no line")),
        }
    }

    /// Opens a connection, or goes on with one that was opened before.
    fn open(&mut self, text: &str) -> Result<Deed, String> {
        let talk = Talk::new(&self.typed(text)?, self.hosts)?;
        let known = self.talks.iter().position(|open| open.is_same(&talk));
        let (at, packets) = match known {
            Some(at) => (at, Vec::new()),
            None => {
                self.talks.push(talk);
                let at = self.talks.len() - 1;
                (at, self.talks[at].handshake())
            }
        };
        self.current = Some(at);
        Ok(Deed::Send { packets, tried: false, many: false })
    }

    /// A packet in the words of `kinwall explain`, with names for addresses.
    fn typed(&self, text: &str) -> Result<(Ingress, Vec<u8>), String> {
        let (head, payload) = match text.split_once(" payload ") {
            Some((head, payload)) => (head, Some(payload)),
            None => (text, None),
        };
        let mut text = self.hosts.addressed(head);
        if let Some(payload) = payload {
            text += &format!(" payload {payload}");
        }
        let typed = Typed::parse(&text).map_err(|mistake| format!("{text}: {mistake}"))?;
        let ingress = match (typed.local, typed.input) {
            (true, _) => Ingress::Local,
            (false, Some(name)) => Ingress::Interface(name),
            (false, None) => self.hosts.ingress_of_packet(&typed.bytes)?,
        };
        Ok((ingress, typed.bytes))
    }
}

/// The fragments of a packet, each with `piece` bytes of what follows the IP header.
fn fragments(whole: &(Ingress, Vec<u8>), piece: &str) -> Result<Vec<(Ingress, Vec<u8>)>, String> {
    let (ingress, bytes) = whole;
    let unit = piece.parse().map_err(|_| "a number belongs after /")?;
    let pieces = emit::fragment(bytes, unit, FRAGMENTS_ID).map_err(|error| error.to_string())?;
    Ok(pieces.into_iter().map(|piece| (*ingress, piece)).collect())
}

/// The identification of fragmented packets.
const FRAGMENTS_ID: u32 = 7;

/// The bytes of a payload: text with escapes, or `hex: ` and numbers, `XX*N` for N of a kind.
fn payload(text: &str) -> Result<Vec<u8>, String> {
    let Some(digits) = text.strip_prefix("hex: ") else {
        let escapes = "an escape is \\r, \\n, \\t, \\0, \\\\ or \\xHH";
        return unescape(text).ok_or_else(|| escapes.to_owned());
    };
    let mut bytes = Vec::new();
    for word in digits.split_whitespace() {
        let (word, count) = word.split_once('*').unwrap_or((word, "1"));
        let count: usize = count.parse().map_err(|_| "a number belongs after *")?;
        let digits: Vec<char> = word.chars().collect();
        let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).ok();
        let part: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
        let part = part.filter(|_| digits.len().is_multiple_of(2));
        bytes.extend(part.ok_or("pairs of hexadecimal digits")?.repeat(count));
    }
    Ok(bytes)
}

/// The text with `{N}` replaced by the number `N + n`.
fn counted(text: &str, n: u32) -> Result<String, String> {
    let Some((before, rest)) = text.split_once('{') else { return Ok(text.to_owned()) };
    let (number, after) = rest.split_once('}').ok_or("`{` without `}`")?;
    let number: u32 = number.parse().map_err(|_| format!("`{{{number}}}` is no number"))?;
    Ok(format!("{before}{}{}", number + n, counted(after, n)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: &str = "10.1.0.2 client # inside\n192.0.2.9 server\nfd00:1::2 client6\n";
    const TOPOLOGY: &str = "[[interface]]\nname = \"eth0\"\naddresses = [\"192.0.2.1/24\"]\n\
        [[interface]]\nname = \"eth1\"\naddresses = [\"10.1.0.1/24\", \"fd00:1::1/64\"]\n";

    fn read(text: &str) -> Result<Attack, String> {
        Attack::read("it", text, &Hosts::read(HOSTS, TOPOLOGY)?)
    }

    #[test]
    fn a_text_becomes_packets_and_claims() {
        let attack = read(
            "# Something bad\n# that is told here.\ndanger nf_conntrack_ftp.loose 1\n\n\
             tcp client:40000 -> server:21\n> PORT 1,2\n| ,3\\r\\n\n  linux: expect x\n  note y\n\
             try in eth0 tcp server:20 -> client:22\n  strict dangerous: drop NEW\nwait 5\npending\n",
        )
        .unwrap();
        assert_eq!(attack.title, "Something bad");
        assert_eq!(attack.dangers, [("nf_conntrack_ftp.loose".to_owned(), "1".to_owned())]);
        let claims: Vec<usize> = attack.steps.iter().map(|step| step.claims.len()).collect();
        assert_eq!(claims, [0, 2, 1, 0, 0]);
        let packets: Vec<usize> = attack
            .steps
            .iter()
            .map(|step| match &step.deed {
                Deed::Send { packets, .. } => packets.len(),
                _ => 0,
            })
            .collect();
        assert_eq!(packets, [3, 1, 1, 0, 0]);
        let Deed::Send { packets, .. } = &attack.steps[1].deed else { panic!("a segment") };
        assert!(packets[0].1.ends_with(b"PORT 1,2,3\r\n"));
        assert_eq!(attack.steps[2].claims[0].runs, ["strict", "dangerous"]);
        assert!(matches!(attack.steps[3].deed, Deed::Wait { seconds: 5 }));
    }

    #[test]
    fn many_of_a_kind_count_up() {
        let attack = read("# Flood\nudp client:4 -> server:69\n>*3 a{7}b{255}\n").unwrap();
        let Deed::Send { packets, many: true, .. } = &attack.steps[1].deed else { panic!("many") };
        let ends: Vec<&[u8]> = packets.iter().map(|(_, bytes)| &bytes[28..]).collect();
        assert_eq!(ends, [b"a7b255", b"a8b256", b"a9b257"]);
    }

    #[test]
    fn mistakes_name_their_line() {
        let rows = [
            ("# x\nnonsense\n", "it:2: `nonsense` begins no line"),
            ("# x\n> early\n", "it:2: nobody talks yet"),
            ("# x\ntcp client:1 -> nobody:2\n", "is no address"),
            ("# x\nudp client:1 -> server:2\n> hex: 0\n", "it:3: pairs of"),
            ("# x\nudp client:1 -> server:2\n> \\q\n", "it:3: an escape"),
            ("# x\n", "something happens"),
            ("udp client:1 -> server:2\n", "has a title"),
        ];
        for (text, says) in rows {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
