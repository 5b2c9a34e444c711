//! Connections that talk in turns, through the real kernel and through kinwall, where addresses
//! are translated.

use super::nat::Pair;
use super::ours::Ours;
use super::rewrite::{End, Talk};
use kinwall_kernel::{Case, Gateway, Ingress, Scenario};
use kinwall_sim::World;
use kinwall_topology::Topology;
use kinwall_wire::emit::{Packet, Transport};
use kinwall_wire::{Headers, TcpFlags};
use std::net::IpAddr;

/// A connection that rests while others talk.
pub(super) struct Line {
    is_tcp: bool,
    /// Client and server; the server once something has reached it.
    pub(super) ends: [Option<End>; 2],
}

impl Line {
    /// A TCP connection, opened.
    pub(super) fn tcp(both: &mut Pair<'_>, opener: End) -> Line {
        let mut line = Line { is_tcp: true, ends: [Some(opener), None] };
        line.with(both, |talk| talk.hello());
        line
    }

    /// Datagrams.
    pub(super) fn udp(opener: End) -> Line {
        Line { is_tcp: false, ends: [Some(opener), None] }
    }

    /// `from` says this; what of it arrives.
    pub(super) fn say(&mut self, both: &mut Pair<'_>, from: usize, text: &[u8]) -> Option<Vec<u8>> {
        let (_, seen) = self.with(both, |talk| talk.send(from, TcpFlags::ACK, Vec::new(), text))?;
        let headers = Headers::parse(&seen).expect("a packet");
        Some(headers.payload(&seen).to_vec())
    }

    /// `from` says this twice, as if the first had been lost.
    pub(super) fn repeat(&mut self, both: &mut Pair<'_>, from: usize, text: &[u8]) {
        let bytes = self.with(both, |talk| talk.send(from, TcpFlags::ACK, Vec::new(), text));
        if let Some((bytes, _)) = bytes {
            self.with(both, |talk| talk.bring(from, bytes));
        }
    }

    /// What was sent, and what arrived of it.
    fn with(
        &mut self,
        both: &mut Pair<'_>,
        act: impl FnOnce(&mut Talk<'_, '_>),
    ) -> Option<(Vec<u8>, Vec<u8>)> {
        let ends = std::mem::take(&mut self.ends);
        let mut talk = Talk { both, is_tcp: self.is_tcp, ends, last: None };
        act(&mut talk);
        self.ends = talk.ends;
        talk.last.map(|(_, sent, seen)| (sent, seen))
    }

    /// A packet beside the connection, between its ends; what arrives.
    pub(super) fn beside(
        &self,
        both: &mut Pair<'_>,
        from: usize,
        transport: impl Into<Transport>,
    ) -> Option<Vec<u8>> {
        let end = self.ends[from].as_ref()?;
        let packet = Packet::new(end.own.0, end.peer.0, transport).id(7).payload(*b"data");
        let (_, seen) = both.send("", Ingress::Interface(end.interface), &packet.build())?;
        Some(seen)
    }
}

impl Line {
    /// Somebody at `from` opens a connection to what was announced there, and is answered.
    pub(super) fn child(
        &self,
        both: &mut Pair<'_>,
        from: usize,
        is_tcp: bool,
        (sport, to): (u16, (IpAddr, u16)),
    ) -> Option<Line> {
        let opener = self.ends[from].as_ref()?.opening(sport, to);
        let mut line = match is_tcp {
            true => Line::tcp(both, opener),
            false => Line::udp(opener),
        };
        if !is_tcp {
            line.say(both, 0, b"asked");
            line.say(both, 1, b"answered");
        }
        Some(line)
    }
}

/// What packets there were, and which left differently.
#[derive(Default)]
pub(super) struct Compared {
    options: &'static str,
    gateway: Option<Gateway>,
    pub(super) wrong: Vec<String>,
    pub(super) compared: usize,
    pub(super) rewritten: usize,
}

impl Compared {
    /// With options of modules, as they stand in a topology.
    pub(super) fn with(options: &'static str) -> Compared {
        Compared { options, ..Compared::default() }
    }

    /// Plays a scene with these rules of nat; every packet of it is compared.
    pub(super) fn play(
        &mut self,
        about: &str,
        [raw, nat]: [&[&str]; 2],
        play: impl FnOnce(&mut Pair<'_>),
    ) {
        let world = World::new();
        let described = format!("{}{}", world.topology(), self.options);
        let topology = Topology::from_toml(&described, "world").expect("a topology");
        let is_v6 = nat.iter().any(|rule| rule.contains("::"));
        let rules = format!(
            "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{}\nCOMMIT\n\
             *nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
             :POSTROUTING ACCEPT [0:0]\n{}\nCOMMIT\n",
            raw.join("\n"),
            nat.join("\n")
        );
        let case = Case {
            name: "line".to_owned(),
            topology: described,
            // The addresses that they name say of which family they are.
            rules4: (!is_v6).then(|| rules.clone()),
            rules6: is_v6.then_some(rules),
            ..Case::default()
        };
        let (rules4, rules6) = (case.rules4.as_deref(), case.rules6.as_deref());
        let scenario = Scenario { rules4, rules6, ..Scenario::new(&topology) };
        match &mut self.gateway {
            Some(gateway) => gateway.reset(&scenario).unwrap_or_else(|error| panic!("{error}")),
            None => self.gateway = Some(Gateway::new(&scenario).unwrap_or_else(|e| panic!("{e}"))),
        }
        let kernel = self.gateway.as_mut().expect("a gateway");
        let mut both = Pair::new(kernel, Ours::new(&case).expect("rules"));
        play(&mut both);
        self.wrong.extend(both.wrong.into_iter().map(|what| format!("{about} {nat:?}: {what}")));
        self.compared += both.compared;
        self.rewritten += both.rewritten;
    }
}
