//! What is on the screen is a function of answers and keys: both are made up here.

use super::ask::{Facts, News, Wanted};
use super::screen::Screen;
use super::view::draw;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

/// The lines of a screen.
fn lines(screen: &Screen) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(110, 40)).expect("memory");
    terminal.draw(|frame| draw(frame, screen)).expect("memory");
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(usize::from(buffer.area.width));
    let text = |row: &[ratatui::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect();
    rows.map(text).map(|line: String| line.trim_end().to_owned()).collect()
}

fn press(screen: &mut Screen, keys: &str) {
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            'v' => KeyCode::Down,
            '^' => KeyCode::Up,
            key => KeyCode::Char(key),
        };
        assert!(!screen.press(KeyEvent::new(code, KeyModifiers::NONE)), "{key:?} ends it");
    }
}

fn connection(number: u64, dport: u16, timeout: u64, bytes: Option<u64>) -> Value {
    json!({
        "type": "connection", "connection": number, "proto": "tcp", "state": "ESTABLISHED",
        "original": { "src": "10.1.0.2", "dst": "192.0.2.2", "sport": 4000, "dport": dport },
        "status": ["SEEN_REPLY", "ASSURED"], "timeout": timeout, "helper": null, "master": null,
        "counters": bytes.map(|bytes| json!([{ "bytes": bytes }, { "bytes": 0 }])),
    })
}

fn rule(number: u64, packets: u64, text: &str) -> Value {
    json!({ "type": "rule", "family": "ipv4", "table": "filter", "chain": "FORWARD",
        "number": number, "packets": packets, "rule": text })
}

/// A gateway at a moment, everything asked for.
fn facts(at_s: f64, confirmed: u64, rules: [u64; 2]) -> News {
    let wanted = Wanted { connections: None, helpers: true, rules: true };
    News::Facts(Box::new(Facts {
        at_s,
        stats: json!({ "seconds": at_s as u64, "connections": 3, "connections_max": 300,
            "confirmed": confirmed, "dropped": { "table-full": confirmed * 2 } }),
        wanted,
        connections: vec![
            connection(1, 21, 300, Some(10)),
            connection(2, 80, 20, Some(9000)),
            connection(3, 443, 100, Some(700)),
        ],
        is_cut: false,
        helpers: vec![json!({ "name": "ftp", "connections": 1, "expectations": 2, "guarded": 7 })],
        rules: vec![rule(1, rules[0], "-A cold"), rule(2, rules[1], "-A hot")],
    }))
}

fn screen() -> Screen {
    let mut screen = Screen::new(1);
    screen.take(facts(10.0, 100, [1000, 0]));
    screen.take(facts(12.0, 150, [1000, 8]));
    screen
}

/// What must stand in lines of the screen after these keys, in this order.
fn check(keys: &str, wanted: &[&str]) {
    let mut screen = screen();
    press(&mut screen, keys);
    let lines = lines(&screen);
    let mut rest = lines.iter();
    for one in wanted {
        assert!(
            rest.any(|line| line.contains(one)),
            "{keys:?}: no {one:?} in\n{}",
            lines.join("\n")
        );
    }
}

#[test]
fn each_key_shows_what_it_promises() {
    let rows: &[(&str, &[&str])] = &[
        ("", &["1 overview", "3 of 300 (1 %)", "new  ", "tcp ESTABLISHED", "? help"]),
        ("", &["150      25.0/s"]),
        ("", &["table-full                     300      50.0/s"]),
        ("2", &["from -> to", ":21", ":80", ":443", "sorted by table"]),
        ("2s", &[":80", ":443", ":21", "sorted by time left"]),
        ("2ss", &[":80", ":443", ":21", "sorted by bytes"]),
        ("2v", &["from -> to", ":80", ":443"]),
        ("2/443\n", &[":443", "filter: 443"]),
        ("2/-p udp", &["/-p udp_"]),
        ("2/-p quux\n", &["filter: invalid value 'quux'"]),
        ("4", &["refused by guard", "0         0          7", "since this screen began"]),
        ("5", &["hits/s", "-A hot", "-A cold"]),
        ("5", &["4.0        8            ipv4", "0.0        1000         ipv4"]),
        ("p", &["PAUSED"]),
        ("?", &["keys", "this help"]),
    ];
    for (keys, wanted) in rows {
        check(keys, wanted);
    }
}

#[test]
fn a_filter_leaves_the_others_out_and_is_taken_back() {
    let mut screen = screen();
    press(&mut screen, "2/443\n");
    assert!(!lines(&screen).iter().any(|line| line.contains(":80 ")));
    press(&mut screen, "\u{1b}");
    assert!(lines(&screen).iter().any(|line| line.contains(":80 ")));
    // Options are asked of the gateway.
    press(&mut screen, "/-p tcp --dport 21\n");
    let asked = serde_json::to_value(screen.wanted.connections.clone()).expect("JSON");
    assert_eq!(asked, json!({ "proto": 6, "dport": 21 }));
}

#[test]
fn nothing_is_asked_for_that_is_not_shown() {
    let mut screen = screen();
    for (keys, wanted) in [
        ("1", [true, false, false]),
        ("2", [true, false, false]),
        ("3", [false, false, false]),
        ("4", [false, true, false]),
        ("5", [false, false, true]),
    ] {
        press(&mut screen, keys);
        let Wanted { connections, helpers, rules } = &screen.wanted;
        assert_eq!([connections.is_some(), *helpers, *rules], wanted, "{keys}");
    }
}

#[test]
fn expectations_are_told_as_they_are_born_and_used() {
    let mut screen = screen();
    let event = |word: &str| {
        json!({ "type": "expectation", "event": word, "helper": "ftp", "master": 4, "class_name":
            "ftp", "proto": "tcp",
            "tuple": { "src": "192.0.2.2", "dst": "10.1.0.2", "dport": 5001 },
            "mask": { "src": "255.255.255.255" }, "timeout": 300, "flags": [], "connection": 5 })
    };
    screen.take(News::Event(11.0, Box::new(event("new"))));
    screen.take(News::Event(12.0, Box::new(event("matched"))));
    screen.take(News::Event(12.0, Box::new(json!({ "type": "lost", "events": 3 }))));
    press(&mut screen, "3");
    let lines = lines(&screen);
    assert!(lines[2].starts_with("0 s ago") && lines[2].contains("matched"), "{lines:#?}");
    assert!(lines[2].contains("expected by ftp (#4, ftp)"), "{lines:#?}");
    assert!(lines[3].starts_with("1 s ago") && lines[3].contains("new"), "{lines:#?}");
    assert!(lines[39].contains("3 events were lost"), "{lines:#?}");
    assert_eq!(screen.born["ftp"], [1, 1]);
}

#[test]
fn a_gateway_that_is_gone_is_said_to_be_and_comes_back() {
    let mut screen = screen();
    screen.take(News::Gone("no gateway answers there".to_owned()));
    assert!(lines(&screen)[39].starts_with("no gateway answers there (asked again every 1 s)"));
    // Another process counts from zero: no rate spans the two.
    screen.take(facts(1.0, 5, [0, 0]));
    let lines = lines(&screen);
    assert!(!lines[39].contains("no gateway") && !lines.iter().any(|line| line.contains("/s")));
}

#[test]
fn a_small_terminal_is_no_trouble() {
    for (width, height) in [(1, 1), (20, 3), (80, 2)] {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
        for keys in ["1", "2", "3", "4", "5?"] {
            let mut screen = screen();
            press(&mut screen, keys);
            terminal.draw(|frame| draw(frame, &screen)).expect("memory");
        }
    }
}
