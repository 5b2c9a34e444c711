//! PPTP of translated connections: clients behind one address, a server behind another, calls
//! with the same ids, and their data.

use super::line::{Compared, Line};
use super::nat::Pair;
use super::rewrite::{BOTH, End, MASQUERADE, PUBLISHED};
use kinwall_kernel::tier;
use kinwall_wire::emit::Gre;

const RAW: &[&str] = &["-A PREROUTING -p tcp --dport 1723 -j CT --helper pptp"];

/// Kinds of messages (RFC 2637, section 2), with their lengths.
const START_REQUEST: (u8, usize) = (1, 156);
const START_REPLY: (u8, usize) = (2, 156);
const ECHO_REQUEST: (u8, usize) = (5, 16);
const OUTGOING_REQUEST: (u8, usize) = (7, 168);
const OUTGOING_REPLY: (u8, usize) = (8, 32);
const INCOMING_REQUEST: (u8, usize) = (9, 220);
const INCOMING_REPLY: (u8, usize) = (10, 24);
const INCOMING_CONNECTED: (u8, usize) = (11, 28);
const CLEAR_REQUEST: (u8, usize) = (12, 16);
const DISCONNECT_NOTIFY: (u8, usize) = (13, 148);
const WAN_ERROR_NOTIFY: (u8, usize) = (14, 40);
const SET_LINK_INFO: (u8, usize) = (15, 24);

/// Who sends the first packet of a call: the client (0) or the server (1).
type First = usize;

fn message((kind, length): (u8, usize), body: &[u16]) -> Vec<u8> {
    let mut bytes = vec![0, length as u8, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, kind, 0, 0];
    bytes.extend(body.iter().flat_map(|number| number.to_be_bytes()));
    bytes.resize(length, 0);
    bytes
}

/// The id at this place of a message.
fn id(message: &[u8], index: usize) -> u16 {
    u16::from_be_bytes([message[12 + 2 * index], message[13 + 2 * index]])
}

/// A result code of yes.
const YES: u16 = 0x100;

/// A control connection, and the id that either end sends data to.
struct Control {
    line: Line,
    receivers: [u16; 2],
}

impl Control {
    fn open(both: &mut Pair<'_>, client: End) -> Control {
        let mut line = Line::tcp(both, client);
        line.say(both, 0, &message(START_REQUEST, &[0x100]));
        line.say(both, 1, &message(START_REPLY, &[0x100, YES]));
        Control { line, receivers: [0; 2] }
    }

    fn say(
        &mut self,
        both: &mut Pair<'_>,
        from: usize,
        kind: (u8, usize),
        body: &[u16],
    ) -> Vec<u8> {
        self.line.say(both, from, &message(kind, body)).expect("it passes")
    }

    /// The client asks for a call; each end believes the ids that arrive.
    fn call(&mut self, both: &mut Pair<'_>, pns: u16, pac: u16) {
        let asked = message(OUTGOING_REQUEST, &[pns]);
        self.line.repeat(both, 0, &asked);
        let asked = self.line.say(both, 0, &asked).expect("it passes");
        let answer = self.say(both, 1, OUTGOING_REPLY, &[pac, id(&asked, 0), YES]);
        self.receivers = [id(&answer, 0), id(&asked, 0)];
    }

    /// The server asks for one.
    fn called(&mut self, both: &mut Pair<'_>, pns: u16, pac: u16) {
        let asked = self.say(both, 1, INCOMING_REQUEST, &[pac]);
        let answer = self.say(both, 0, INCOMING_REPLY, &[pns, id(&asked, 0), YES]);
        self.say(both, 1, INCOMING_CONNECTED, &[id(&answer, 0)]);
        self.receivers = [id(&asked, 0), id(&answer, 0)];
    }

    fn data(&self, both: &mut Pair<'_>, first: First) {
        for (number, from) in [first, 1 - first, first].into_iter().enumerate() {
            let header = Gre::pptp(self.receivers[from], number as u32);
            self.line.beside(both, from, header);
        }
    }

    /// What has an id and announces nothing.
    fn aside(&mut self, both: &mut Pair<'_>) {
        let [pac, pns] = self.receivers;
        self.say(both, 0, SET_LINK_INFO, &[pac]);
        self.say(both, 1, SET_LINK_INFO, &[pns]);
        self.say(both, 1, WAN_ERROR_NOTIFY, &[pns]);
        self.say(both, 0, ECHO_REQUEST, &[7]);
        self.say(both, 1, ECHO_REQUEST, &[7]);
    }

    fn end(&mut self, both: &mut Pair<'_>, pns: u16) {
        self.say(both, 0, CLEAR_REQUEST, &[pns]);
        let [pac, _] = self.receivers;
        self.say(both, 1, DISCONNECT_NOTIFY, &[pac]);
    }
}

/// Two clients with the same ids: outgoing calls, then incoming ones.
fn two_clients(both: &mut Pair<'_>, clients: [End; 2], first: First) {
    let mut controls = clients.map(|client| Control::open(both, client));
    for (n, control) in controls.iter_mut().enumerate() {
        control.call(both, 3, 100 + n as u16);
    }
    controls.iter().for_each(|control| control.data(both, first));
    controls.iter_mut().for_each(|control| control.aside(both));
    controls.iter().for_each(|control| control.data(both, 1 - first));
    controls[0].end(both, 3);
    controls.iter().for_each(|control| control.data(both, first));
    // A second call of a control connection.
    controls[1].call(both, 4, 200);
    controls[1].data(both, first);
}

/// Incoming calls, and one of either kind after the other.
fn called(both: &mut Pair<'_>, clients: [End; 2], first: First) {
    let mut controls = clients.map(|client| Control::open(both, client));
    for (n, control) in controls.iter_mut().enumerate() {
        control.called(both, 3, 100 + n as u16);
        control.data(both, first);
        control.aside(both);
        control.end(both, 3);
        control.call(both, 5, 300 + n as u16);
        control.data(both, first);
        control.end(both, 5);
        control.called(both, 6, 400 + n as u16);
        control.data(both, first);
    }
}

#[test]
fn pptp_of_translated_connections() {
    if !tier::is_wanted() {
        return;
    }
    let inside = ["10.1.0.5", "10.1.0.6"].map(|own| ("eth1", own, "203.0.113.9"));
    let outside = ["203.0.113.9", "203.0.113.77"].map(|own| ("eth0", own, "192.0.2.2"));
    let twice = ["10.1.0.5", "10.7.3.4"].map(|own| ("eth1", own, "192.0.2.2"));
    let mut compared = Compared::default();
    for (nat, clients) in [(MASQUERADE, inside), (PUBLISHED, outside), (BOTH, twice)] {
        for first in [0, 1] {
            for (about, scene) in [
                ("two clients", two_clients as fn(&mut Pair<'_>, [End; 2], First)),
                ("called", called),
            ] {
                let clients =
                    clients.map(|(name, own, peer)| End::opener(name, (own, 4000), (peer, 1723)));
                let about = format!("{about}, {first} first");
                compared.play(&about, [RAW, nat], |both| scene(both, clients, first));
            }
        }
    }
    let Compared { wrong, compared, rewritten, .. } = compared;
    println!("{compared} packets were compared, {rewritten} rewritten, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 500, "only {compared} packets were compared");
    assert!(rewritten > 100, "only {rewritten} packets were rewritten");
}
