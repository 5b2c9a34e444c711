//! SIP of translated connections: registrations and calls of two phones behind one address, of
//! phones behind another, and of both, over UDP and TCP. Each end believes what it sees; what is
//! announced is opened.

use super::line::{Compared, Line};
use super::nat::Pair;
use super::rewrite::{BOTH, End, MASQUERADE, PUBLISHED};
use super::sip_words::{Body, Words, host, opened, streams, without};
use kinwall_kernel::tier;
use kinwall_sim::Random;
use std::net::IpAddr;

const RAW: &[&str] = &[
    "-A PREROUTING -p udp --dport 5060 -j CT --helper sip",
    "-A PREROUTING -p tcp --dport 5060 -j CT --helper sip",
];

/// None, and those that open more.
const OPTIONS: [&str; 3] = [
    "",
    "[modules.nf_conntrack_sip]\nsip_direct_media = 0\nsip_direct_signalling = 0\n",
    "[modules.nf_conntrack_sip]\nsip_direct_media = 0\nsip_external_media = 1\n",
];

/// Seeds of each kind of translation, unless `KINWALL_CASES` says otherwise.
const CASES: u64 = 8;

/// A source that is known by another port.
const OTHER_PORT: &[&str] = &[
    "-A POSTROUTING -o eth0 -p udp -j SNAT --to-source 192.0.2.77:7000-7009",
    "-A POSTROUTING -o eth0 -p tcp -j SNAT --to-source 192.0.2.77:7000-7009",
];
/// A server that waits at another port than the one that is called.
const MOVED: &[&str] = &[
    "-A PREROUTING -i eth0 -d 192.0.2.2 -p udp --dport 5060 -j DNAT --to-destination 10.1.0.6:5070",
    "-A PREROUTING -i eth0 -d 192.0.2.2 -p tcp --dport 5060 -j DNAT --to-destination 10.1.0.6:5070",
];
const MASQUERADE6: &[&str] = &["-A POSTROUTING -s fd00:1::/64 -o eth0 -j MASQUERADE"];
const PUBLISHED6: &[&str] =
    &["-A PREROUTING -i eth0 -d 2001:db8::2 -j DNAT --to-destination fd00:1::6"];

/// Kinds of translation, and who calls whom.
const PLACES: [(&[&str], &str, [&str; 2], &str); 7] = [
    (MASQUERADE, "eth1", ["10.1.0.5", "10.1.0.6"], "203.0.113.9"),
    (PUBLISHED, "eth0", ["203.0.113.9", "203.0.113.77"], "192.0.2.2"),
    (BOTH, "eth1", ["10.1.0.5", "10.7.3.4"], "192.0.2.2"),
    (OTHER_PORT, "eth1", ["10.1.0.5", "10.1.0.6"], "203.0.113.9"),
    (MOVED, "eth0", ["203.0.113.9", "203.0.113.77"], "192.0.2.2"),
    (MASQUERADE6, "eth1", ["fd00:1::5", "fd00:1::6"], "2001:db8::9"),
    (PUBLISHED6, "eth0", ["2001:db8::9", "2001:db8:9::77"], "2001:db8::2"),
];

/// A phone's connection to its exchange, and what was said over it.
struct Phone {
    line: Line,
    is_tcp: bool,
    /// Ports at which children of this phone and of its exchange begin.
    sport: u16,
    cseq: u32,
}

impl Phone {
    fn new(both: &mut Pair<'_>, end: End, is_tcp: bool, sport: u16) -> Phone {
        let line = if is_tcp { Line::tcp(both, end) } else { Line::udp(end) };
        Phone { line, is_tcp, sport, cseq: 1 }
    }

    /// `from` as it knows itself, and the other one.
    fn words(&self, from: usize) -> Option<Words> {
        let end = self.line.ends[from].as_ref()?;
        Some(Words { own: end.own, peer: end.peer, is_tcp: self.is_tcp, cseq: self.cseq })
    }

    /// `from` says this, sometimes twice, or behind something else; what arrives.
    fn say(
        &mut self,
        both: &mut Pair<'_>,
        random: &mut Random,
        from: usize,
        text: &str,
    ) -> Option<String> {
        if random.percent(8) {
            self.line.repeat(both, from, text.as_bytes());
        }
        let mut text = text.to_owned();
        if self.is_tcp && random.percent(20) {
            let words = self.words(from)?;
            text = words.request(random, "OPTIONS", None) + &text;
        }
        let seen = self.line.say(both, from, text.as_bytes())?;
        Some(String::from_utf8_lossy(&seen).into_owned())
    }

    /// The other end than `from` sends to what has arrived there.
    fn open(&mut self, both: &mut Pair<'_>, random: &mut Random, from: usize, seen: &str) {
        for (address, port) in streams(seen).into_iter().take(3) {
            for port in [port & !1, port | 1] {
                self.sport += 1;
                let own = opened(seen).unwrap_or(self.sport);
                let sport = if random.percent(60) { self.sport } else { own | port & 1 };
                self.line.child(both, 1 - from, false, (sport, (address, port)));
            }
        }
    }

    /// A call that `from` makes.
    fn call(&mut self, both: &mut Pair<'_>, random: &mut Random, from: usize) -> Option<String> {
        self.cseq += 1;
        let words = self.words(from)?;
        let body = Some(Body::of(random, words.own.0));
        let asked = words.request(random, "INVITE", body);
        let offer = self.say(both, random, from, &asked)?;
        if random.percent(60) {
            self.open(both, random, from, &offer);
        }
        let called = self.words(1 - from)?;
        let code = random.pick(&["100 Trying", "183 Progress", "200 OK", "200 OK", "486 Busy"]);
        let body = (!code.starts_with('4')).then(|| Body::of(random, called.own.0));
        let answer = called.answer(random, code, &offer, body);
        let answered = self.say(both, random, 1 - from, &answer)?;
        self.open(both, random, 1 - from, &answered);
        let method = random.pick(&["ACK", "ACK", "UPDATE", "PRACK", "INFO"]);
        let body = random.percent(40).then(|| Body::of(random, words.own.0));
        let request = words.request(random, method, body);
        if let Some(seen) = self.say(both, random, from, &request) {
            self.open(both, random, from, &seen);
        }
        if random.percent(40) {
            let bye = called.request(random, "BYE", None);
            self.say(both, random, 1 - from, &bye);
        }
        Some(offer)
    }

    /// The phone registers; its exchange calls it.
    fn register(&mut self, both: &mut Pair<'_>, random: &mut Random) -> Option<()> {
        self.cseq += 1;
        let words = self.words(0)?;
        let asked = words.register(random);
        let seen = self.say(both, random, 0, &asked)?;
        let exchange = self.words(1)?;
        let code = random.pick(&["200 OK", "200 OK", "200 OK", "100 Trying", "403 Forbidden"]);
        let answer = exchange.registered(random, code, &seen);
        self.say(both, random, 1, &answer);
        let contact = host(&seen, "Contact")?;
        self.sport += 1;
        let sport = random.pick(&[5060, self.sport]);
        let line = self.line.child(both, 1, self.is_tcp, (sport, contact))?;
        line.ends[1].as_ref()?;
        let mut called = Phone { line, is_tcp: self.is_tcp, sport: self.sport + 50, cseq: 1 };
        called.call(both, random, 0);
        called.call(both, random, 1);
        Some(())
    }
}

/// What two phones and their exchange do.
fn scene(both: &mut Pair<'_>, ends: [End; 2], is_tcp: bool, random: &mut Random) {
    let mut phones = Vec::new();
    for (end, sport) in ends.into_iter().zip([20_000, 30_000]) {
        phones.push(Phone::new(both, end, is_tcp, sport));
    }
    for _ in 0..4 {
        let caller = random.below(2);
        match random.below(5) {
            0 | 1 => {
                phones[caller].register(both, random);
            }
            2 => {
                phones[caller].call(both, random, 1);
            }
            _ => {
                let offer = phones[caller].call(both, random, 0);
                // The exchange passes the offer on, as it stands.
                let other = &mut phones[1 - caller];
                if let (Some(offer), Some(words)) = (offer, other.words(1)) {
                    let passed = words.request(random, "INVITE", Body::passed(&offer));
                    if let Some(seen) = other.say(both, random, 1, &passed) {
                        other.open(both, random, 1, &seen);
                    }
                }
            }
        }
    }
    // What is no message, and one without an end.
    if let Some(words) = phones[0].words(0) {
        let text = words.request(random, "MESSAGE", None);
        let text =
            random.pick(&[without(&text, "CSeq"), without(&text, "Via"), "hello there".into()]);
        phones[0].say(both, random, 0, &text);
    }
}

#[test]
fn sip_of_translated_connections() {
    if !tier::is_wanted() {
        return;
    }
    let number = |name, default| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let first: u64 = number("KINWALL_SEED", 1);
    let mut wrong = Vec::new();
    let [mut packets, mut rewritten] = [0; 2];
    for options in OPTIONS {
        let mut compared = Compared::with(options);
        for (nat, interface, owns, peer) in PLACES {
            for seed in first..first + number("KINWALL_CASES", CASES) {
                let mut random = Random::new(seed);
                let is_tcp = seed % 3 == 0;
                let own_port = random.pick(&[5060, 5064, 40_000]);
                let ends = [(owns[0], own_port), (owns[1], own_port + 1)];
                let ends = ends.map(|own| End::opener(interface, own, (peer, 5060)));
                let about = format!("seed {seed} {options}");
                compared.play(&about, [RAW, nat], |both| scene(both, ends, is_tcp, &mut random));
            }
        }
        wrong.extend(compared.wrong);
        packets += compared.compared;
        rewritten += compared.rewritten;
    }
    println!("{packets} packets were compared, {rewritten} rewritten, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(packets > 2000, "only {packets} packets were compared");
    assert!(rewritten > 400, "only {rewritten} packets were rewritten");
}

/// An address that nobody of the conversation has.
pub(super) fn stranger(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::from([203, 0, 113, 50]),
        IpAddr::V6(_) => "2001:db8::50".parse().expect("an address"),
    }
}
