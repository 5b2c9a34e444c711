//! H.323: endpoints that register and call, the old ways and the new.

use super::tcp::Conversation;
use super::{End, Ingress, Script, pair};
use crate::h323::calls::{self, Call, Kind};
use crate::h323::channels::{self, Ack, Data, Open};
use crate::h323::ras::{self, Ras};
use crate::random::Random;
use crate::world::World;
use kinwall_wire::emit::{Packet, Udp};
use std::net::SocketAddr;

/// A registration, a call, or both.
pub(super) fn session(random: &mut Random, world: &World, script: &mut Script) {
    if random.percent(35) {
        registration(random, world, script);
        return;
    }
    let (caller, called) = pair(random, world);
    let ports = [random.between(1024, 65535) as u16, 1720];
    let mut talk = CallTalk::new(random, world, [caller, called], ports);
    talk.run(random, world, script);
}

/// Where `end` listens: mostly rightly said.
fn listening(random: &mut Random, world: &World, end: End) -> SocketAddr {
    let address =
        if random.percent(7) { world.host(random, end.family()).address } else { end.address };
    let port = match random.below(25) {
        0 => 0,
        1 => random.between(1, 1023) as u16,
        _ => random.between(1024, 65535) as u16,
    };
    SocketAddr::new(address, port)
}

/// A call over its signalling connection.
struct CallTalk {
    talk: Conversation,
    reference: u16,
    fast: bool,
    tunnel: bool,
    /// Media addresses that were announced, and by whom.
    media: Vec<(usize, SocketAddr)>,
}

impl CallTalk {
    fn new(random: &mut Random, _: &World, ends: [End; 2], ports: [u16; 2]) -> CallTalk {
        let talk = Conversation::new(random, ends, ports);
        let reference = random.between(1, 0x7fff) as u16;
        let (fast, tunnel) = (random.percent(50), random.percent(35));
        CallTalk { talk, reference, fast, tunnel, media: Vec::new() }
    }

    fn run(&mut self, random: &mut Random, world: &World, script: &mut Script) {
        self.talk.handshake(script);
        let setup = self.message(random, world, Kind::Setup, 0);
        self.say(random, script, 0, &setup);
        let mut h245 = setup.h245.map(|at| (0, at));
        for kind in [Kind::CallProceeding, Kind::Progress, Kind::Alerting, Kind::Connect] {
            if random.percent(if kind == Kind::Progress { 20 } else { 75 }) {
                let answer = self.message(random, world, kind, 1);
                h245 = answer.h245.map(|at| (1, at)).or(h245);
                self.say(random, script, 1, &answer);
            }
        }
        if let Some((listener, at)) = h245.filter(|_| random.percent(80)) {
            self.negotiate(random, world, script, listener, at);
        }
        for _ in 0..random.below(3) {
            let from = random.below(2);
            let kind = random.pick(&[Kind::Facility, Kind::Empty, Kind::Information]);
            let facility = self.message(random, world, kind, from);
            self.say(random, script, from, &facility);
            if let Some(at) = facility.forwarded {
                self.forwarded_call(random, world, script, 1 - from, at);
            }
        }
        self.stream(random, world, script);
        if random.percent(70) {
            let from = random.below(2);
            let end = self.message(random, world, Kind::ReleaseComplete, from);
            self.say(random, script, from, &end);
            self.talk.close(script, from);
        }
    }

    /// A message as `from` says it at this point of the call.
    fn message(&mut self, random: &mut Random, world: &World, kind: Kind, from: usize) -> Call {
        let own = self.talk.ends[from];
        let mut call = Call {
            kind,
            reference: self.reference,
            from_called: from == 1,
            plain: random.percent(25),
            ..Call::default()
        };
        if !self.tunnel && random.percent(if from == 1 { 50 } else { 10 }) {
            call.h245 = Some(listening(random, world, own));
        }
        if self.fast && random.percent(if kind == Kind::Setup { 95 } else { 50 }) {
            for _ in 0..1 + random.below(5) {
                let open = self.open(random, world, from);
                call.fast_start.push(channels::fast_start(random, &open));
            }
        }
        if self.tunnel && random.percent(60) {
            for _ in 0..1 + random.below(5) {
                call.tunnelled.push(self.control(random, world, from));
            }
        }
        if kind == Kind::Setup && random.percent(50) {
            call.signalling = Some(SocketAddr::new(own.address, 1720));
        }
        if kind == Kind::Facility && random.percent(40) {
            call.forwarded = Some(elsewhere(random, world, own));
        }
        call
    }

    fn say(&mut self, random: &mut Random, script: &mut Script, from: usize, call: &Call) {
        let mut bytes = calls::frame(&calls::message(random, call));
        match random.below(20) {
            // The header in a segment of its own.
            0 => {
                let body = bytes.split_off(4);
                self.talk.say(script, from, &bytes);
                self.talk.say(script, from, &body);
                return;
            }
            1 => bytes.extend(calls::frame(&[])),
            2 => {
                let again = bytes.clone();
                bytes.extend(again);
            }
            _ => {}
        }
        self.talk.say_split(random, script, from, &bytes);
    }

    /// A channel that `from` opens: forward, or (in fast start) with the way back.
    fn open(&mut self, random: &mut Random, world: &World, from: usize) -> Open {
        let own = self.talk.ends[from];
        let mut at = |percent| {
            let at = listening(random, world, own);
            let said = random.percent(percent).then_some(at);
            self.media.extend(said.map(|at| (from, at)));
            said
        };
        let (media, control, back) = (at(50), at(80), (at(60), at(60)));
        let stack = at(15);
        let data = random.pick(&[
            Data::Audio,
            Data::Audio,
            Data::Audio,
            Data::Video,
            Data::T120,
            Data::OtherData,
            Data::Null,
        ]);
        Open {
            number: random.between(1, 300) as u16,
            data,
            media,
            control,
            reverse: random.percent(40).then_some(back),
            stack: stack.filter(|_| data == Data::T120 || random.percent(20)),
        }
    }

    /// A message of H.245.
    fn control(&mut self, random: &mut Random, world: &World, from: usize) -> Vec<u8> {
        let open = self.open(random, world, from);
        match random.below(10) {
            0..=3 => channels::open(random, &open),
            4..=6 => {
                let ack = Ack {
                    number: open.number,
                    forward: random.percent(85).then_some((open.media, open.control)),
                    reverse: open.reverse,
                    stack: open.stack,
                };
                channels::ack(random, &ack)
            }
            _ => channels::other_message(random),
        }
    }

    /// The H.245 connection, from the other end to where `listener` waits.
    fn negotiate(
        &mut self,
        random: &mut Random,
        world: &World,
        script: &mut Script,
        listener: usize,
        at: SocketAddr,
    ) {
        let (from, to) = (self.talk.ends[1 - listener], self.talk.ends[listener]);
        let ports = [random.between(1024, 65535) as u16, at.port()];
        let mut talk = Conversation::new(random, [from, to], ports);
        talk.handshake(script);
        for _ in 0..2 + random.below(6) {
            let who = random.below(2);
            // The connection's own ends are those of the call, in either order.
            let call_end = if who == 0 { 1 - listener } else { listener };
            let mut bytes = Vec::new();
            for _ in 0..1 + random.below(2) {
                bytes.extend(calls::frame(&self.control(random, world, call_end)));
            }
            talk.say_split(random, script, who, &bytes);
        }
        if random.percent(60) {
            talk.close(script, 0);
        }
    }

    /// `caller` calls the party that it was sent to.
    fn forwarded_call(
        &mut self,
        random: &mut Random,
        world: &World,
        script: &mut Script,
        caller: usize,
        at: SocketAddr,
    ) {
        let Some(host) = world.host_at(at.ip()) else { return };
        let from = self.talk.ends[caller];
        let ports = [random.between(1024, 65535) as u16, at.port()];
        let mut talk = Conversation::new(random, [from, End::host(host)], ports);
        talk.handshake(script);
        let setup = self.message(random, world, Kind::Setup, caller);
        talk.say(script, 0, &calls::frame(&calls::message(random, &setup)));
        talk.close(script, 1);
    }

    /// Media, and what controls them, to some of the announced addresses.
    fn stream(&mut self, random: &mut Random, world: &World, script: &mut Script) {
        for (listener, at) in self.media.clone() {
            if random.percent(50) {
                continue;
            }
            let mut from = self.talk.ends[1 - listener];
            if random.percent(10) {
                let other = world.host(random, from.family());
                from = End { address: other.address, ingress: Ingress::Interface(other.interface) };
            }
            let to = self.talk.ends[listener];
            let sport = random.between(1024, 65535) as u16;
            for port in [at.port() & !1, at.port() | 1] {
                datagram(script, from, to, [sport, port], b"\x80\0media");
                if random.percent(50) {
                    datagram(script, to, from, [port, sport], b"\x80\0media");
                }
            }
        }
    }
}

/// An address of a third party, mostly.
fn elsewhere(random: &mut Random, world: &World, own: End) -> SocketAddr {
    let address = world.host(random, own.family()).address;
    SocketAddr::new(address, random.pick(&[1720, 1720, 1721, 0]))
}

fn datagram(script: &mut Script, from: End, to: End, ports: [u16; 2], payload: &[u8]) {
    let header = Udp::new(ports[0], ports[1]);
    script.say(from, &Packet::new(from.address, to.address, header).payload(payload));
}

/// An endpoint and its gatekeeper, and calls that come of it.
fn registration(random: &mut Random, world: &World, script: &mut Script) {
    let (endpoint, gatekeeper) = pair(random, world);
    let ends = [endpoint, gatekeeper];
    let ports = [random.between(1024, 65535) as u16, 1719];
    let mut number = random.bits() as u16;
    let mut taken = Vec::new();
    for _ in 0..2 + random.below(6) {
        number = number.wrapping_add(1);
        let (request, answer) = exchange(random, world, ends, number);
        for (from, message) in [(0, request), (1, answer)] {
            let from = if random.percent(4) { 1 - from } else { from };
            let bytes = ras::message(random, &message);
            let ports = [ports[from], ports[1 - from]];
            datagram(script, ends[from], ends[1 - from], ports, &bytes);
            if matches!(
                message.kind,
                ras::Kind::RegistrationRequest
                    | ras::Kind::AdmissionConfirm
                    | ras::Kind::LocationConfirm
            ) {
                taken.extend(message.calls.first().map(|at| (from, *at)));
            }
        }
        if random.percent(60)
            && let Some((announcer, at)) = taken.last().copied()
            && let Some(host) = world.host_at(at.ip())
        {
            let caller = ends[1 - announcer];
            let ports = [random.between(1024, 65535) as u16, at.port()];
            let mut call = CallTalk::new(random, world, [caller, End::host(host)], ports);
            call.run(random, world, script);
        }
    }
}

/// A request of the endpoint, and the gatekeeper's answer.
fn exchange(random: &mut Random, world: &World, ends: [End; 2], number: u16) -> (Ras, Ras) {
    use ras::Kind::{
        AdmissionConfirm, AdmissionRequest, GatekeeperConfirm, GatekeeperRequest,
        InfoRequestResponse, LocationConfirm, LocationRequest, RegistrationConfirm,
        RegistrationReject, RegistrationRequest, UnregistrationConfirm, UnregistrationRequest,
    };
    let (request, answer) = random.pick(&[
        (GatekeeperRequest, GatekeeperConfirm),
        (RegistrationRequest, RegistrationConfirm),
        (RegistrationRequest, RegistrationConfirm),
        (RegistrationRequest, RegistrationReject),
        (AdmissionRequest, AdmissionConfirm),
        (AdmissionRequest, AdmissionConfirm),
        (LocationRequest, LocationConfirm),
        (UnregistrationRequest, UnregistrationConfirm),
        (InfoRequestResponse, InfoRequestResponse),
    ]);
    let mut message = |kind, end: usize| {
        let own = listening(random, world, ends[end]);
        let mut calls = vec![own];
        if random.percent(20) {
            calls.insert(0, elsewhere(random, world, ends[end]));
        }
        if kind == AdmissionConfirm || kind == LocationConfirm {
            let other = elsewhere(random, world, ends[end]);
            calls = vec![random.pick(&[own, other])];
        }
        if random.percent(4) {
            calls.clear();
        }
        let ras_port = random.pick(&[1719, 1719, 1720, 0]);
        let mut ras = vec![SocketAddr::new(ends[end].address, ras_port)];
        if random.percent(20) {
            ras = vec![elsewhere(random, world, ends[end])];
        }
        let ttl_s = random.percent(50).then(|| random.pick(&[60, 300, 3600, 70_000]));
        Ras { kind, number, calls, ras, ttl_s }
    };
    (message(request, 0), message(answer, 1))
}
