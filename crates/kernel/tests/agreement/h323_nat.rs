//! H.323 of translated connections: registrations and calls of two endpoints behind one address,
//! of a party behind another, and of both. Each end believes what it sees; what is announced is
//! opened.

use super::h323::OPTIONS;
use super::line::{Compared, Line};
use super::nat::Pair;
use super::rewrite::{BOTH, End, MASQUERADE, PUBLISHED};
use kinwall_kernel::tier;
use kinwall_sim::Random;
use kinwall_sim::h323::calls::{self, Call, Kind};
use kinwall_sim::h323::channels::{self, Ack, Data, Open};
use kinwall_sim::h323::ras::{self, Ras};
use std::net::{IpAddr, SocketAddr};

const RAW: &[&str] = &[
    "-A PREROUTING -p udp --dport 1719 -j CT --helper RAS",
    "-A PREROUTING -p tcp --dport 1720 -j CT --helper Q.931",
];

/// Seeds of each kind of translation, unless `KINWALL_CASES` says otherwise.
const CASES: u64 = 6;

/// Parties that are no end of the connection.
const OTHERS: [&str; 3] = ["10.1.0.5", "10.7.3.4", "203.0.113.77"];

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Somebody who listens at ports of its own: those of calls are nobody else's, as the kernel
/// chooses by chance where two want the same.
struct Party<'r> {
    random: &'r mut Random,
    /// Ports of calls that this one uses.
    ports: u16,
    next: u16,
}

impl Party<'_> {
    /// Where an end of `line` waits for TCP: mostly its own address, as it knows it.
    fn waits(&mut self, line: &Line, from: usize) -> SocketAddr {
        self.next = (self.next + 1) % 50;
        let ip = self.ip(line, from);
        SocketAddr::new(ip, self.ports + self.next)
    }

    /// Where it waits for media: ports that others use, too.
    fn listens(&mut self, line: &Line, from: usize) -> SocketAddr {
        let ip = self.ip(line, from);
        SocketAddr::new(ip, self.random.between(5000, 5011) as u16)
    }

    fn ip(&mut self, line: &Line, from: usize) -> IpAddr {
        match (self.random.below(14), &line.ends[from]) {
            (1.., Some(end)) => end.own.0,
            _ => address(self.random.pick(&OTHERS)),
        }
    }

    fn open(&mut self, line: &Line, from: usize) -> Open {
        let mut at = |percent| {
            let at = self.listens(line, from);
            self.random.percent(percent).then_some(at)
        };
        let (media, control, back) = (at(60), at(80), (at(60), at(60)));
        let data = self.random.pick(&[Data::Audio, Data::Audio, Data::Video, Data::T120]);
        Open {
            number: self.random.between(1, 300) as u16,
            data,
            media,
            control,
            reverse: self.random.percent(30).then_some(back),
            stack: (data == Data::T120).then(|| self.waits(line, from)),
        }
    }

    fn control(&mut self, line: &Line, from: usize) -> Vec<u8> {
        let open = self.open(line, from);
        if self.random.percent(50) {
            return channels::open(self.random, &open);
        }
        let ack = Ack {
            number: open.number,
            forward: Some((open.media, open.control)),
            reverse: open.reverse,
            stack: open.stack,
        };
        channels::ack(self.random, &ack)
    }

    fn message(&mut self, line: &Line, from: usize, kind: Kind) -> Call {
        let mut call = Call { kind, reference: 7, from_called: from == 1, ..Call::default() };
        call.h245 = self.random.percent(40).then(|| self.waits(line, from));
        for _ in 0..self.random.below(4) {
            let open = self.open(line, from);
            call.fast_start.push(channels::fast_start(self.random, &open));
        }
        for _ in 0..self.random.below(3) {
            call.tunnelled.push(self.control(line, from));
        }
        if kind == Kind::Setup {
            call.signalling = Some(SocketAddr::new(self.ip(line, from), 1720));
        }
        if kind == Kind::Facility && self.random.percent(60) {
            let port = self.waits(line, from).port();
            call.forwarded = Some(SocketAddr::new(address(self.random.pick(&OTHERS)), port));
        }
        call
    }
}

/// The ports that a message names beside an address.
fn named(message: &[u8], ip: IpAddr) -> Vec<u16> {
    let IpAddr::V4(ip) = ip else { return Vec::new() };
    let at = message.windows(6).filter(|bytes| bytes[..4] == ip.octets());
    let mut ports: Vec<u16> = at.map(|bytes| u16::from_be_bytes([bytes[4], bytes[5]])).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Opens what arrived at the other end than `from`; connections that carry messages of their own.
fn open_named(
    both: &mut Pair<'_>,
    line: &Line,
    from: usize,
    seen: Option<&[u8]>,
    sport: u16,
) -> Vec<Line> {
    let Some(end) = &line.ends[1 - from] else { return Vec::new() };
    let shown = end.peer.0;
    let mut streams = Vec::new();
    for port in seen.map_or(Vec::new(), |seen| named(seen, shown)) {
        if port >= 6000 {
            streams.extend(line.child(both, 1 - from, true, (sport, (shown, port))));
        } else if port >= 5000 {
            for port in [port & !1, port | 1] {
                line.child(both, 1 - from, false, (sport, (shown, port)));
            }
        }
    }
    streams
}

/// A call over a signalling connection that is there.
fn call(both: &mut Pair<'_>, line: &mut Line, party: &mut Party<'_>, sport: u16) {
    use Kind::{Alerting, CallProceeding, Connect, Facility, Progress, ReleaseComplete, Setup};
    let kinds =
        [Setup, CallProceeding, Progress, Alerting, Connect, Facility, Facility, ReleaseComplete];
    for (number, kind) in kinds.into_iter().enumerate() {
        let from = match kind {
            Setup => 0,
            Facility => party.random.below(2),
            _ => 1,
        };
        let message = party.message(line, from, kind);
        let mut bytes = calls::frame(&calls::message(party.random, &message));
        if party.random.percent(15) {
            let again = party.message(line, from, Alerting);
            bytes.extend(calls::frame(&calls::message(party.random, &again)));
        }
        if party.random.percent(10) {
            line.repeat(both, from, &bytes);
            continue;
        }
        let seen = line.say(both, from, &bytes);
        let sport = sport + number as u16;
        for mut stream in open_named(both, line, from, seen.as_deref(), sport) {
            for _ in 0..3 {
                let from = party.random.below(2);
                let bytes = calls::frame(&party.control(&stream, from));
                let seen = stream.say(both, from, &bytes);
                open_named(both, &stream, from, seen.as_deref(), sport + 100);
            }
        }
    }
}

/// Two callers, one call after the other.
fn calls(both: &mut Pair<'_>, ends: [End; 2], random: &mut Random) {
    for (n, end) in (0..).zip(ends) {
        let mut line = Line::tcp(both, end);
        let mut party = Party { random: &mut *random, ports: 6000 + 100 * n, next: 0 };
        call(both, &mut line, &mut party, 20_000 + 1000 * n);
    }
}

/// Two endpoints register with one gatekeeper, which calls them.
fn registrations(both: &mut Pair<'_>, ends: [End; 2], random: &mut Random) {
    for (n, end) in (0..).zip(ends) {
        let mut line = Line::udp(end.opening(end.own.1, (end.peer.0, 1719)));
        let mut party = Party { random: &mut *random, ports: 6000 + 100 * n, next: 0 };
        let endpoint = party.waits(&line, 0);
        for number in 0..10 {
            exchange(both, &mut line, &mut party, endpoint, number);
        }
    }
}

/// A request and its answer.
fn exchange(
    both: &mut Pair<'_>,
    line: &mut Line,
    party: &mut Party<'_>,
    endpoint: SocketAddr,
    number: u16,
) {
    use ras::Kind::{
        AdmissionConfirm, AdmissionRequest, GatekeeperConfirm, GatekeeperRequest,
        InfoRequestResponse, LocationConfirm, LocationRequest, RegistrationConfirm,
        RegistrationRequest, UnregistrationConfirm, UnregistrationRequest,
    };
    let exchanges = [
        (GatekeeperRequest, GatekeeperConfirm),
        (RegistrationRequest, RegistrationConfirm),
        (RegistrationRequest, RegistrationConfirm),
        (AdmissionRequest, AdmissionConfirm),
        (AdmissionRequest, AdmissionConfirm),
        (LocationRequest, LocationConfirm),
        (InfoRequestResponse, InfoRequestResponse),
        (UnregistrationRequest, UnregistrationConfirm),
    ];
    let (request, answer) = match number {
        0 => exchanges[1],
        _ => party.random.pick(&exchanges),
    };
    let mut calls = vec![endpoint];
    if party.random.percent(25) {
        calls.insert(0, SocketAddr::new(address("127.0.0.1"), endpoint.port()));
    }
    if party.random.percent(25) {
        calls.insert(0, party.waits(line, 0));
    }
    let own = |line: &Line, from: usize| line.ends[from].as_ref().map(|end| end.own);
    let ras: Vec<SocketAddr> = own(line, 0).map(SocketAddr::from).into_iter().collect();
    let ttl_s = party.random.percent(50).then_some(600);
    let asked = Ras { kind: request, number, calls, ras, ttl_s };
    let asked = ras::message(party.random, &asked);
    let Some(seen) = line.say(both, 0, &asked) else { return };
    let Some(gatekeeper) = line.ends[1].clone() else { return };
    // The gatekeeper's own, what it saw of the endpoint, and somebody else.
    let known = named(&seen, gatekeeper.peer.0).into_iter().filter(|port| *port >= 6000);
    let mut calls: Vec<SocketAddr> =
        known.map(|port| SocketAddr::new(gatekeeper.peer.0, port)).collect();
    calls.push(party.waits(line, 1));
    if party.random.percent(50) {
        calls.reverse();
    }
    let ras = party.random.pick(&[gatekeeper.own, (gatekeeper.own.0, 6300)]).into();
    let answer = Ras { kind: answer, number, calls, ras: vec![ras], ttl_s };
    let answer = ras::message(party.random, &answer);
    let answered = line.say(both, 1, &answer);
    let sport = 15_000 + 10 * number + party.ports;
    let mut streams = Vec::new();
    if request == RegistrationRequest {
        streams = open_named(both, line, 0, Some(&seen), sport);
    } else if party.random.percent(50) {
        streams = open_named(both, line, 1, answered.as_deref(), sport);
    }
    for (mut stream, sport) in streams.into_iter().zip(sport + 1..) {
        let setup = party.message(&stream, 0, Kind::Setup);
        let bytes = calls::frame(&calls::message(party.random, &setup));
        let seen = stream.say(both, 0, &bytes);
        open_named(both, &stream, 0, seen.as_deref(), sport);
    }
}

#[test]
fn h323_of_translated_connections() {
    if !tier::is_wanted() {
        return;
    }
    let number = |name, default| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let first: u64 = number("KINWALL_SEED", 1);
    let inside = ["10.1.0.5", "10.1.0.6"].map(|own| ("eth1", own, "203.0.113.9"));
    let outside = ["203.0.113.9", "203.0.113.77"].map(|own| ("eth0", own, "192.0.2.2"));
    let twice = ["10.1.0.5", "10.7.3.4"].map(|own| ("eth1", own, "192.0.2.2"));
    let mut wrong = Vec::new();
    let [mut packets, mut rewritten] = [0; 2];
    for options in ["", OPTIONS] {
        let mut compared = Compared::with(options);
        for (nat, ends) in [(MASQUERADE, inside), (PUBLISHED, outside), (BOTH, twice)] {
            for seed in first..first + number("KINWALL_CASES", CASES) {
                let mut random = Random::new(seed);
                let ends =
                    ends.map(|(name, own, peer)| End::opener(name, (own, 4000), (peer, 1720)));
                let scene = if seed % 2 == 0 { registrations } else { calls };
                let about = format!("seed {seed}{options}");
                compared.play(&about, [RAW, nat], |both| scene(both, ends, &mut random));
            }
        }
        wrong.extend(compared.wrong);
        packets += compared.compared;
        rewritten += compared.rewritten;
    }
    println!("{packets} packets were compared, {rewritten} rewritten, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(packets > 2000, "only {packets} packets were compared");
    assert!(rewritten > 300, "only {rewritten} packets were rewritten");
}
