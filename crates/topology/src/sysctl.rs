//! Settings beside interfaces and routes: sysctls and module options.

use kinwall_terms::{Family, InterfaceName};
use std::collections::BTreeMap;
use std::fmt;

/// The value of a sysctl or of a module option, as the file spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Integer(i64),
    /// Text, such as `"4096 87380 6291456"`.
    Text(String),
    /// Several values, such as the ports of a module.
    List(Vec<Value>),
}

impl Value {
    /// The value as a whole number; truth is 1 and 0.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Bool(truth) => Some(i64::from(*truth)),
            Value::Integer(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            Value::List(_) => None,
        }
    }
}

/// The text as `--set`, `sysctl -w` and `modprobe` take it: truth as `1` and `0`, lists with
/// commas.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(truth) => write!(f, "{}", u8::from(*truth)),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
            Value::List(values) => {
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{value}")?;
                }
                Ok(())
            }
        }
    }
}

/// A sysctl that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The name is no sysctl's.
    #[error("`{0}` is no sysctl name (such as `net.ipv4.conf.all.rp_filter`)")]
    Name(String),
    /// `rp_filter` of something else.
    #[error("rp_filter is 0 (off), 1 (strict) or 2 (loose), not `{0}`")]
    RpFilter(String),
    /// A switch of something else than a number.
    #[error("`{0}` takes a number such as 0 or 1, not `{1}`")]
    Number(String, String),
    /// The configuration of an interface that the topology does not have.
    #[error("`{0}` is about an interface that the topology does not have")]
    Interface(String),
}

/// Whom a `net.ipv4.conf.WHO.KEY` name is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    All,
    Default,
    Interface(String),
}

/// A `net.ipv4.conf.WHO.KEY` or `net.ipv6.conf.WHO.KEY` name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfName {
    pub(crate) family: Family,
    pub(crate) who: Who,
    pub(crate) key: String,
}

/// The parts of a sysctl name. As in sysctl(8), the first separator decides: in
/// `net.ipv4.conf.eth0/5.rp_filter` a slash stands for a dot, and in
/// `net/ipv4/conf/eth0.5/rp_filter` dots are just dots. `None` when a part is empty.
pub(crate) fn parts(name: &str) -> Option<Vec<String>> {
    let name = name.strip_prefix("/proc/sys/").unwrap_or(name);
    let separator = name.chars().find(|c| matches!(c, '.' | '/'))?;
    let other = if separator == '.' { "/" } else { "" };
    let legal = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace);
    name.split(separator)
        .map(|part| if other.is_empty() { part.to_owned() } else { part.replace(other, ".") })
        .map(|part| legal(&part).then_some(part))
        .collect()
}

/// `name` when it is a per-interface setting of an address family.
pub(crate) fn conf_name(name: &str) -> Option<ConfName> {
    let parts = parts(name)?;
    let [net, family, conf, who @ .., key] = parts.as_slice() else { return None };
    let family = match family.as_str() {
        "ipv4" => Family::Ipv4,
        "ipv6" => Family::Ipv6,
        _ => return None,
    };
    if net != "net" || conf != "conf" || who.is_empty() {
        return None;
    }
    // An interface name with dots in it that was not written with slashes is still understood.
    let who = match who.join(".").as_str() {
        "all" => Who::All,
        "default" => Who::Default,
        interface => Who::Interface(interface.to_owned()),
    };
    Some(ConfName { family, who, key: key.clone() })
}

/// What holds for one interface, computed from all the settings that bear on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conf {
    /// The maximum of `all` and the interface.
    pub(crate) rp_filter: u8,
    /// Own addresses are valid sources: `all` or the interface.
    pub(crate) accept_local: bool,
    /// 127.0.0.0/8 is routed: `all` or the interface.
    pub(crate) route_localnet: bool,
    /// Packets arriving here may be forwarded, by family.
    pub(crate) forwarding: [bool; 2],
    /// Directed broadcasts arriving here are forwarded: `all` and the interface.
    pub(crate) bc_forwarding: bool,
}

impl Conf {
    /// The settings for `interface`; `None` for one that the topology does not know.
    /// `own` is the `rp_filter` of its table in the file.
    pub(crate) fn new(
        sysctl: &BTreeMap<String, Value>,
        interface: Option<InterfaceName>,
        own: Option<u8>,
    ) -> Conf {
        let name = interface.as_ref().map(|name| name.as_str());
        let get = |family, who: &Who, key: &str| {
            let wanted = |(name, value): (&String, &Value)| {
                let conf = conf_name(name)?;
                (conf.family == family && conf.who == *who && conf.key == key)
                    .then(|| value.as_integer())?
            };
            sysctl.iter().find_map(wanted)
        };
        let all = |key: &str| get(Family::Ipv4, &Who::All, key);
        // `default` is what an interface starts with when it comes up.
        let mine = |family, key: &str| {
            name.and_then(|name| get(family, &Who::Interface(name.to_owned()), key))
                .or_else(|| get(family, &Who::Default, key))
        };
        let either =
            |key: &str| all(key).unwrap_or(0) != 0 || mine(Family::Ipv4, key).unwrap_or(0) != 0;
        let rp_filter = own.map(i64::from).or_else(|| mine(Family::Ipv4, "rp_filter"));
        let rp_filter = rp_filter.unwrap_or(0).max(all("rp_filter").unwrap_or(0)).clamp(0, 2);
        let named = |wanted: &str| {
            let same = |name: &str| parts(name).is_some_and(|parts| parts.join(".") == wanted);
            sysctl.iter().find(|(name, _)| same(name)).and_then(|(_, value)| value.as_integer())
        };
        let v4 = name
            .and_then(|name| get(Family::Ipv4, &Who::Interface(name.to_owned()), "forwarding"))
            .or_else(|| named("net.ipv4.ip_forward"))
            .or_else(|| all("forwarding"));
        let v6 = get(Family::Ipv6, &Who::All, "forwarding");
        Conf {
            rp_filter: rp_filter as u8,
            accept_local: either("accept_local"),
            route_localnet: either("route_localnet"),
            forwarding: [v4.unwrap_or(1) != 0, v6.unwrap_or(1) != 0],
            bc_forwarding: all("bc_forwarding").unwrap_or(0) != 0
                && mine(Family::Ipv4, "bc_forwarding").unwrap_or(0) != 0,
        }
    }
}

/// Whether a value fits its sysctl, as far as the topology reads it.
pub(crate) fn check(name: &str, value: &Value) -> Result<(), SettingError> {
    if parts(name).is_none_or(|parts| parts.len() < 2) {
        return Err(SettingError::Name(name.to_owned()));
    }
    let Some(conf) = conf_name(name) else {
        return Ok(());
    };
    let switches = ["accept_local", "route_localnet", "forwarding", "bc_forwarding"];
    match value.as_integer() {
        Some(0..=2) if conf.key == "rp_filter" => Ok(()),
        _ if conf.key == "rp_filter" => Err(SettingError::RpFilter(value.to_string())),
        None if switches.contains(&conf.key.as_str()) => {
            Err(SettingError::Number(name.to_owned(), value.to_string()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_dots_and_slashes() {
        let eth05 = Some(Who::Interface("eth0.5".to_owned()));
        let rows = [
            ("net.ipv4.conf.all.rp_filter", Some(Who::All)),
            ("net/ipv4/conf/default/rp_filter", Some(Who::Default)),
            ("net.ipv4.conf.eth0/5.rp_filter", eth05.clone()),
            ("net/ipv4/conf/eth0.5/rp_filter", eth05.clone()),
            ("net.ipv4.conf.eth0.5.rp_filter", eth05.clone()),
            ("/proc/sys/net/ipv4/conf/eth0.5/rp_filter", eth05),
            ("net.ipv4.conf.rp_filter", None),
            ("net.ipv4.ip_forward", None),
            ("net..conf.all.rp_filter", None),
        ];
        for (name, expected) in rows {
            assert_eq!(conf_name(name).map(|conf| conf.who), expected, "{name}");
        }
    }

    #[test]
    fn the_effective_value_is_the_maximum_of_all_and_the_interface() {
        // all, default, the interface by sysctl, the interface by its own key.
        let rows: [([Option<i64>; 3], Option<u8>, u8); 9] = [
            ([None, None, None], None, 0),
            ([Some(1), None, None], None, 1),
            ([Some(2), None, None], Some(1), 2),
            ([Some(1), None, Some(2)], None, 2),
            ([Some(0), Some(1), None], None, 1),
            ([Some(0), Some(1), Some(0)], None, 0),
            ([Some(0), Some(1), None], Some(0), 0),
            ([None, None, None], Some(1), 1),
            ([Some(0), None, None], Some(2), 2),
        ];
        for (settings, own, expected) in rows {
            let mut sysctl = BTreeMap::new();
            for (who, value) in ["all", "default", "eth0"].into_iter().zip(settings) {
                if let Some(value) = value {
                    let name = format!("net.ipv4.conf.{who}.rp_filter");
                    sysctl.insert(name, Value::Integer(value));
                }
            }
            let conf = Conf::new(&sysctl, InterfaceName::new("eth0"), own);
            assert_eq!(conf.rp_filter, expected, "{settings:?} {own:?}");
        }
    }
}
