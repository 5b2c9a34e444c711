//! Records are what their schema says, and read well.

use jsonschema::Validator;
use kinwall_replay::output::{
    AnnouncedBy, ConnectionCounts, ConnectionEvent, ConnectionRecord, Counted, Ends,
    ExpectationCounts, ExpectationEvent, ExpectationRecord, Instant, JsonLines, Output,
    PacketRecord, Record, RuleCount, RuleName, Skipped, Style, Summary, Text,
};
use kinwall_terms::expectation::Expected;
use kinwall_terms::{
    CtState, Direction, Family, InterfaceName, L4Proto, Reason, RejectWith, Status, Table, Time,
    Tuple, Verdict,
};
use serde_json::Value;

const SCHEMA: &str = include_str!("../../../docs/replay.schema.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn validator() -> Validator {
    jsonschema::options().should_validate_formats(true).build(&schema()).unwrap()
}

fn tuple(proto: L4Proto, src: &str, sport: u16, dst: &str, dport: u16) -> Tuple {
    Tuple { src: src.parse().unwrap(), dst: dst.parse().unwrap(), sport, dport, proto }
}

fn rule() -> RuleName<'static> {
    RuleName {
        family: Family::Ipv4,
        table: Table::Filter,
        chain: "FORWARD",
        number: 4,
        line: 17,
        file: None,
    }
}

/// An accepted packet of an FTP data connection.
fn related() -> PacketRecord<'static> {
    PacketRecord {
        packet: 12,
        time: Instant(Time(1_767_225_600_000_001_000)),
        in_iface: InterfaceName::new("eth0"),
        out_iface: InterfaceName::new("eth1"),
        verdict: Verdict::Accept,
        ctstate: Some(CtState::Related),
        ctstatus: (Status::EXPECTED | Status::CONFIRMED).names().collect(),
        direction: Some(Direction::Original),
        helper: Some("ftp"),
        own_helper: None,
        connection: Some(7),
        master: Some(3),
        announced_by: Some(AnnouncedBy {
            packet: 9,
            offset: 20,
            length: 18,
            expectation: 2,
            text: Some("10,1,0,2,222,123".to_owned()),
        }),
        rule: Some(rule()),
        reason: None,
        invalid: None,
        translated: None,
        reject_with: None,
        queue: None,
        cut: false,
        tuple: Some(tuple(L4Proto::TCP, "10.2.0.2", 20, "10.1.0.2", 56955)),
    }
}

/// A packet that is no packet.
fn dropped() -> PacketRecord<'static> {
    PacketRecord {
        packet: 13,
        time: Instant(Time(1_767_225_601_500_000_001)),
        in_iface: None,
        out_iface: None,
        verdict: Verdict::Drop,
        ctstate: None,
        ctstatus: Vec::new(),
        direction: None,
        helper: None,
        connection: None,
        master: None,
        announced_by: None,
        rule: None,
        reason: Some(Reason::MalformedNetworkHeader),
        cut: true,
        tuple: None,
        ..related()
    }
}

fn rejected() -> PacketRecord<'static> {
    PacketRecord {
        packet: 14,
        verdict: Verdict::Reject(RejectWith::TcpReset),
        ctstate: Some(CtState::Invalid),
        reason: Some(Reason::Rule),
        invalid: Some(Reason::TcpWindow),
        reject_with: Some(RejectWith::TcpReset),
        helper: None,
        announced_by: None,
        out_iface: None,
        rule: Some(RuleName { table: Table::Mangle, file: Some("a.rules"), ..rule() }),
        tuple: Some(tuple(L4Proto::UDP, "fd00::1", 53, "fd00::2", 1024)),
        ..related()
    }
}

fn expectation(event: ExpectationEvent<'static>) -> ExpectationRecord<'static> {
    let any = matches!(event, ExpectationEvent::New);
    let src = (!any).then(|| "10.2.0.2".parse().unwrap());
    ExpectationRecord {
        event,
        packet: 9,
        expectation: 2,
        helper: "ftp",
        class: "ftp",
        expected: Expected::new(src, None, "10.1.0.2".parse().unwrap(), 56955, L4Proto::TCP),
        timeout: 300,
        flags: if any { vec![] } else { vec!["PERMANENT"] },
        master: 3,
    }
}

fn connection(event: ConnectionEvent<'static>, proto: L4Proto) -> ConnectionRecord<'static> {
    let original = tuple(proto, "10.1.0.2", 7, "10.2.0.2", 8 << 8);
    ConnectionRecord {
        event,
        packet: 1,
        connection: 3,
        proto,
        original: Ends(original),
        reply: Ends(original.invert().unwrap()),
        status: Status::all().names().collect(),
        state: None,
        mark: u32::MAX,
        helper: Some("ftp"),
        master: None,
    }
}

fn summary() -> Summary {
    Summary {
        packets: 1_234_567,
        bytes: 99_000_000,
        accepted: 1_234_000,
        dropped: 500,
        rejected: 60,
        skipped: Skipped { not_ip: 7, ..Skipped::default() },
        first: Some(Instant(Time(1))),
        last: Some(Instant(Time(2_000))),
        ctstates: [("NEW", 1000), ("none", 3)].into(),
        connections: ConnectionCounts { new: 900, left: 20, ended: [("timeout", 880)].into() },
        expectations: ExpectationCounts { new: 5, matched: 4, refused: 1 },
        not_believed: [("guard-port", 3)].into(),
        drops_by_reason: vec![Counted { reason: "rule", packets: 300 }],
        drops_by_rule: vec![RuleCount::new(&rule(), 300)],
        damage: 1,
        ..Summary::default()
    }
}

fn records() -> Vec<Record<'static>> {
    let mut records = vec![
        Record::Packet(related()),
        Record::Packet(dropped()),
        Record::Packet(rejected()),
        Record::Packet(PacketRecord {
            verdict: Verdict::Queue(3),
            queue: Some(3),
            translated: Some(Ends(tuple(L4Proto::TCP, "10.2.0.2", 1, "::1", 2))),
            ..related()
        }),
        Record::Expectation(expectation(ExpectationEvent::New)),
        Record::Expectation(expectation(ExpectationEvent::Matched { connection: 7 })),
        Record::Expectation(expectation(ExpectationEvent::Destroyed { reason: "timeout" })),
        Record::Summary(Box::new(summary())),
        Record::Summary(Box::default()),
    ];
    for proto in [L4Proto::TCP, L4Proto::ICMP, L4Proto::GRE, L4Proto::ESP] {
        let destroyed = ConnectionEvent::Destroyed { reason: "early-drop" };
        for event in [ConnectionEvent::New, ConnectionEvent::Update, destroyed] {
            records.push(Record::Connection(connection(event, proto)));
        }
    }
    records
}

#[test]
fn every_record_is_as_the_schema_says() {
    let validator = validator();
    for record in records() {
        let value = serde_json::to_value(&record).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{value:#}");
    }
}

#[test]
fn the_schema_refuses_what_no_record_is() {
    let validator = validator();
    let good = serde_json::to_value(Record::Packet(related())).unwrap();
    assert!(validator.is_valid(&good));
    let rows = [
        ("type", Value::from("paket")),
        ("verdict", Value::from("maybe")),
        ("ctstate", Value::from("new")),
        ("time", Value::from("yesterday")),
        ("packet", Value::from(0)),
        ("rule", Value::from("FORWARD")),
        ("surprise", Value::from(1)),
    ];
    for (field, value) in rows {
        let mut bad = good.clone();
        bad[field] = value;
        assert!(!validator.is_valid(&bad), "{field}");
        let mut bad = good.clone();
        let removed = bad.as_object_mut().and_then(|object| object.remove(field)).is_some();
        assert_eq!(validator.is_valid(&bad), !removed, "{field}");
    }
}

#[test]
fn the_schema_knows_every_name() {
    let schema = schema();
    let names = |path: &str| {
        let list = schema.pointer(path).and_then(Value::as_array).expect(path);
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<String>>()
    };
    let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let status: Vec<&str> = Status::all().names().collect();
    assert_eq!(names("/$defs/status/items/enum"), owned(&status));
    let tables = Table::ALL.map(Table::name);
    assert_eq!(names("/$defs/table/enum"), owned(&tables));
    use CtState::{Established, Invalid, New, Related, Untracked};
    let states = [Invalid, New, Related, Established, Untracked].map(CtState::name);
    assert_eq!(names("/$defs/packet/properties/ctstate/enum"), owned(&states));
    let verdicts = [
        Verdict::Accept,
        Verdict::Drop,
        Verdict::Reject(RejectWith::TcpReset),
        Verdict::Queue(0),
        Verdict::Unknown,
        Verdict::Consume,
    ];
    assert_eq!(
        names("/$defs/packet/properties/verdict/enum"),
        verdicts.map(|v| v.name().to_owned())
    );
    let reason = jsonschema::validator_for(&schema["$defs"]["reason"]).unwrap();
    for known in Reason::ALL {
        assert!(reason.is_valid(&Value::from(known.name())), "{known}");
    }
}

#[test]
fn json_lines_have_the_fields_of_the_design_in_their_order() {
    let mut lines = Vec::new();
    let mut json = JsonLines::new(&mut lines);
    json.record(&Record::Packet(related())).unwrap();
    json.record(&Record::Expectation(expectation(ExpectationEvent::New))).unwrap();
    json.flush().unwrap();
    let expected = concat!(
        r#"{"type":"packet","packet":12,"time":"2026-01-01T00:00:00.000001Z","in":"eth0","#,
        r#""out":"eth1","verdict":"accept","ctstate":"RELATED","ctstatus":["EXPECTED","#,
        r#""CONFIRMED"],"direction":"original","helper":"ftp","own_helper":null,"connection":7,"#,
        r#""master":3,"announced_by":{"packet":9,"offset":20,"length":18,"expectation":2,"#,
        r#""text":"10,1,0,2,222,123"},"rule":{"family":"ipv4","table":"filter","#,
        r#""chain":"FORWARD","number":4,"line":17},"reason":null,"translated":null}"#,
        "\n",
        r#"{"type":"expectation","event":"new","packet":9,"expectation":2,"helper":"ftp","#,
        r#""class":"ftp","proto":"tcp","src":"0.0.0.0","src_mask":"0.0.0.0","sport":0,"#,
        r#""sport_mask":0,"dst":"10.1.0.2","dst_mask":"255.255.255.255","dport":56955,"#,
        r#""dport_mask":65535,"timeout":300,"flags":[],"master":3}"#,
        "\n",
    );
    assert_eq!(String::from_utf8(lines).unwrap(), expected);
}

fn text(style: Style, records: &[Record<'_>]) -> String {
    let mut text = Vec::new();
    let mut to = Text::new(&mut text, style);
    for record in records {
        to.record(record).unwrap();
    }
    to.flush().unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn text_is_one_line_a_packet() {
    let records = [
        Record::Packet(related()),
        Record::Expectation(expectation(ExpectationEvent::New)),
        Record::Packet(dropped()),
        Record::Packet(rejected()),
        Record::Connection(connection(ConnectionEvent::New, L4Proto::ICMP)),
    ];
    let expected = [
        "   12     0.000000 accept  RELATED     eth0>eth1 tcp 10.2.0.2:20 > 10.1.0.2:56955 \
         by FORWARD 4\n",
        "                   announced by packet 9, bytes 20..38: \"10,1,0,2,222,123\" (ftp)\n",
        "   13     1.499999 drop    -           unreadable cut malformed-network-header\n",
        "   14     0.000000 reject  INVALID     eth0> udp [fd00::1]:53 > [fd00::2]:1024 \
         by mangle FORWARD 4 (tcp-window)\n",
    ];
    let expected = expected.concat();
    assert_eq!(text(Style::default(), &records), expected);
    let events = text(Style { events: true, ..Style::default() }, &records);
    let line = "    9              expectation 2 new: ftp tcp *:* > 10.1.0.2:56955\n";
    assert!(events.contains(line), "{events}");
    let line = "    1              connection 3 new: icmp 10.1.0.2 > 10.2.0.2 type 8 code 0\n";
    assert!(events.contains(line), "{events}");
    let update = [Record::Connection(connection(ConnectionEvent::Update, L4Proto::TCP))];
    let told = text(Style { events: true, ..Style::default() }, &update);
    assert!(told.contains(" (EXPECTED SEEN_REPLY ASSURED SRC_NAT "), "{told}");
    let coloured = text(Style { colour: true, ..Style::default() }, &records);
    assert!(coloured.contains("\u{1b}[32maccept \u{1b}[0m"), "{coloured}");
}

#[test]
fn the_summary_is_a_column_of_numbers() {
    let expected = "\
packets                                     1,234,567
  accepted                                  1,234,000
  dropped                                         500
  rejected                                         60
  not IP                                            7
ct states
  NEW                                           1,000
  never tracked                                     3
connections                                       900
  at the end                                       20
  timeout                                         880
expectations                                        5
  matched                                           4
  refused                                           1
not believed by helpers
  guard-port                                        3
drops by reason
  rule                                            300
drops by rule
  ipv4 filter FORWARD 4 (line 17)                 300
damage in the captures                              1
";
    assert_eq!(text(Style::default(), &[Record::Summary(Box::new(summary()))]), expected);
}
