//! What each target does with a packet, by the text of its rule.

use kinwall_rules::eval::Decision;
use kinwall_rules::facts::{Facts, LazyCt, NoConnections, PacketState};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::memory::Memory;
use kinwall_rules::program::{Options, Program};
use kinwall_terms::ct::CtFacts;
use kinwall_terms::{
    CtState, Direction, Family, Hook, L4Proto, Reason, Status, Table, Time, Tuple,
};
use kinwall_topology::Topology;
use kinwall_wire::{Headers, LinkFacts};

const SRC: [u8; 4] = [192, 0, 2, 1];
const DST: [u8; 4] = [192, 0, 2, 2];

/// A SYN that announces a maximum segment size of 1460; TOS 0x03, TTL 64.
fn syn() -> Vec<u8> {
    let mut bytes = vec![0x45, 0x03, 0, 44, 0, 1, 0, 0, 64, 6, 0, 0];
    bytes.extend([SRC, DST].concat());
    bytes.extend([0x10, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x60, 0x02, 0, 0, 0, 0, 0, 0]);
    bytes.extend([2, 4, 5, 0xb4]);
    bytes
}

/// Walks the SYN, with mark 0xff00 and the connmark 0x12, through one rule.
fn walk(table: Table, hook: Hook, rule: &str) -> (Decision, PacketState) {
    walk_with(&syn(), table, hook, rule)
}

fn walk_with(bytes: &[u8], table: Table, hook: Hook, rule: &str) -> (Decision, PacketState) {
    let text = format!("*{table}\n-A {hook} {rule}\nCOMMIT\n");
    let source = Source { name: "rule", text: &text, family: Some(Family::Ipv4) };
    let loaded = load(&[source], &Defines::default()).expect(rule);
    let program = Program::compile(loaded.ruleset(Family::Ipv4).unwrap(), &Options::default());
    let headers = Headers::parse(bytes).unwrap();
    let (src, dst) = (headers.src, headers.dst);
    let original = Tuple { src, dst, sport: 4096, dport: 80, proto: L4Proto::TCP };
    let ct = CtFacts {
        direction: Direction::Original,
        status: Status::default(),
        original,
        reply: original,
        mark: 0x12,
        expires_s: 0,
        has_master: false,
        master_helper: None,
        counters: None,
        zone: [0; 2],
    };
    let ask = || ct;
    let ct = LazyCt::new(&ask);
    let facts = Facts {
        headers: &headers,
        bytes,
        link: &LinkFacts::default(),
        hook,
        in_iface: None,
        out_iface: None,
        local: false,
        ct_state: CtState::New,
        ct: Some(&ct),
        now: Time(0),
        topology: &Topology::default(),
        others: &NoConnections,
        owner: None,
    };
    let mut state = PacketState { mark: 0xff00, ..PacketState::new(&headers) };
    let mut memory = Memory::new(&[&program], 1);
    let walk = program.walk(table, &facts, &mut state, &mut memory, None);
    (walk.decision, state)
}

/// What a row looks at.
type Field = fn(&PacketState) -> u32;

#[test]
fn targets_change_the_packet_as_linux_does() {
    let rows: &[(&str, Field, u32)] = &[
        ("-j MARK --set-xmark 0x1/0xf00", |s| s.mark, 0xf001),
        ("-j MARK --and-mark 0xf00", |s| s.mark, 0xf00),
        ("-j CONNMARK --set-mark 5", |s| s.connmark.unwrap(), 5),
        ("-j CONNMARK --set-xmark 0x1/0xf", |s| s.connmark.unwrap(), 0x11),
        ("-j CONNMARK --set-xmark 0x1/0xf --left-shift-mark 4", |s| s.connmark.unwrap(), 0x110),
        ("-j CONNMARK --save-mark", |s| s.connmark.unwrap(), 0xff00),
        ("-j CONNMARK --save-mark --nfmask 0xf00 --ctmask 0x2", |s| s.connmark.unwrap(), 0xf10),
        ("-j CONNMARK --save-mark --right-shift-mark 8", |s| s.connmark.unwrap(), 0xff),
        ("-j CONNMARK --restore-mark", |s| s.mark, 0x12),
        ("-j CONNMARK --restore-mark --nfmask 0xf000 --ctmask 0x2", |s| s.mark, 0x0f02),
        ("-j DSCP --set-dscp 0x3f", |s| s.tos.into(), 0xff),
        ("-j DSCP --set-dscp-class EF", |s| s.tos.into(), 0xbb),
        ("-j TOS --set-tos 0x10", |s| s.tos.into(), 0x10),
        ("-j TOS --or-tos 0x10", |s| s.tos.into(), 0x13),
        ("-j TOS --xor-tos 0x01", |s| s.tos.into(), 0x02),
        ("-j ECN --ecn-ip-ect 1", |s| s.tos.into(), 0x01),
        ("-j TTL --ttl-set 5", |s| s.ttl.into(), 5),
        ("-j TTL --ttl-inc 200", |s| s.ttl.into(), 255),
        ("-j TTL --ttl-dec 65", |s| s.ttl.into(), 0),
        ("-j CLASSIFY --set-class 1:a", |s| s.class.unwrap(), 0x1_000a),
        ("-p tcp -j TCPMSS --set-mss 1400", |s| s.mss.unwrap().into(), 1400),
        ("-p tcp -j TCPMSS --set-mss 1461", |s| s.mss.is_none().into(), 1),
        ("-j TRACE", |s| s.traced.into(), 1),
        ("-j NFLOG", |s| s.logged.len() as u32, 1),
        ("-j AUDIT --type drop", |s| s.logged.len() as u32, 1),
    ];
    for (rule, field, expected) in rows {
        let (decision, state) = walk(Table::Mangle, Hook::Forward, rule);
        assert_eq!(decision, Decision::Accept, "{rule}");
        assert_eq!(field(&state), *expected, "{rule}");
    }
}

#[test]
fn targets_that_write_into_tcp_drop_a_header_that_is_cut_short() {
    let mut cut = syn();
    cut.truncate(39);
    cut[3] = 39;
    let rows = [
        ("-p tcp -j TCPMSS --set-mss 1400", false),
        ("-p tcp -j TCPMSS --clamp-mss-to-pmtu", false),
        ("-p tcp -j TCPOPTSTRIP --strip-options 4", false),
        ("-p tcp -j ECN --ecn-tcp-remove", false),
        ("-p tcp -j ECN --ecn-ip-ect 1", true),
    ];
    for (rule, passes) in rows {
        let (decision, _) = walk_with(&cut, Table::Mangle, Hook::Forward, rule);
        let expected = if passes { Decision::Accept } else { Decision::Drop(Reason::HotDrop) };
        assert_eq!(decision, expected, "{rule}");
        let (decision, _) = walk(Table::Mangle, Hook::Forward, rule);
        assert_eq!(decision, Decision::Accept, "{rule}, whole");
    }
}

#[test]
fn targets_that_end_the_walk() {
    let queue = |num, bypass| Decision::Queue { num, bypass };
    let rows = [
        (Table::Filter, Hook::Input, "-j NFQUEUE --queue-num 3 --queue-bypass", queue(3, true)),
        (Table::Filter, Hook::Input, "-j NFQUEUE --queue-balance 2:5", queue(2, false)),
        (Table::Filter, Hook::Input, "-p tcp -j SYNPROXY", Decision::Unknown),
        (Table::Mangle, Hook::Prerouting, "-p tcp -j TPROXY --on-port 1", Decision::Unknown),
        (Table::Nat, Hook::Postrouting, "-j MASQUERADE", Decision::Accept),
        (Table::Nat, Hook::Prerouting, "-j DNAT --to-destination 192.0.2.9", Decision::Accept),
    ];
    for (table, hook, rule, expected) in rows {
        assert_eq!(walk(table, hook, rule).0, expected, "{rule}");
    }
}
