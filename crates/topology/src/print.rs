//! The topology file, printed: reading it gives the same topology again.

use crate::{Defaults, Interface, RouteKind, StaticRoute, Topology, Value};
use std::collections::BTreeMap;
use std::fmt;

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts();
        let mut printer = Printer { f, first: true };
        for interface in &parts.interfaces {
            printer.interface(interface)?;
        }
        for route in &parts.routes {
            printer.route(route)?;
        }
        if !parts.sysctl.is_empty() {
            printer.head("[sysctl]")?;
            printer.settings(&parts.sysctl, true)?;
        }
        for (module, options) in &parts.modules {
            printer.head(&format!("[modules.{}]", key(module)))?;
            printer.settings(options, false)?;
        }
        Ok(())
    }
}

struct Printer<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    first: bool,
}

impl Printer<'_, '_> {
    /// A table's header, with an empty line before all but the first.
    fn head(&mut self, header: &str) -> fmt::Result {
        if !self.first {
            self.f.write_str("\n")?;
        }
        self.first = false;
        writeln!(self.f, "{header}")
    }

    fn interface(&mut self, interface: &Interface) -> fmt::Result {
        self.head("[[interface]]")?;
        writeln!(self.f, "name = {}", text(interface.name.as_str()))?;
        self.list("addresses", &interface.addresses)?;
        self.list("networks", &interface.networks)?;
        match interface.default {
            Defaults::NONE => {}
            Defaults::BOTH => writeln!(self.f, "default = true")?,
            Defaults { ipv4: true, .. } => writeln!(self.f, "default = \"ipv4\"")?,
            Defaults { .. } => writeln!(self.f, "default = \"ipv6\"")?,
        }
        if let Some(rp_filter) = interface.rp_filter {
            writeln!(self.f, "rp_filter = {rp_filter}")?;
        }
        if let Some(mtu) = interface.mtu {
            writeln!(self.f, "mtu = {mtu}")?;
        }
        if let Some(mac) = interface.mac {
            writeln!(self.f, "mac = \"{mac}\"")?;
        }
        Ok(())
    }

    fn list(&mut self, name: &str, nets: &[ipnet::IpNet]) -> fmt::Result {
        if nets.is_empty() {
            return Ok(());
        }
        let nets: Vec<String> = nets.iter().map(|net| format!("\"{net}\"")).collect();
        writeln!(self.f, "{name} = [{}]", nets.join(", "))
    }

    fn route(&mut self, route: &StaticRoute) -> fmt::Result {
        self.head("[[route]]")?;
        writeln!(self.f, "destination = \"{}\"", route.destination)?;
        if route.kind != RouteKind::Unicast {
            writeln!(self.f, "kind = \"{}\"", route.kind)?;
        }
        let names: Vec<String> = route.interfaces.iter().map(|name| text(name.as_str())).collect();
        match names.as_slice() {
            [] => Ok(()),
            [only] => writeln!(self.f, "interface = {only}"),
            several => writeln!(self.f, "interface = [{}]", several.join(", ")),
        }
    }

    fn settings(&mut self, settings: &BTreeMap<String, Value>, quoted: bool) -> fmt::Result {
        for (name, setting) in settings {
            let name = if quoted { text(name) } else { key(name) };
            writeln!(self.f, "{name} = {}", value(setting))?;
        }
        Ok(())
    }
}

fn value(value_: &Value) -> String {
    match value_ {
        Value::Bool(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Text(string) => text(string),
        Value::List(values) => {
            let values: Vec<String> = values.iter().map(value).collect();
            format!("[{}]", values.join(", "))
        }
    }
}

/// A key: bare when it may be, as a string otherwise.
fn key(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.bytes().all(bare) { name.to_owned() } else { text(name) }
}

/// A basic string (TOML 1.0): backslash, quotation mark and control characters are escaped.
fn text(string: &str) -> String {
    let mut quoted = String::with_capacity(string.len() + 2);
    quoted.push('"');
    for c in string.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
