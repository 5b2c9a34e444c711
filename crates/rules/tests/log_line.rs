//! The lines of LOG.

use kinwall_rules::facts::{Facts, NoConnections, PacketState};
use kinwall_rules::load::{Defines, Source, load};
use kinwall_rules::log_line::LINES_MAX;
use kinwall_rules::memory::Memory;
use kinwall_rules::program::{Options, Program};
use kinwall_terms::{CtState, Family, Hook, InterfaceName, Table, Time};
use kinwall_topology::Topology;
use kinwall_wire::{Headers, LinkFacts};

const V4: &str = "c0000201 c0000202";

fn bytes(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// The lines after `packets` packets met a LOG rule with `options`.
fn lines(options: &str, packet: &str, packets: usize) -> (Vec<(u8, String)>, u64) {
    let bytes = bytes(packet);
    let headers = Headers::parse(&bytes).unwrap();
    let family = headers.family;
    let text = format!("*filter\n-A FORWARD -j LOG {options}\nCOMMIT\n");
    let source = Source { name: "rule", text: &text, family: Some(family) };
    let loaded = load(&[source], &Defines::default()).expect(options);
    let program = Program::compile(loaded.ruleset(family).unwrap(), &Options::default());
    let link = LinkFacts {
        src_mac: Some([2, 0, 0, 0, 0, 1]),
        dst_mac: Some([2, 0, 0, 0, 0, 2]),
        ethertype: if family == Family::Ipv4 { 0x0800 } else { 0x86dd },
        ..LinkFacts::default()
    };
    let facts = Facts {
        headers: &headers,
        bytes: &bytes,
        link: &link,
        hook: Hook::Forward,
        in_iface: InterfaceName::new("eth0"),
        out_iface: InterfaceName::new("eth1"),
        local: false,
        ct_state: CtState::New,
        ct: None,
        now: Time(0),
        topology: &Topology::default(),
        others: &NoConnections,
        owner: None,
    };
    let mut memory = Memory::new(&[&program], 1);
    memory.log.set(true);
    for _ in 0..packets {
        let mut state = PacketState { ttl: 63, ..PacketState::new(&headers) };
        program.walk(Table::Filter, &facts, &mut state, &mut memory, None);
    }
    let (lines, lost) = memory.log.take();
    (lines.into_iter().map(|line| (line.level, line.text)).collect(), lost)
}

#[test]
fn lines_are_those_of_the_kernel() {
    let syn = format!(
        "4503002c 00014000 40060000 {V4} 10000050 00000007 00000009 60020400 00000000 020405b4"
    );
    let udp = format!("45000020 00020000 40110000 {V4} 04d20035 000c0000 61626364");
    let later = format!("4500001c 00032001 40110000 {V4} 6162636465666768");
    let error = format!(
        "45000038 00040000 40010000 {V4} 03040000 000005dc \
         45000020 00050000 40110000 {V4} 04d20035 000c0000"
    );
    let short = format!(
        "45000038 00040000 40010000 {V4} 0b000000 00000000 \
         4500003c 00054000 01060000 {V4} 10000050 00000007"
    );
    let echo6 = "60012345 0008 3a 40 20010db8000000000000000000000001 \
                 20010db8000000000000000000000002 80000000 00070009";
    let other = format!("45000018 00060000 40590000 {V4} 61626364");
    let begin = "IN=eth0 OUT=eth1 MAC=02:00:00:00:00:02:02:00:00:00:00:01:08:00 \
                 SRC=192.0.2.1 DST=192.0.2.2 ";
    let rows: &[(&str, &str, u8, String)] = &[
        (
            "--log-prefix \"no: \" --log-level info",
            &syn,
            6,
            format!(
                "no: {begin}LEN=44 TOS=0x02 PREC=0x00 TTL=63 ID=1 DF PROTO=TCP SPT=4096 DPT=80 \
                 WINDOW=1024 RES=0x00 SYN URGP=0 "
            ),
        ),
        (
            "--log-tcp-sequence --log-tcp-options",
            &syn,
            4,
            format!(
                "{begin}LEN=44 TOS=0x02 PREC=0x00 TTL=63 ID=1 DF PROTO=TCP SPT=4096 DPT=80 SEQ=7 \
                 ACK=9 WINDOW=1024 RES=0x00 SYN URGP=0 OPT (020405B4) "
            ),
        ),
        (
            "",
            &udp,
            4,
            format!(
                "{begin}LEN=32 TOS=0x00 PREC=0x00 TTL=63 ID=2 PROTO=UDP SPT=1234 DPT=53 LEN=12 "
            ),
        ),
        (
            "",
            &later,
            4,
            format!("{begin}LEN=28 TOS=0x00 PREC=0x00 TTL=63 ID=3 MF FRAG:1 PROTO=UDP "),
        ),
        (
            "",
            &error,
            4,
            format!(
                "{begin}LEN=56 TOS=0x00 PREC=0x00 TTL=63 ID=4 PROTO=ICMP TYPE=3 CODE=4 \
                 [SRC=192.0.2.1 DST=192.0.2.2 LEN=32 TOS=0x00 PREC=0x00 TTL=64 ID=5 PROTO=UDP \
                 SPT=1234 DPT=53 LEN=12 ] MTU=1500 "
            ),
        ),
        (
            "",
            &short,
            4,
            format!(
                "{begin}LEN=56 TOS=0x00 PREC=0x00 TTL=63 ID=4 PROTO=ICMP TYPE=11 CODE=0 \
                 [SRC=192.0.2.1 DST=192.0.2.2 LEN=60 TOS=0x00 PREC=0x00 TTL=1 ID=5 DF PROTO=TCP \
                 INCOMPLETE [8 bytes] ] "
            ),
        ),
        (
            "--log-macdecode",
            echo6,
            4,
            "IN=eth0 OUT=eth1 MACSRC=02:00:00:00:00:01 MACDST=02:00:00:00:00:02 MACPROTO=86dd \
             SRC=2001:0db8:0000:0000:0000:0000:0000:0001 \
             DST=2001:0db8:0000:0000:0000:0000:0000:0002 LEN=48 TC=0 HOPLIMIT=63 FLOWLBL=74565 \
             PROTO=ICMPv6 TYPE=128 CODE=0 ID=7 SEQ=9 "
                .to_owned(),
        ),
        ("", &other, 4, format!("{begin}LEN=24 TOS=0x00 PREC=0x00 TTL=63 ID=6 PROTO=89 ")),
    ];
    for (options, packet, level, text) in rows {
        let expected = (vec![(*level, text.clone())], 0);
        assert_eq!(lines(options, packet, 1), expected, "{options} {packet}");
    }
}

#[test]
fn the_book_is_bounded() {
    let udp = format!("45000020 00020000 40110000 {V4} 04d20035 000c0000 61626364");
    let (kept, lost) = lines("", &udp, LINES_MAX + 5);
    assert_eq!((kept.len(), lost), (LINES_MAX, 5));
}
