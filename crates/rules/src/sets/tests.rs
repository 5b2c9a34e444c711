use super::*;
use crate::facts::{Facts, NoConnections};
use crate::targets::set::Side;
use kinwall_terms::{CtState, Hook, InterfaceName};
use kinwall_topology::Topology;
use kinwall_wire::emit::{Icmp, Packet, Tcp, Transport};
use kinwall_wire::{Headers, LinkFacts};

const SRC: Side = Side::Source;
const DST: Side = Side::Destination;

/// Gives `with` what a packet from 10.1.2.3 to 192.0.2.9, in by eth0, offers at second `now`, with
/// mark 0x107.
fn offer<T>(
    transport: impl Into<Transport>,
    sides: &[Side],
    now: u64,
    with: impl FnOnce(&Query<'_>) -> T,
) -> T {
    let bytes = Packet::new([10, 1, 2, 3], [192, 0, 2, 9], transport).build();
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
    with(&Query::new(&facts, sides, 0x107))
}

fn http() -> Tcp {
    Tcp::new(1000, 80)
}

/// Whether the packet, TCP from port 1000 to 80, is in the set; `None` when that is not known.
fn ask(sets: &mut Sets, name: &str, sides: &[Side], now: u64) -> Option<bool> {
    let at = sets.index(name)?;
    let found = offer(http(), sides, now, |query| sets.test(at, query, &Ask::default()));
    found.map(|found| found.is_some())
}

fn read(text: &str) -> Sets {
    Sets::read(&[text]).unwrap_or_else(|mistakes| panic!("{text}: {mistakes:?}"))
}

const IN: Option<bool> = Some(true);
const OUT: Option<bool> = Some(false);

/// The type of a set, its element, the sides a rule names, and what is said of the packet.
type Row<'a> = (&'a str, &'a str, &'a [Side], Option<bool>);

#[test]
fn sets_of_every_type_hold_what_their_elements_say() {
    let rows: &[Row<'_>] = &[
        ("hash:ip", "10.1.2.3", &[SRC], IN),
        ("hash:ip", "10.1.2.3", &[DST], OUT),
        ("hash:ip", "10.1.2.0-10.1.2.9", &[SRC], IN),
        ("hash:ip", "10.1.2.0/30", &[SRC], IN),
        ("hash:ip", "10.1.2.4/30", &[SRC], OUT),
        ("hash:ip netmask 24", "10.1.2.99", &[SRC], IN),
        ("hash:ip netmask 24", "10.1.0.0/16", &[SRC], IN),
        ("hash:ip bitmask 255.0.0.255", "10.9.9.3", &[SRC], IN),
        ("hash:ip family inet6", "2001:db8::1", &[SRC], OUT),
        ("hash:ip", "10.1.2.3", &[SRC, DST, DST], IN),
        ("bitmap:ip range 10.1.0.0/16", "10.1.2.3", &[SRC], IN),
        ("bitmap:ip range 10.1.0.0/16", "10.1.2.3", &[DST], OUT),
        ("bitmap:ip range 10.0.0.0/8 netmask 24", "10.1.2.0", &[SRC], IN),
        ("hash:net", "10.1.0.0/16", &[SRC], IN),
        ("hash:net", "10.2.0.0/16", &[SRC], OUT),
        ("hash:net", "10.1.2.1-10.1.2.6", &[SRC], IN),
        ("hash:net", "10.1.2.4-10.1.2.9", &[SRC], OUT),
        ("hash:net,net", "10.0.0.0/8,192.0.2.0/24", &[SRC, DST], IN),
        ("hash:net,net", "10.0.0.0/8,192.0.3.0/24", &[SRC, DST], OUT),
        ("hash:net,net", "10.0.0.0/8,192.0.2.0/24", &[SRC], OUT),
        ("hash:ip,port", "10.1.2.3,tcp:80", &[SRC, DST], IN),
        ("hash:ip,port", "10.1.2.3,tcp:80", &[SRC, SRC], OUT),
        ("hash:ip,port", "10.1.2.3,udp:80", &[SRC, DST], OUT),
        ("hash:ip,port", "10.1.2.3,http", &[SRC, DST], IN),
        ("hash:ip,port", "10.1.2.3,gre:0", &[SRC, DST], OUT),
        ("hash:net,port", "10.0.0.0/8,tcp:70-90", &[SRC, DST], IN),
        ("bitmap:port range 0-65535", "80", &[DST], IN),
        ("bitmap:port range 0-65535", "80", &[SRC], OUT),
        ("hash:ip,port,ip", "10.1.2.3,80,192.0.2.9", &[SRC, DST, DST], IN),
        ("hash:ip,port,net", "10.1.2.3,80,192.0.2.0/24", &[SRC, DST, DST], IN),
        ("hash:net,port,net", "10.0.0.0/8,80,192.0.0.0/16", &[SRC, DST, DST], IN),
        ("hash:mac", "00:01:02:03:04:05", &[SRC], IN),
        ("hash:mac", "00:01:02:03:04:05", &[DST], None),
        ("hash:ip,mac", "10.1.2.3,00:01:02:03:04:05", &[SRC, SRC], IN),
        ("hash:ip,mac", "10.1.2.3,00:01:02:03:04:06", &[SRC, SRC], OUT),
        ("bitmap:ip,mac range 10.1.0.0/16", "10.1.2.3,00:01:02:03:04:05", &[SRC, SRC], IN),
        ("bitmap:ip,mac range 10.1.0.0/16", "10.1.2.3,00:01:02:03:04:06", &[SRC, SRC], OUT),
        ("bitmap:ip,mac range 10.1.0.0/16", "10.1.2.3", &[SRC, SRC], IN),
        ("hash:ip,mark", "10.1.2.3,0x107", &[SRC, SRC], IN),
        ("hash:ip,mark", "10.1.2.3,7", &[SRC, SRC], OUT),
        ("hash:ip,mark markmask 0xff", "10.1.2.3,0x207", &[SRC, SRC], IN),
        ("hash:net,iface", "10.0.0.0/8,eth0", &[SRC, SRC], IN),
        ("hash:net,iface", "10.0.0.0/8,eth1", &[SRC, SRC], OUT),
        ("hash:net,iface", "10.0.0.0/8,eth0", &[SRC, DST], OUT),
        ("hash:net,iface", "10.0.0.0/8,eth wildcard", &[SRC, SRC], IN),
        ("hash:net,iface", "0.0.0.0/0,eth0", &[SRC, SRC], IN),
        ("hash:net,iface", "10.0.0.0/8,physdev:eth0", &[SRC, SRC], OUT),
    ];
    for (kind, element, sides, expected) in rows {
        let text = format!("create s {kind}\nadd s {element}\n");
        assert_eq!(ask(&mut read(&text), "s", sides, 1), *expected, "{text}{sides:?}");
    }
}

#[test]
fn messages_of_icmp_stand_where_ports_stand() {
    let mut sets = read(
        "create s hash:ip,port\nadd s 10.1.2.3,icmp:8/0\nadd s 192.0.2.9,icmp:port-unreachable\n",
    );
    let mut is_in = |icmp: Icmp, side| {
        let ask = Ask::default();
        offer(icmp, &[side, DST], 1, |query| sets.test(0, query, &ask)).unwrap().is_some()
    };
    assert!(is_in(Icmp::query(8, 1, 1), SRC));
    assert!(!is_in(Icmp::query(0, 1, 1), SRC));
    assert!(is_in(Icmp::new(3, 3), DST));
    assert!(!is_in(Icmp::new(3, 4), DST));
}

#[test]
fn the_most_specific_network_decides() {
    let mut sets = read(
        "create n hash:net family inet hashsize 1024 maxelem 65536\n\
         add n 10.0.0.0/8\nadd n 10.1.2.0/24 nomatch\n\
         create i hash:net,iface\n\
         add i 10.0.0.0/8,eth0\nadd i 10.1.0.0/16,eth1\n",
    );
    assert_eq!(ask(&mut sets, "n", &[SRC], 100), OUT);
    let ask_exceptions = Ask { exceptions: true, ..Ask::default() };
    let found = offer(http(), &[SRC], 100, |query| sets.test(0, query, &ask_exceptions));
    assert!(found.unwrap().is_some());
    // A network with other interfaces hides the wider one.
    assert_eq!(ask(&mut sets, "i", &[SRC, SRC], 100), OUT);
}

#[test]
fn timeouts_run_out() {
    let mut sets = read(
        "create t hash:ip timeout 60\nadd t 10.1.2.3 timeout 5\nadd t 192.0.2.9\n\
         add t 192.0.2.8 timeout 0\ncreate l list:set size 8 timeout 0\nadd l t timeout 30\n",
    );
    assert_eq!(ask(&mut sets, "t", &[SRC], 100), IN);
    assert_eq!(ask(&mut sets, "l", &[SRC], 104), IN);
    assert_eq!(ask(&mut sets, "t", &[SRC], 105), OUT);
    assert_eq!(ask(&mut sets, "l", &[DST], 129), IN);
    assert_eq!(ask(&mut sets, "l", &[DST], 130), OUT);
    assert_eq!(ask(&mut sets, "t", &[DST], 159), IN);
    assert_eq!(ask(&mut sets, "t", &[DST], 160), OUT);
    assert_eq!(ask(&mut sets, "nosuch", &[SRC], 105), None);
}

#[test]
fn a_list_of_sets_is_asked_in_its_order() {
    let mut sets = read(
        "create a hash:ip skbinfo\nadd a 10.1.2.3 skbmark 0x1/0xff\n\
         create b hash:net skbinfo\nadd b 10.0.0.0/8 skbmark 0x2\n\
         create l list:set skbinfo\nadd l a skbmark 1\nadd l b before a skbmark 2 skbprio 1:a\n",
    );
    let found =
        offer(http(), &[SRC], 1, |query| sets.test(2, query, &Ask::default()).unwrap().unwrap());
    assert_eq!((found.mark, found.mark_mask, found.class), (2, u32::MAX, 0x1000a));
    let found =
        offer(http(), &[SRC], 1, |query| sets.test(0, query, &Ask::default()).unwrap().unwrap());
    assert_eq!((found.mark, found.mark_mask), (1, 0xff));
}

#[test]
fn counters_count_and_are_compared() {
    let mut sets = read(
        "create c hash:ip counters\nadd c 10.1.2.3 packets 4 bytes 400\n\
         create n hash:ip\nadd n 10.1.2.3\n",
    );
    let above = |most: u64| move |counts: Counts| counts.packets > most;
    let mut is_in = |at: u32, keep: bool, holds: &dyn Fn(Counts) -> bool| {
        let ask = Ask { keep_counters: keep, counters: Some(holds), ..Ask::default() };
        offer(http(), &[SRC], 1, |query| sets.test(at, query, &ask)).unwrap().is_some()
    };
    // The packet counts before it is compared.
    assert!(is_in(0, false, &above(4)));
    assert!(!is_in(0, true, &above(5)));
    assert!(is_in(0, true, &|counts| counts == Counts { packets: 5, bytes: 440 }));
    // A set without counters is not asked for them.
    assert!(is_in(1, false, &above(99)));
}

#[test]
fn packets_add_and_remove_elements() {
    let mut sets = read(
        "create a hash:ip timeout 10 maxelem 2\n\
         create n hash:net\nadd n 172.16.0.0/12\n\
         create p bitmap:port range 80-90\n\
         create i hash:net,iface\n\
         create l list:set\nadd l p\nadd l a\n",
    );
    let add = |sets: &mut Sets, name: &str, sides: &[Side], now, timeout_s, again| {
        let at = sets.index(name).unwrap();
        offer(http(), sides, now, |query| sets.add(at, query, timeout_s, again));
    };
    add(&mut sets, "a", &[SRC], 100, None, false);
    assert_eq!(ask(&mut sets, "a", &[SRC], 109), IN);
    assert_eq!(ask(&mut sets, "a", &[SRC], 110), OUT);
    add(&mut sets, "a", &[SRC], 110, Some(20), false);
    add(&mut sets, "a", &[SRC], 120, Some(90), false);
    assert_eq!(ask(&mut sets, "a", &[SRC], 130), OUT);
    add(&mut sets, "a", &[SRC], 130, Some(20), false);
    add(&mut sets, "a", &[SRC], 140, Some(90), true);
    assert_eq!(ask(&mut sets, "a", &[SRC], 229), IN);
    // The prefix is as long as the longest of the set.
    add(&mut sets, "n", &[SRC], 140, None, false);
    assert_eq!(ask(&mut sets, "n", &[SRC], 140), IN);
    assert_eq!(sets.sets[1].elements.keys().map(|key| key.lengths[0]).max(), Some(12));
    // A port outside of a bitmap's range is not added.
    add(&mut sets, "p", &[SRC], 140, None, false);
    assert_eq!(ask(&mut sets, "p", &[SRC], 140), OUT);
    add(&mut sets, "i", &[SRC, SRC], 140, None, false);
    assert_eq!(ask(&mut sets, "i", &[SRC, SRC], 140), IN);
    // Of a list the first set that takes the element.
    add(&mut sets, "l", &[DST], 140, None, false);
    assert_eq!(ask(&mut sets, "p", &[DST], 140), IN);
    assert_eq!(ask(&mut sets, "a", &[DST], 140), OUT);
    let at = sets.index("l").unwrap();
    offer(http(), &[DST], 140, |query| sets.remove(at, query));
    assert_eq!(ask(&mut sets, "p", &[DST], 140), OUT);
}

#[test]
fn a_set_holds_no_more_than_its_maximum() {
    let mut sets =
        read("create a hash:ip,port maxelem 3\ncreate f hash:ip,port maxelem 3 forceadd\n");
    for name in ["a", "f"] {
        let at = sets.index(name).unwrap();
        for port in 1..=9 {
            offer(Tcp::new(port, 80), &[SRC, SRC], 1, |query| sets.add(at, query, None, false));
        }
    }
    let sizes: Vec<usize> = sets.sets.iter().map(|set| set.elements.len()).collect();
    assert_eq!(sizes, [3, 3]);
    let mut last = |at: u32| {
        offer(Tcp::new(9, 80), &[SRC, SRC], 1, |query| sets.test(at, query, &Ask::default()))
    };
    assert!(last(0).unwrap().is_none());
    assert!(last(1).unwrap().is_some());
}

#[test]
fn mistakes_in_files_of_sets_are_named_with_what_would_be_right() {
    let rows = [
        ("make s hash:ip", "1:1", "create NAME TYPE"),
        ("create s hash:iq", "1:10", "one of bitmap:ip"),
        ("create s hash:ip frob 3", "1:18", "it has family, hashsize"),
        ("create s hash:ip size 3", "1:18", "it has family"),
        ("create s hash:ip family inet5", "1:25", "inet or inet6"),
        ("create s bitmap:ip range 10.0.0.0/24 family inet6", "1:38", "type hash"),
        ("create s bitmap:ip", "1:8", "range 10.0.0.0/16"),
        ("create s bitmap:ip range 10.0.0.0/8", "1:8", "type hash holds more"),
        ("create s bitmap:port range 9-5", "1:28", "such as 0-1023"),
        ("create s hash:ip netmask 33", "1:26", "from 1 to 32"),
        ("create s hash:ip timeout", "1:18", "add it behind"),
        ("add s 1.2.3.4", "1:5", "a line create s TYPE"),
        ("create set hash:ip\nadd sat 1.2.3.4", "2:5", "did you mean set?"),
        ("create s hash:ip\ncreate s hash:ip", "2:8", "another name"),
        ("create s hash:ip\nadd s 1.2.3.x", "2:7", "host names are not"),
        ("create s hash:ip\nadd s 1.2.3", "2:7", "in numbers"),
        ("create s hash:ip\nadd s ::1", "2:7", "created for ipv4"),
        ("create s hash:ip\nadd s 1.2.3.9-1.2.3.4", "2:7", "write 1.2.3.4-1.2.3.9"),
        ("create s hash:ip\nadd s 1.2.3.4,5", "2:7", "an element of hash:ip has 1 part"),
        ("create s hash:ip\nadd s 10.0.0.0/8", "2:7", "split it"),
        ("create s hash:ip\nadd s 0.0.0.0", "2:7", "leave it out"),
        ("create s hash:ip family inet6\nadd s fe80::/64", "2:7", "each by itself"),
        ("create s hash:ip maxelem 1\nadd s 1.2.3.4\nadd s 1.2.3.5", "3:5", "larger maxelem"),
        ("create s hash:ip\nadd s 1.2.3.4\nadd s 1.2.3.4", "3:7", "remove the line"),
        ("create s hash:net\nadd s 1.2.3.4/33", "2:7", "from 0 to 32"),
        ("create s hash:net\nadd s 0.0.0.0/0", "2:7", "0.0.0.0/1 and 128.0.0.0/1"),
        ("create s hash:ip,port\nadd s 1.2.3.4,frob:1", "2:15", "tcp:80"),
        ("create s hash:ip,port\nadd s 1.2.3.4,gre:5", "2:15", "write gre:0"),
        ("create s hash:ip,port\nadd s 1.2.3.4,icmp:3", "2:15", "TYPE/CODE"),
        ("create s hash:ip,port\nadd s 1.2.3.4,tcp:9-5", "2:15", "write 5-9"),
        ("create s hash:ip,port,ip\nadd s 1.2.3.4,80,1.2.3.0/24", "2:18", "each by itself"),
        ("create s hash:mac\nadd s 00:11:22:33:44", "2:7", "six hexadecimal"),
        ("create s hash:ip,mark\nadd s 1.2.3.4,x", "2:15", "such as 0x10"),
        ("create s hash:net,iface\nadd s 1.2.3.4,a/b", "2:15", "1 to 15 characters"),
        ("create s bitmap:port range 0-80\nadd s 81", "2:7", "its range is 0 to 80"),
        ("create s bitmap:ip range 10.0.0.0/24\nadd s 10.0.1.0", "2:7", "10.0.0.0 to 10.0.0.255"),
        ("create s hash:ip\nadd s 1.2.3.4 timeout 5", "2:15", "add timeout 0"),
        ("create s hash:ip\nadd s 1.2.3.4 comment x", "2:15", "add comment"),
        ("create s hash:ip\nadd s 1.2.3.4 packets 1", "2:15", "add counters"),
        ("create s hash:ip\nadd s 1.2.3.4 skbmark 1", "2:15", "add skbinfo"),
        ("create s hash:ip\nadd s 1.2.3.4 nomatch", "2:15", "timeout, packets"),
        ("create s hash:ip skbinfo\nadd s 1.2.3.4 skbprio 5", "2:23", "MAJOR:MINOR"),
        ("create s hash:ip timeout 0\nadd s 1.2.3.4 timeout x", "2:23", "from 0 to"),
        ("create things list:set\nadd things t", "2:12", "create t TYPE"),
        ("create s list:set\ncreate t list:set\nadd s t", "3:7", "one by one"),
        ("create s list:set\ncreate t hash:ip\nadd s t before t", "3:16", "add that set first"),
        ("create s hash:ip\nadd s \"1.2.3.4", "2:7", "closing"),
    ];
    for (text, place, help) in rows {
        let mistakes = match Sets::read(&[text]) {
            Ok(_) => panic!("{text}"),
            Err(mistakes) => mistakes,
        };
        let first = &mistakes[0];
        let found = format!("{}:{}", first.span.line, first.span.column);
        assert_eq!(found, place, "{text}: {mistakes:?}");
        assert!(first.help.as_ref().is_some_and(|text| text.contains(help)), "{text}: {first:?}");
    }
}

#[test]
fn what_ipset_saves_is_read() {
    let text = "create a hash:ip family inet hashsize 1024 maxelem 65536 timeout 0 counters comment \
                skbinfo bucketsize 12 initval 0x2b58c574\n\
                add a 1.2.3.4 timeout 0 packets 5 bytes 6 comment \"a b\" skbmark 0x1/0xff \
                skbprio 1:2 skbqueue 3\n\
                create -exist a hash:ip\n\
                ipset add a 1.2.3.4 -exist comment \"with \\\"quotes\\\"\"\n\
                create b hash:ip,port family inet6 bucketsize 12 initval 0x1\n\
                add b fe80::1,udp:53\nadd b fe80::1,icmpv6:echo-request\nadd b fe80::1,vrrp:0\n\
                create h list:set size 8\nadd h b\nadd h a\nflush h\nadd h a\n\
                # a remark\n\nCOMMIT\n";
    let sets = read(text);
    assert_eq!(sets.names().collect::<Vec<_>>(), ["a", "b", "h"]);
    assert_eq!((sets.count, sets.sets[2].members.len()), (4, 1));
}

fn at(seconds: u64) -> Time {
    Time(seconds * 1_000_000_000)
}

#[test]
fn changes_hold_at_once_and_as_a_whole() {
    let mut sets = read(
        "create s hash:ip timeout 0 maxelem 3\ncreate n hash:net\nadd n 10.0.0.0/8\n\
         create l list:set\nadd l s",
    );
    let mut change = |command: &str, second| {
        let changed = sets.change(command, at(second)).map(|set| set.elements);
        let asked = [("s", SRC), ("n", SRC)]
            .map(|(name, side)| ask(&mut sets, name, &[side], second) == IN);
        (changed.map_err(|mistake| mistake.message), asked)
    };
    let fine = |elements, asked| (Ok(elements), asked);
    let wrong = |message: &str, asked| (Err(message.to_owned()), asked);
    assert_eq!(change("add s 10.1.2.3 timeout 60", 100), fine(1, [true, true]));
    assert_eq!(
        change("add s 10.1.2.3", 101),
        wrong("10.1.2.3 is in the set already", [true, true])
    );
    // It has run out by then.
    assert_eq!(change("del n 10.0.0.0/8", 161), fine(0, [false, false]));
    assert_eq!(
        change("del n 10.0.0.0/8", 161),
        wrong("10.0.0.0/8 is not in the set", [false, false])
    );
    assert_eq!(change("del n 10.0.0.0/8 -exist", 161), fine(0, [false, false]));
    assert_eq!(change("add s 10.1.2.0-10.1.2.3", 162), wrong("s is full", [false, false]));
    assert_eq!(change("add s 10.1.2.1-10.1.2.3", 162), fine(3, [true, false]));
    assert_eq!(change("flush s", 163), fine(0, [false, false]));
    assert_eq!(change("add l n", 163), wrong("l is a list of sets", [false, false]));
    assert_eq!(change("add t 10.1.2.3", 163), wrong("there is no set t", [false, false]));
    assert_eq!(
        change("create t hash:ip", 163),
        wrong("\"create\" is not a change of a set", [false, false])
    );
}
