use super::*;
use crate::facts::NoConnections;
use kinwall_terms::{CtState, Hook};
use kinwall_topology::Topology;
use kinwall_wire::emit::{Packet, Tcp};
use kinwall_wire::{Headers, LinkFacts};

/// What a set says: `None` when it cannot be asked, `Some(None)` when the packet is not in it,
/// else whether the element is an exception.
type Found = Option<Option<bool>>;

/// Asks a set about a TCP packet from 10.1.2.3:1000 to 192.0.2.9:80, in by eth0, at second `now`.
fn ask(sets: &mut Sets, name: &str, sides: &[Side], now: u64) -> Found {
    let bytes = Packet::new([10, 1, 2, 3], [192, 0, 2, 9], Tcp::new(1000, 80)).build();
    let headers = Headers::parse(&bytes).unwrap();
    let link = LinkFacts { src_mac: Some([0, 1, 2, 3, 4, 5]), ..LinkFacts::default() };
    let facts = Facts {
        headers: &headers,
        bytes: &bytes,
        link: &link,
        hook: Hook::Forward,
        in_iface: InterfaceName::new("eth0"),
        out_iface: None,
        local: false,
        ct_state: CtState::New,
        ct: None,
        now: Time(now * 1_000_000_000),
        topology: &Topology::default(),
        others: &NoConnections,
        owner: None,
    };
    let query = Query::new(&facts, sides).mark(7);
    sets.find(name, &query).map(|found| found.map(|entry| entry.exception))
}

const SRC: Side = Side::Source;
const DST: Side = Side::Destination;
const IN: Found = Some(Some(false));
const OUT: Found = Some(None);

#[test]
fn sets_of_every_type_hold_what_their_elements_say() {
    let rows: &[(&str, &str, &[Side], Found)] = &[
        ("hash:ip", "10.1.2.3", &[SRC], IN),
        ("hash:ip", "10.1.2.3", &[DST], OUT),
        ("hash:ip", "10.1.2.0-10.1.2.9", &[SRC], IN),
        ("hash:ip", "10.1.2.0/30", &[SRC], IN),
        ("hash:ip netmask 24", "10.1.2.99", &[SRC], IN),
        ("hash:ip family inet6", "2001:db8::1", &[SRC], OUT),
        ("bitmap:ip range 10.1.0.0/16", "10.1.2.3", &[SRC], IN),
        ("hash:net", "10.1.0.0/16", &[SRC], IN),
        ("hash:net", "10.2.0.0/16", &[SRC], OUT),
        ("hash:net,net", "10.0.0.0/8,192.0.2.0/24", &[SRC, DST], IN),
        ("hash:net,net", "10.0.0.0/8,192.0.2.0/24", &[SRC], OUT),
        ("hash:ip,port", "10.1.2.3,tcp:80", &[SRC, DST], IN),
        ("hash:ip,port", "10.1.2.3,udp:80", &[SRC, DST], OUT),
        ("hash:ip,port", "10.1.2.3,http", &[SRC, DST], IN),
        ("hash:net,port", "10.0.0.0/8,tcp:70-90", &[SRC, DST], IN),
        ("bitmap:port range 0-65535", "80", &[DST], IN),
        ("hash:ip,port,ip", "10.1.2.3,80,192.0.2.9", &[SRC, DST, DST], IN),
        ("hash:ip,port,net", "10.1.2.3,80,192.0.2.0/24", &[SRC, DST, DST], IN),
        ("hash:net,port,net", "10.0.0.0/8,80,192.0.0.0/16", &[SRC, DST, DST], IN),
        ("hash:mac", "00:01:02:03:04:05", &[SRC], IN),
        ("hash:ip,mac", "10.1.2.3,00:01:02:03:04:06", &[SRC, SRC], OUT),
        ("hash:ip,mark", "10.1.2.3,0x7", &[SRC, SRC], IN),
        ("hash:ip,mark markmask 0xff", "10.1.2.3,0x107", &[SRC, SRC], IN),
        ("hash:net,iface", "10.0.0.0/8,eth0", &[SRC, SRC], IN),
        ("hash:net,iface", "10.0.0.0/8,eth1", &[SRC, SRC], OUT),
        ("hash:net,iface", "10.0.0.0/8,physdev:eth0", &[SRC, SRC], None),
    ];
    for (kind, element, sides, expected) in rows {
        let text = format!("create s {kind}\nadd s {element}\n");
        let mut sets = Sets::read(&[&text]).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        assert_eq!(ask(&mut sets, "s", sides, 1), *expected, "{text}");
    }
}

#[test]
fn the_most_specific_network_decides_and_timeouts_run_out() {
    let text = "create n hash:net family inet hashsize 1024 maxelem 65536\n\
                add n 10.0.0.0/8\nadd n 10.1.2.0/24 nomatch\n\
                create t hash:ip timeout 60\nadd t 10.1.2.3 timeout 5\n\
                create l list:set size 8\nadd l t\nadd l n\n";
    let mut sets = Sets::read(&[text]).unwrap();
    assert_eq!(ask(&mut sets, "n", &[SRC], 100), Some(Some(true)));
    assert_eq!(ask(&mut sets, "t", &[SRC], 104), IN);
    assert_eq!(ask(&mut sets, "l", &[SRC], 104), IN);
    assert_eq!(ask(&mut sets, "t", &[SRC], 105), OUT);
    assert_eq!(ask(&mut sets, "l", &[SRC], 105), Some(Some(true)));
    assert_eq!(ask(&mut sets, "nosuch", &[SRC], 105), None);
}

#[test]
fn mistakes_in_files_of_sets_are_named() {
    let rows = [
        ("make s hash:ip", "1:1"),
        ("create s hash:iq", "1:10"),
        ("create s hash:ip frob 3", "1:18"),
        ("add s 1.2.3.4", "1:5"),
        ("create s hash:ip\ncreate s hash:ip", "2:8"),
        ("create s hash:ip\nadd s 1.2.3.x", "2:7"),
        ("create s hash:ip\nadd s 1.2.3.400", "2:7"),
        ("create s hash:ip\nadd s 1.2.3.4,5", "2:7"),
        ("create s hash:ip maxelem 1\nadd s 1.2.3.4\nadd s 1.2.3.5", "3:5"),
        ("create s hash:ip,port\nadd s 1.2.3.4,frob:1", "2:7"),
        ("create s hash:ip\nadd s 1.2.3.4 timeout x", "2:23"),
        ("create s hash:ip\nadd s 0.0.0.0/0", "2:7"),
    ];
    for (text, place) in rows {
        let mistakes = match Sets::read(&[text]) {
            Ok(_) => panic!("{text}"),
            Err(mistakes) => mistakes,
        };
        let span = mistakes[0].span;
        assert_eq!(format!("{}:{}", span.line, span.column), place, "{text}: {mistakes:?}");
    }
}
