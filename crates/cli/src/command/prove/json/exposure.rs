//! Exposures as JSON lines. There may be tens of thousands, with the same addresses and rules again
//! and again: what was written once is kept as text.

use super::{depends_on, networks, rule};
use crate::command::prove::Found;
use crate::failure::Failure;
use crate::rule_files::Rules;
use kinwall_prove::addresses::AddressRange;
use kinwall_prove::exposure::{Exposure, Flows, Peer};
use kinwall_rules::eval::RuleId;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::HashMap;
use std::io::Write;
use std::rc::Rc;

/// Texts that are kept of one kind, at most.
const KEPT_MAX_COUNT: usize = 1 << 12;

/// Writes exposures.
pub(super) struct Lines<'a> {
    rules: &'a Rules,
    found: &'a Found<'a>,
    networks: HashMap<Vec<AddressRange>, Rc<RawValue>>,
    by_rules: HashMap<Vec<RuleId>, Rc<RawValue>>,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    family: String,
    helper: Option<String>,
    class: Option<&'static str>,
    hostile: &'static str,
    signalling: Signalling<'a>,
    child: Child<'a>,
    certain: bool,
    rules: Rc<RawValue>,
    translated_by: Rc<RawValue>,
    depends_on: Vec<Value>,
    #[serde(flatten)]
    more: Value,
}

#[derive(Serialize)]
struct Signalling<'a> {
    from: End,
    to: End,
    proto: Option<String>,
    dport: &'a [(u16, u16)],
    announced_by: Option<String>,
}

#[derive(Serialize)]
struct End {
    interfaces: Vec<Option<String>>,
    addresses: Rc<RawValue>,
}

#[derive(Serialize)]
struct Child<'a> {
    r#in: Option<String>,
    out: Option<String>,
    src: Rc<RawValue>,
    dst: Rc<RawValue>,
    at_home: bool,
    proto: Option<String>,
    sport: &'a [(u16, u16)],
    dport: &'a [(u16, u16)],
    but_new: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(rules: &'a Rules, found: &'a Found<'a>) -> Lines<'a> {
        Lines { rules, found, networks: HashMap::new(), by_rules: HashMap::new() }
    }

    /// Writes one, with `more` fields.
    pub(super) fn write(
        &mut self,
        out: &mut impl Write,
        exposure: &Exposure,
        more: Value,
    ) -> Result<(), Failure> {
        let Exposure { signalling, .. } = exposure;
        let instances = self.found.reach.given.instances;
        let name = |helper: u8| instances.get(helper).map(|instance| instance.name.clone());
        let instance = instances.get(exposure.helper);
        let class = instance.and_then(|i| i.helper.classes.get(usize::from(exposure.class)));
        let line = Line {
            kind: "exposure",
            family: self.found.family.to_string(),
            helper: name(exposure.helper),
            class: class.map(|class| class.name),
            hostile: exposure.hostile.name(),
            signalling: Signalling {
                from: self.end(&signalling.from)?,
                to: self.end(&signalling.to)?,
                proto: signalling.proto.map(|proto| proto.to_string()),
                dport: &signalling.dport,
                announced_by: signalling.parent.and_then(name),
            },
            child: self.child(&exposure.child)?,
            certain: exposure.certain,
            rules: self.of_rules(&exposure.rules)?,
            translated_by: self.of_rules(&exposure.translated_by)?,
            depends_on: depends_on(self.rules, self.found, &exposure.undecided),
            more,
        };
        serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
        Ok(out.write_all(b"\n")?)
    }

    fn child<'c>(&mut self, flows: &'c Flows) -> Result<Child<'c>, Failure> {
        Ok(Child {
            r#in: flows.input.map(|name| name.to_string()),
            out: flows.output.map(|name| name.to_string()),
            src: self.of_networks(&flows.src)?,
            dst: self.of_networks(&flows.dst)?,
            at_home: flows.at_home,
            proto: flows.proto.map(|proto| proto.to_string()),
            sport: &flows.sport,
            dport: &flows.dport,
            but_new: flows.but_new,
        })
    }

    fn end(&mut self, peer: &Peer) -> Result<End, Failure> {
        let interfaces = peer.interfaces.iter();
        Ok(End {
            interfaces: interfaces.map(|name| name.map(|name| name.to_string())).collect(),
            addresses: self.of_networks(&peer.addresses)?,
        })
    }

    fn of_networks(&mut self, ranges: &[AddressRange]) -> Result<Rc<RawValue>, Failure> {
        kept(&mut self.networks, ranges, || networks(ranges))
    }

    fn of_rules(&mut self, ids: &[RuleId]) -> Result<Rc<RawValue>, Failure> {
        let (rules, found) = (self.rules, self.found);
        let all = || ids.iter().map(|id| rule(rules, found, *id)).collect::<Vec<_>>();
        kept(&mut self.by_rules, ids, all)
    }
}

/// The text that is kept under `key`, or is made now.
fn kept<K: Clone + Eq + std::hash::Hash, T: Serialize>(
    all: &mut HashMap<Vec<K>, Rc<RawValue>>,
    key: &[K],
    make: impl FnOnce() -> T,
) -> Result<Rc<RawValue>, Failure> {
    if let Some(known) = all.get(key) {
        return Ok(Rc::clone(known));
    }
    if all.len() >= KEPT_MAX_COUNT {
        all.clear();
    }
    let text: Rc<RawValue> = to_raw_value(&make()).map_err(std::io::Error::from)?.into();
    all.insert(key.to_vec(), Rc::clone(&text));
    Ok(text)
}
