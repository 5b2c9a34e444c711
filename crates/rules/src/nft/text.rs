//! Rules in the words of nft, as `nft -a list ruleset` prints them.

use serde_json::Value;

/// A rule without its handle.
pub(super) fn rule(expr: &[Value], comment: Option<&str>) -> String {
    let mut words: Vec<String> = expr.iter().map(statement).collect();
    words.extend(comment.map(|comment| format!("comment \"{comment}\"")));
    words.join(" ")
}

/// A statement.
pub(super) fn statement(value: &Value) -> String {
    let Some((key, inner)) = only(value) else { return expression(value) };
    let field = |name: &str| inner.get(name).map(expression).unwrap_or_default();
    match key {
        "match" => {
            let op = match inner.get("op").and_then(Value::as_str) {
                None | Some("==" | "in") => String::new(),
                Some(op) => format!("{op} "),
            };
            let left = inner.get("left").map(expression).unwrap_or_default();
            format!("{left} {op}{}", right(inner))
        }
        "vmap" => format!("{} vmap {}", field("key"), field("data")),
        "counter" => match inner.get("packets") {
            Some(packets) => format!("counter packets {packets} bytes {}", field("bytes")),
            None => String::from("counter"),
        },
        "mangle" => format!("{} set {}", field("key"), field("value")),
        "ct helper" | "ct timeout" | "ct expectation" => format!("{key} set {}", quoted(inner)),
        "jump" | "goto" => format!("{key} {}", field("target")),
        "limit" => limit(inner),
        "snat" | "dnat" | "masquerade" | "redirect" => translation(key, inner),
        "log" => match inner.get("prefix").and_then(Value::as_str) {
            Some(prefix) => format!("log prefix \"{prefix}\""),
            None => String::from("log"),
        },
        "reject" => match (inner.get("type").and_then(Value::as_str), inner.get("expr")) {
            (Some("tcp reset"), _) => String::from("reject with tcp reset"),
            (Some(kind), Some(with)) => format!("reject with {kind} {}", expression(with)),
            _ => String::from("reject"),
        },
        "set" | "map" => {
            let inside = inner.get("stmt").and_then(Value::as_array);
            let inside: Vec<String> = inside.into_iter().flatten().map(statement).collect();
            let mut words = vec![field("elem")];
            words.extend(inside);
            format!("{} {} {{ {} }}", field("op"), field("set"), words.join(" "))
        }
        "flow" => format!("flow {} {}", field("op"), field("flowtable")),
        "xt" => format!("xt {} {}", field("type"), field("name")),
        _ if inner.is_null() => key.to_owned(),
        _ => format!("{key} {}", expression(inner)),
    }
}

/// `dnat ip to 10.1.0.10:80 persistent`, `masquerade to :1024-65535 random`.
fn translation(key: &str, inner: &Value) -> String {
    let field = |name: &str| inner.get(name).map(expression);
    let mut words = vec![key.to_owned()];
    words.extend(field("family"));
    let address = field("addr").map(|text| match inner.get("port") {
        Some(_) if text.contains(':') => format!("[{text}]"),
        _ => text,
    });
    let port = field("port").map_or(String::new(), |port| format!(":{port}"));
    let to = format!("{}{port}", address.unwrap_or_default());
    if !to.is_empty() {
        words.push(format!("to {to}"));
    }
    words.extend(match inner.get("flags") {
        Some(Value::Array(list)) => Some(list.iter().map(expression).collect::<Vec<_>>().join(",")),
        flag => flag.map(expression),
    });
    words.join(" ")
}

fn right(inner: &Value) -> String {
    match inner.get("right") {
        Some(Value::Bool(true)) => String::from("exists"),
        Some(Value::Bool(false)) => String::from("missing"),
        Some(Value::String(name)) if is_named(inner) => quoted(&Value::String(name.clone())),
        Some(Value::Array(list)) => list.iter().map(expression).collect::<Vec<_>>().join(","),
        Some(value) => expression(value),
        None => String::new(),
    }
}

/// Whether the left side is compared with a name, which nft puts in quotes.
fn is_named(inner: &Value) -> bool {
    let left = inner.get("left").unwrap_or(&Value::Null);
    let key = |of: &str| left.get(of).and_then(|of| of.get("key")).and_then(Value::as_str);
    matches!(key("meta"), Some("iif" | "oif" | "iifname" | "oifname"))
        || key("ct") == Some("helper")
}

fn quoted(value: &Value) -> String {
    match value.as_str() {
        Some(text) if !text.starts_with('@') => format!("\"{text}\""),
        _ => expression(value),
    }
}

fn limit(inner: &Value) -> String {
    if let Some(name) = inner.as_str() {
        return format!("limit name \"{name}\"");
    }
    let number = |name: &str| inner.get(name).map_or(String::from("0"), Value::to_string);
    let word = |name: &str| inner.get(name).and_then(Value::as_str);
    let over = if inner.get("inv") == Some(&Value::Bool(true)) { "over " } else { "" };
    let unit = word("rate_unit").filter(|unit| *unit != "packets");
    let mut text = format!("limit rate {over}{}", number("rate"));
    text.extend(unit.map(|unit| format!(" {unit}")));
    text.push_str(&format!("/{}", word("per").unwrap_or("second")));
    if inner.get("burst").is_some_and(|burst| *burst != 0) {
        text.push_str(&format!(
            " burst {} {}",
            number("burst"),
            word("burst_unit").unwrap_or("packets")
        ));
    }
    text
}

/// An expression.
pub(super) fn expression(value: &Value) -> String {
    match value {
        Value::Null => return String::new(),
        Value::String(text) => return text.clone(),
        Value::Array(list) => {
            return list.iter().map(expression).collect::<Vec<_>>().join(" : ");
        }
        _ => {}
    }
    let Some((key, inner)) = only(value) else { return value.to_string() };
    let field = |name: &str| inner.get(name).map(expression).unwrap_or_default();
    let list = |between: &str| {
        let parts = inner.as_array().into_iter().flatten().map(expression);
        parts.collect::<Vec<_>>().join(between)
    };
    match key {
        "payload" if inner.get("protocol").is_some() => {
            format!("{} {}", field("protocol"), field("field"))
        }
        "payload" => format!("@{},{},{}", field("base"), field("offset"), field("len")),
        "meta" => match inner.get("key").and_then(Value::as_str) {
            Some(key @ ("iif" | "oif" | "iifname" | "oifname")) => key.to_owned(),
            _ => format!("meta {}", field("key")),
        },
        "ct" if inner.get("dir").is_some() => format!("ct {} {}", field("dir"), field("key")),
        "ct" => format!("ct {}", field("key")),
        "fib" => {
            let flags = inner.get("flags").map(|flags| match flags {
                Value::Array(list) => list.iter().map(expression).collect::<Vec<_>>().join(" . "),
                flag => expression(flag),
            });
            format!("fib {} {}", flags.unwrap_or_default(), field("result"))
        }
        "prefix" => format!("{}/{}", field("addr"), field("len")),
        "range" => list("-"),
        "concat" => list(" . "),
        "set" => match inner {
            Value::Array(_) => format!("{{ {} }}", list(", ")),
            one => format!("{{ {} }}", expression(one)),
        },
        "elem" => field("val"),
        "map" => format!("{} map {}", field("key"), field("data")),
        "jump" | "goto" => format!("{key} {}", field("target")),
        "&" | "|" | "^" | "<<" | ">>" => list(&format!(" {key} ")),
        "numgen" => format!("numgen {} mod {}", field("mode"), field("mod")),
        "exthdr" | "tcp option" | "ip option" | "sctp chunk" => {
            format!("{key} {} {}", field("name"), field("field")).trim_end().to_owned()
        }
        _ if inner.is_null() => key.to_owned(),
        _ => format!("{key} {inner}"),
    }
}

/// The one member of an object.
pub(super) fn only(value: &Value) -> Option<(&str, &Value)> {
    let mut members = value.as_object()?.iter();
    let (key, inner) = members.next()?;
    members.next().is_none().then_some((key.as_str(), inner))
}
