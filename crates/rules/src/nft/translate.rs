//! Statements that translate: snat, dnat, masquerade and redirect, as targets of the nat table.
//!
//! Each of them ends the rule, as an accept does, and no other nat chain at the hook is asked. With
//! a map it ends the rule for the entry whose key fits; where none does, the next rule is asked.

use super::atom::Atom;
use super::steps::{ELEMENTS_MAX, Reader, Step, Verdict, element, unknown};
use super::value::{self, Stretch, addresses};
use crate::targets::Target;
use crate::targets::dnat::Dnat;
use crate::targets::masquerade::Masquerade;
use crate::targets::nat::Translation;
use crate::targets::netmap::Netmap;
use crate::targets::redirect::Redirect;
use crate::targets::snat::Snat;
use crate::value::{Network, PortRange, Range};
use kinwall_terms::Family;
use serde_json::Value;
use std::net::IpAddr;

/// What a statement says beside addresses and ports.
struct Manner<'v> {
    key: &'v str,
    random: bool,
    fully: bool,
    persistent: bool,
    /// The host keeps its place in the network.
    is_prefix: bool,
}

/// Addresses and ports, each as far as they are given.
type To = (Option<Stretch>, Option<PortRange>);

impl Reader<'_> {
    /// The steps of a statement that translates. What is not known may translate in any way: the
    /// rule ends there, undecided.
    pub(super) fn translation(&self, key: &str, statement: &Value, inner: &Value) -> Vec<Step> {
        let other = match self.family {
            Family::Ipv4 => "ip6",
            Family::Ipv6 => "ip",
        };
        if inner.get("family").and_then(Value::as_str) == Some(other) {
            return Vec::new();
        }
        match self.translated(key, inner) {
            Some(step) => vec![step],
            None => vec![unknown(statement), Step::End(Verdict::Accept)],
        }
    }

    fn translated(&self, key: &str, inner: &Value) -> Option<Step> {
        let has = |member: &str, word: &str| {
            inner.get(member).is_some_and(|flags| match flags {
                Value::Array(list) => list.iter().any(|flag| flag == word),
                flag => flag == word,
            })
        };
        let manner = Manner {
            key,
            random: has("flags", "random"),
            fully: has("flags", "fully-random"),
            persistent: has("flags", "persistent"),
            is_prefix: has("type_flags", "prefix"),
        };
        let (address, port) = (inner.get("addr"), inner.get("port"));
        let map = |value: Option<&Value>| -> Option<Value> { value?.get("map").cloned() };
        match (map(address), map(port)) {
            (None, None) => {
                let to = self.to(address, port)?;
                Some(Step::End(Verdict::Translate(manner.target(to, self.family)?)))
            }
            (Some(map), None) => self.mapped(&map, |value| {
                // An address alone, or an address and a port.
                let parts = value.get("concat").and_then(Value::as_array).map(Vec::as_slice);
                let to = match parts {
                    Some([address, port]) => self.to(Some(address), Some(port)),
                    Some(_) => None,
                    None => self.to(Some(value), port),
                };
                manner.target(to?, self.family)
            }),
            (None, Some(map)) => self
                .mapped(&map, |value| manner.target(self.to(address, Some(value))?, self.family)),
            (Some(_), Some(_)) => None,
        }
    }

    fn to(&self, address: Option<&Value>, port: Option<&Value>) -> Option<To> {
        let address = match address {
            Some(address) => Some(addresses(address, self.family)?),
            None => None,
        };
        let port = match port {
            Some(port) => Some(value::ports(port, None)?),
            None => None,
        };
        Some((address, port))
    }

    fn mapped(&self, map: &Value, target: impl Fn(&Value) -> Option<Target>) -> Option<Step> {
        let (key, data) = (map.get("key")?, map.get("data")?);
        let entries: &[Value] = match data {
            Value::String(name) => self.named(name)?,
            data => data.get("set")?.as_array()?,
        };
        let mut all: Vec<(Vec<Atom>, Verdict)> = Vec::new();
        for entry in entries.iter().take(ELEMENTS_MAX) {
            let [from, to] = entry.as_array()?.as_slice() else { return None };
            let verdict = Verdict::Translate(target(element(to))?);
            all.push((self.atoms(key, element(from))?, verdict));
        }
        Some(Step::Map(all))
    }
}

impl Manner<'_> {
    fn target(&self, to: To, family: Family) -> Option<Target> {
        let (addresses, ports) = to;
        let random = self.random || self.fully;
        if self.is_prefix {
            return match addresses {
                Some(Stretch::Network(to)) => Some(Target::Netmap(Netmap { to })),
                _ => None,
            };
        }
        let range = |stretch: Stretch| match stretch {
            Stretch::Network(network) => ends(network, family),
            Stretch::Range(range) => Some(Range { min: range.min, max: range.max }),
        };
        let addresses = match addresses {
            Some(stretch) => Some(range(stretch)?),
            None => None,
        };
        let to = Translation { addresses, ports, base: None };
        Some(match self.key {
            "snat" => Target::Snat(Snat {
                to,
                random: self.random,
                random_fully: self.fully,
                persistent: self.persistent,
            }),
            "dnat" => Target::Dnat(Dnat { to, random, persistent: self.persistent }),
            "masquerade" => Target::Masquerade(Masquerade {
                ports,
                random: self.random,
                random_fully: self.fully,
            }),
            "redirect" => Target::Redirect(Redirect { ports, random }),
            _ => return None,
        })
    }
}

/// The first and the last address of a network.
fn ends(network: Network, family: Family) -> Option<Range<IpAddr>> {
    let length = u32::from(network.prefix_length()?);
    let (min, max) = match (network.address, family) {
        (IpAddr::V4(address), Family::Ipv4) => {
            let rest = u32::MAX.checked_shr(length).unwrap_or(0);
            let bits = address.to_bits();
            (IpAddr::V4((bits & !rest).into()), IpAddr::V4((bits | rest).into()))
        }
        (IpAddr::V6(address), Family::Ipv6) => {
            let rest = u128::MAX.checked_shr(length).unwrap_or(0);
            let bits = address.to_bits();
            (IpAddr::V6((bits & !rest).into()), IpAddr::V6((bits | rest).into()))
        }
        _ => return None,
    };
    Some(Range { min, max })
}
