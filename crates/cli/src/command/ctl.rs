//! `kinwall ctl`: questions to a running gateway.

use crate::control::filter::Filter;
use crate::control::{Lines, Request, SOCKET, client};
use crate::failure::Failure;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;

/// Ask a running gateway: connections, expectations, rules and counters, live
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  kinwall ctl connections -p tcp --helper ftp\n  kinwall ctl \
    connections --format conntrack\n  kinwall ctl events --src 10.1.0.0/24\n  kinwall ctl set \
    net.netfilter.nf_conntrack_max=65536\n  kinwall ctl delete --dst 192.0.2.10 --dport 21")]
pub(crate) struct CtlArgs {
    /// The gateway's socket
    #[arg(long, global = true, value_name = "FILE", default_value = SOCKET)]
    socket: PathBuf,
    /// How to write the answer
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// JSON lines
    Json,
    /// The lines of conntrack -L, -L expect and -E
    Conntrack,
    /// The same with the family, as conntrack -o extended
    Extended,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// The connections
    Connections {
        #[command(flatten)]
        filter: Filter,
        /// Not those there are: what happens to them from now on
        #[arg(long)]
        follow: bool,
    },
    /// What is expected, by connections that fit
    Expectations {
        #[command(flatten)]
        filter: Filter,
    },
    /// What happens to connections and expectations from now on
    Events {
        #[command(flatten)]
        filter: Filter,
    },
    /// The steps of packets that fit, in either direction, from now on: every chain and rule
    Trace {
        #[command(flatten)]
        filter: Filter,
    },
    /// Everything, counted
    Stats,
    /// The sysctls of connection tracking, with their values
    Settings,
    /// Change a setting of the running gateway: a sysctl, a module's option, a guard
    Set {
        /// Such as net.netfilter.nf_conntrack_helper=0
        #[arg(value_name = "KEY=VALUE", value_parser = pair)]
        setting: (String, String),
    },
    /// The helpers, each with the connections and expectations that it has
    Helpers,
    /// The rules with their counters, as iptables-save -c prints them
    Rules,
    /// The sets that rules ask, or a change of one: it holds until rules are read again
    #[command(after_help = "Examples:\n  kinwall ctl ipset\n  kinwall ctl ipset add blocked \
        203.0.113.7 timeout 600\n  kinwall ctl ipset del blocked 203.0.113.7\n  kinwall ctl ipset \
        flush blocked")]
    Ipset {
        /// add SET ELEMENT [OPTIONS], del SET ELEMENT, or flush SET, as ipset takes them
        #[arg(value_name = "CHANGE", trailing_var_arg = true, allow_hyphen_values = true)]
        change: Vec<String>,
    },
    /// End the connections that fit
    Delete {
        #[command(flatten)]
        filter: Filter,
    },
    /// End every connection
    Flush,
    /// Read rules and settings again, as on SIGHUP
    Reload,
    /// Let a gateway stay that was started with --confirm
    Confirm,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// Runs the command.
pub(crate) fn run(args: CtlArgs) -> Result<(), Failure> {
    let lines = match args.format {
        Format::Text | Format::Json => Lines::None,
        Format::Conntrack => Lines::Conntrack,
        Format::Extended => Lines::Extended,
    };
    let request = match args.command {
        Command::Connections { filter, follow: false } => Request::Connections { filter, lines },
        Command::Connections { filter, follow: true } | Command::Events { filter } => {
            Request::Events { filter, lines, expectations_only: false }
        }
        Command::Expectations { filter } => Request::Expectations { filter, lines },
        Command::Trace { filter } if !filter.is_about_packets() => {
            return Err(Failure::Usage(String::from(
                "packets are chosen by --proto, --family, --src, --dst, --sport and --dport",
            )));
        }
        Command::Trace { filter } => Request::Trace { filter },
        Command::Stats => Request::Stats,
        Command::Settings => Request::Settings,
        Command::Set { setting: (key, value) } => Request::Set { key, value },
        Command::Helpers => Request::Helpers,
        Command::Rules => Request::Rules,
        Command::Ipset { change } => {
            Request::Ipset { change: (!change.is_empty()).then(|| change.join(" ")) }
        }
        Command::Delete { filter } if filter.is_empty() => {
            return Err(Failure::Usage(String::from(
                "say which connections; `kinwall ctl flush` ends every one",
            )));
        }
        Command::Delete { filter } => Request::Delete { filter },
        Command::Flush => Request::Flush,
        Command::Reload => Request::Reload,
        Command::Confirm => Request::Confirm,
    };
    let mut out = std::io::stdout().lock();
    let follows = matches!(request, Request::Events { .. } | Request::Trace { .. });
    let mut place = Vec::new();
    client::ask(&args.socket, &request, |value| {
        match (args.format, value["line"].as_str()) {
            (Format::Json, _) => writeln!(out, "{value}")?,
            (_, Some(line)) => writeln!(out, "{line}")?,
            // The tool does not have this event.
            (Format::Conntrack | Format::Extended, None) if value.get("event").is_some() => {}
            _ => writeln!(out, "{}", plain(&value, &mut place))?,
        }
        if follows {
            out.flush()?;
        }
        Ok(())
    })?;
    Ok(out.flush()?)
}

/// A line for people. `place` is the family and table of the rule before.
fn plain(value: &Value, place: &mut Vec<String>) -> String {
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    match text("type") {
        "connection" => about_connection(value),
        "expectation" => about_expectation(value),
        "rule" => {
            let here = vec![text("family").to_owned(), text("table").to_owned()];
            let head = match *place == here {
                true => String::new(),
                false => format!("# {} {}\n", here[0], here[1]),
            };
            *place = here;
            format!("{head}[{}:{}] {}", value["packets"], value["bytes"], text("rule"))
        }
        "helper" => format!(
            "{:<16} {:>6} connections {:>6} expectations",
            text("name"),
            value["connections"],
            value["expectations"]
        ),
        "set" => {
            format!("{:<20} {:<18} {:>8} elements", text("name"), text("kind"), value["elements"])
        }
        "setting" => format!("{} = {}", text("key"), value["value"]),
        "deleted" => format!("{} connections ended", value["connections"]),
        "lost" => format!("({} events were lost: they came too fast)", value["events"]),
        "explanation" => text("text").to_owned(),
        "stats" => stats(value, 0),
        _ => value.to_string(),
    }
}

fn event_word(value: &Value) -> String {
    value["event"].as_str().map(|word| format!("{word:<9} ")).unwrap_or_default()
}

pub(crate) fn flow(value: &Value) -> String {
    let host = |address: &Value, port: Option<&Value>| {
        let address = address.as_str().unwrap_or("?");
        match port {
            Some(port) if address.contains(':') => format!("[{address}]:{port}"),
            Some(port) => format!("{address}:{port}"),
            None => address.to_owned(),
        }
    };
    let ends = format!(
        "{} -> {}",
        host(&value["src"], value.get("sport")),
        host(&value["dst"], value.get("dport"))
    );
    let more = ["type", "code", "id", "srckey", "dstkey"];
    let more = more.iter().filter_map(|key| Some(format!(" {key} {}", value.get(key)?)));
    more.fold(ends, |all, one| all + &one)
}

fn about_connection(value: &Value) -> String {
    let mut line = format!(
        "{}{:<6} {:<6} {}",
        event_word(value),
        format!("#{}", value["connection"]),
        value["proto"].as_str().unwrap_or_default(),
        flow(&value["original"])
    );
    let status = value["status"].as_array().cloned().unwrap_or_default();
    if status.iter().any(|one| one == "SRC_NAT" || one == "DST_NAT") {
        line.push_str(&format!(" (answers {})", flow(&value["reply"])));
    }
    let assured = status.iter().any(|one| one == "ASSURED").then_some("ASSURED");
    let unreplied = (!status.iter().any(|one| one == "SEEN_REPLY")).then_some("UNREPLIED");
    for word in [value["state"].as_str(), assured, unreplied].into_iter().flatten() {
        line.push_str(&format!(" {word}"));
    }
    for key in ["helper", "master", "reason"] {
        match &value[key] {
            Value::Null => {}
            Value::String(text) => line.push_str(&format!(" {key}={text}")),
            other => line.push_str(&format!(" {key}=#{other}")),
        }
    }
    match value["timeout"].as_u64() {
        Some(seconds) if value["reason"].is_null() => line + &format!(" {seconds} s left"),
        _ => line,
    }
}

pub(crate) fn about_expectation(value: &Value) -> String {
    let exact = |key: &str, mask: bool| match mask {
        true => value["tuple"][key].to_string().trim_matches('"').to_owned(),
        false => String::from("any"),
    };
    let mask = value["mask"]["src"].as_str().unwrap_or_default();
    let from = exact("src", mask != "0.0.0.0" && mask != "::");
    let to = flow(&value["tuple"]);
    let to = to.split(" -> ").nth(1).unwrap_or_default();
    let mut line = format!(
        "{}expected by {} (#{}, {}): {} {from} -> {to}",
        event_word(value),
        value["helper"].as_str().unwrap_or_default(),
        value["master"],
        value["class_name"].as_str().unwrap_or_default(),
        value["proto"].as_str().unwrap_or_default(),
    );
    for word in value["flags"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        line.push_str(&format!(" {word}"));
    }
    if let Some(reason) = value["reason"].as_str() {
        return line + &format!(" reason={reason}");
    }
    if let Some(child) = value["connection"].as_u64() {
        return line + &format!(" by #{child}");
    }
    line + &format!(" {} s left", value["timeout"])
}

/// A line for each count.
fn stats(value: &Value, depth: usize) -> String {
    let Some(map) = value.as_object() else { return String::new() };
    let lines = map.iter().filter(|(key, _)| *key != "type").map(|(key, value)| {
        let name = key.replace('_', " ");
        let indent = " ".repeat(depth * 2);
        match value {
            Value::Object(inner) if inner.is_empty() => format!("{indent}{name}: none"),
            Value::Object(_) => format!("{indent}{name}:\n{}", stats(value, depth + 1)),
            value => format!("{indent}{name}: {value}"),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}
