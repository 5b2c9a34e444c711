//! Sysctls, from `/proc/sys`: that of the network namespace of the calling thread.

use kinwall_terms::InterfaceName;
use kinwall_topology::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Those that decide where a packet goes and whether it is believed.
const NAMES: &[&str] = &[
    "net.ipv4.ip_forward",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv6.conf.all.forwarding",
];

/// Those that `all` and `default` have for both families.
const OF_BOTH: &[&str] = &["accept_redirects", "accept_source_route"];

/// Those of one IPv4 interface, said where they are not at their usual value.
const OF_INTERFACES: &[&str] = &["accept_local", "route_localnet", "bc_forwarding"];

/// What only tells how much there is, or can only be read.
const NO_SETTING: &[&str] = &["nf_conntrack_count", "nf_conntrack_buckets"];

/// Values by name: forwarding, the reverse path, redirects, those of `interfaces` that are not
/// 0, and everything in `/proc/sys/net/netfilter` that begins with `nf_conntrack_`. What the
/// kernel does not have or does not show is left out.
pub fn sysctls(interfaces: &[InterfaceName]) -> BTreeMap<String, Value> {
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    for (family, who) in
        [("ipv4", "all"), ("ipv4", "default"), ("ipv6", "all"), ("ipv6", "default")]
    {
        names.extend(OF_BOTH.iter().map(|key| format!("net.{family}.conf.{who}.{key}")));
    }
    for who in ["all", "default"] {
        names.push(format!("net.ipv4.conf.{who}.send_redirects"));
    }
    names.extend(of_netfilter());
    for name in names {
        if let Some(value) = read(&path(&name)) {
            all.insert(name, value);
        }
    }
    let forwards = all.get("net.ipv4.ip_forward").cloned();
    for interface in interfaces {
        for key in OF_INTERFACES {
            let value = of_interface(*interface, key);
            all.extend(value.filter(|(_, value)| value.as_integer() != Some(0)));
        }
        // It follows `ip_forward` unless it was set by itself.
        let own = of_interface(*interface, "forwarding");
        all.extend(own.filter(|(_, own)| Some(own) != forwards.as_ref()));
    }
    all
}

/// `rp_filter` of one interface, without what `all` says.
pub(crate) fn rp_filter(interface: &str) -> Option<u8> {
    let path = Path::new("/proc/sys/net/ipv4/conf").join(interface).join("rp_filter");
    let value = read(&path)?.as_integer()?;
    u8::try_from(value).ok().filter(|value| *value <= 2)
}

fn of_interface(interface: InterfaceName, key: &str) -> Option<(String, Value)> {
    let directory = Path::new("/proc/sys/net/ipv4/conf").join(interface.as_str());
    let value = read(&directory.join(key))?;
    // A dot in a name is a slash where dots stand between names.
    let name = interface.as_str().replace('.', "/");
    Some((format!("net.ipv4.conf.{name}.{key}"), value))
}

fn of_netfilter() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc/sys/net/netfilter") else { return Vec::new() };
    let names =
        entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
    let names = names
        .filter(|name| name.starts_with("nf_conntrack_") && !NO_SETTING.contains(&name.as_str()));
    names.map(|name| format!("net.netfilter.{name}")).collect()
}

fn path(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name.replace('.', "/"))
}

fn read(path: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim();
    Some(text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Integer))
}
