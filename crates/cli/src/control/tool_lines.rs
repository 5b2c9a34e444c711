//! Connections, expectations and events as the lines of conntrack(8), so that scripts which read
//! them keep working: `conntrack -L`, `-L -o extended`, `-L expect`, `-E`, `-E expect`.

use serde_json::Value;
use std::fmt::Write;

/// The ends of a direction, in the tool's order.
const ENDS: &[&str] = &["src", "dst", "sport", "dport", "type", "code", "id", "srckey", "dstkey"];

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("")
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or(0)
}

/// `src=.. dst=.. sport=.. dport=.. `
fn ends(line: &mut String, ends: &Value) {
    for key in ENDS {
        let _ = match &ends[*key] {
            Value::Null => continue,
            Value::String(address) => write!(line, "{key}={address} "),
            value if key.ends_with("key") => {
                write!(line, "{key}={:#x} ", value.as_u64().unwrap_or(0))
            }
            value => write!(line, "{key}={value} "),
        };
    }
}

fn counters(line: &mut String, counters: &Value, direction: usize) {
    if let Some(one) = counters.get(direction) {
        let (packets, bytes) = (number(one, "packets"), number(one, "bytes"));
        let _ = write!(line, "packets={packets} bytes={bytes} ");
    }
}

fn has(value: &Value, status: &str) -> bool {
    value["status"].as_array().is_some_and(|all| all.iter().any(|one| one == status))
}

/// A protocol's name as the tool has it.
fn proto(value: &Value) -> &str {
    match text(value, "proto") {
        name @ ("tcp" | "udp" | "icmp" | "icmpv6" | "gre" | "sctp" | "dccp" | "udplite") => name,
        _ => "unknown",
    }
}

/// A connection. `extended` has the family before it.
pub(crate) fn connection(value: &Value, extended: bool) -> String {
    let mut line = String::new();
    if extended {
        let (family, number) = match text(value, "family") {
            "ipv6" => ("ipv6", 10),
            _ => ("ipv4", 2),
        };
        let _ = write!(line, "{family:<8} {number} ");
    }
    let _ = write!(line, "{:<8} {} ", proto(value), number(value, "protonum"));
    if let Some(timeout) = value["timeout"].as_u64().filter(|_| value["event"] != "destroyed") {
        let _ = write!(line, "{timeout} ");
    }
    if let Some(state) = value["state"].as_str() {
        let _ = write!(line, "{state} ");
    }
    ends(&mut line, &value["original"]);
    counters(&mut line, &value["counters"], 0);
    if !has(value, "SEEN_REPLY") {
        line.push_str("[UNREPLIED] ");
    }
    ends(&mut line, &value["reply"]);
    counters(&mut line, &value["counters"], 1);
    if has(value, "ASSURED") {
        line.push_str("[ASSURED] ");
    }
    if value["event"].is_null() || number(value, "mark") != 0 {
        let _ = write!(line, "mark={} ", number(value, "mark"));
    }
    if let Some(id) = value["zone"]["id"].as_u64() {
        let key = match text(&value["zone"], "direction") {
            "original" => "zone-orig",
            "reply" => "zone-reply",
            _ => "zone",
        };
        let _ = write!(line, "{key}={id} ");
    }
    if let Some(helper) = value["helper"].as_str() {
        let _ = write!(line, "helper={helper} ");
    }
    if value["event"].is_null() {
        line.push_str("use=1");
    }
    line.truncate(line.trim_end().len());
    line
}

/// An expectation.
pub(crate) fn expectation(value: &Value) -> String {
    let mut line = format!("{} proto={} ", number(value, "timeout"), number(value, "protonum"));
    ends(&mut line, &value["tuple"]);
    let dst = text(&value["tuple"], "dst");
    let all = if dst.contains(':') {
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    } else {
        "255.255.255.255"
    };
    let (mask, port) = (text(&value["mask"], "src"), number(&value["mask"], "sport"));
    let _ = write!(line, "mask-src={mask} mask-dst={all} ");
    let _ = match value["tuple"].get("srckey") {
        Some(_) => write!(line, "srckey={port:#x} dstkey=0xffff "),
        None => write!(line, "sport={port} dport=65535 "),
    };
    let mut master = String::new();
    ends(&mut master, &value["master_original"]);
    line.push_str(&master.replacen("src=", "master-src=", 1).replacen(" dst=", " master-dst=", 1));
    let flags: Vec<&str> =
        value["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !flags.is_empty() {
        let _ = write!(line, "{} ", flags.join(","));
    }
    if let Some(zone) = value["zone"].as_u64().filter(|zone| *zone != 0) {
        let _ = write!(line, "zone={zone} ");
    }
    let _ = write!(line, "class={} helper={}", number(value, "class"), text(value, "helper"));
    line
}

/// An event; `None` for one that the tool does not have.
pub(crate) fn event(value: &Value, extended: bool) -> Option<String> {
    let word = match text(value, "event") {
        "new" => "[NEW]",
        "update" => "[UPDATE]",
        "destroyed" => "[DESTROY]",
        _ => return None,
    };
    Some(match text(value, "type") {
        "expectation" => format!("{word:>9} {}", expectation(value)),
        _ => format!("{word:>9} {}", connection(value, extended)),
    })
}
