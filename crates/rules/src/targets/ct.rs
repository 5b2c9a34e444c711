//! `-p tcp -j CT --helper ftp --zone 3`: how the packet is tracked.
//!
//! Only in the raw table, before tracking. The first CT or NOTRACK rule a packet meets decides;
//! later ones change nothing, and the walk goes on. A helper or timeout policy needs a `-p`;
//! an empty helper name is none.

use crate::eval::{Effect, Scene};
use crate::facts::CtTemplate;
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use crate::value::{choices, number, text};
use kinwall_terms::{Hook, Table, Zone, ZoneScope};
use std::sync::Arc;

/// What the target declares.
pub const SPEC: Spec =
    Spec::new("CT").tables(&[Table::Raw]).hooks(&[Hook::Prerouting, Hook::Output]).options(&[
        flag("notrack"),
        value("helper"),
        value("timeout"),
        value("ctevents"),
        value("expevents"),
        value("zone"),
        value("zone-orig"),
        value("zone-reply"),
    ]);

/// The longest name of a helper, in bytes.
pub const HELPER_LENGTH_MAX: usize = 15;
/// The longest name of a timeout policy, in bytes.
pub const TIMEOUT_LENGTH_MAX: usize = 31;

/// How to track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ct {
    /// `--notrack`.
    pub notrack: bool,
    /// `--helper`.
    pub helper: Option<Arc<str>>,
    /// `--timeout`.
    pub timeout: Option<Arc<str>>,
    /// `--ctevents`: bits in the order of Linux's event numbers; 0: all events.
    pub events: u32,
    /// `--expevents`: likewise.
    pub expectation_events: u32,
    /// `--zone`, `--zone-orig` or `--zone-reply`.
    pub zone: Option<(ZoneOf, ZoneScope)>,
}

/// Where the zone's id comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneOf {
    /// It is this number.
    Id(u16),
    /// It is the packet mark (its lower 16 bits).
    Mark,
}

/// Connection events by bit (`IPCT_*` of Linux), in the order they are printed.
pub const EVENTS: &[(&str, u32)] = &[
    ("new", 1 << 0),
    ("related", 1 << 1),
    ("destroy", 1 << 2),
    ("reply", 1 << 3),
    ("assured", 1 << 4),
    ("protoinfo", 1 << 5),
    ("helper", 1 << 6),
    ("mark", 1 << 7),
    ("natseqinfo", 1 << 8),
    ("secmark", 1 << 9),
];

const EXPECTATION_EVENTS: &[(&str, u32)] = &[("new", 1 << 0)];

const ZONES: [(&str, ZoneScope); 3] = [
    ("zone", ZoneScope::Both),
    ("zone-orig", ZoneScope::Original),
    ("zone-reply", ZoneScope::Reply),
];

impl Ct {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Ct> {
        let named = |name: String| Some(Arc::from(name)).filter(|name: &Arc<str>| !name.is_empty());
        let ct = Ct {
            notrack: args.has("notrack"),
            helper: args.plain("helper", text(HELPER_LENGTH_MAX)).and_then(named),
            timeout: args.plain("timeout", text(TIMEOUT_LENGTH_MAX)).and_then(named),
            events: args.plain("ctevents", choices(EVENTS, true)).unwrap_or(0),
            expectation_events: args
                .plain("expevents", choices(EXPECTATION_EVENTS, true))
                .unwrap_or(0),
            zone: zone(args),
        };
        for (option, given) in [("helper", ct.helper.is_some()), ("timeout", ct.timeout.is_some())]
        {
            if given && args.context.one_protocol().is_none() {
                let message = format!("--{option} needs to know the protocol");
                args.report_at(option, message, "add -p tcp or -p udp to the rule, without !");
            }
        }
        Some(ct)
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.flag("notrack", self.notrack);
        if let Some(helper) = &self.helper {
            out.value("helper", helper);
        }
        if let Some(timeout) = &self.timeout {
            out.value("timeout", timeout);
        }
        for (name, bits, names) in [
            ("ctevents", self.events, EVENTS),
            ("expevents", self.expectation_events, EXPECTATION_EVENTS),
        ] {
            let set: Vec<&str> = names.iter().filter(|e| bits & e.1 != 0).map(|e| e.0).collect();
            if !set.is_empty() {
                out.value(name, set.join(","));
            }
        }
        if let Some((of, scope)) = self.zone {
            let name = ZONES.iter().find(|(_, known)| *known == scope).map_or("zone", |z| z.0);
            match of {
                ZoneOf::Id(id) => out.value(name, id),
                ZoneOf::Mark => out.value(name, "mark"),
            };
        }
    }

    /// Writes the template, unless an earlier rule did.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        let mark = scene.state.mark;
        let all_unless = |bits: u32| Some(bits).filter(|bits| *bits != 0);
        template(scene, || CtTemplate {
            notrack: self.notrack,
            helper: self.helper.clone(),
            zone: self.zone.map_or(Zone::default(), |(of, scope)| Zone {
                id: match of {
                    ZoneOf::Id(id) => id,
                    ZoneOf::Mark => mark as u16,
                },
                scope,
            }),
            timeout: self.timeout.clone(),
            events: all_unless(self.events),
            expectation_events: all_unless(self.expectation_events),
        })
    }
}

/// Reads the zone. As in Linux's tool the last option gives the id, and both scopes make one for
/// both directions.
fn zone(args: &mut Args<'_>) -> Option<(ZoneOf, ZoneScope)> {
    let read = |word: &crate::lex::Word| match word.text.as_str() {
        "mark" => Ok(ZoneOf::Mark),
        _ => number(0..=0xffff)(word).map(|id| ZoneOf::Id(id as u16)).map_err(|mistake| {
            mistake.help("a number from 0 to 65535, or mark for the packet mark")
        }),
    };
    let last = args.in_order().filter_map(|(name, _)| ZONES.iter().find(|z| z.0 == name)).last()?;
    let given: Vec<_> =
        ZONES.iter().filter_map(|(name, scope)| Some((*scope, args.plain(name, read)?))).collect();
    let scope = if given.len() > 1 { ZoneScope::Both } else { last.1 };
    given.iter().find(|(scope, _)| *scope == last.1).map(|(_, of)| (*of, scope))
}

/// Sets the packet's template when it has none and is not tracked yet.
pub(crate) fn template(scene: &mut Scene<'_, '_>, make: impl FnOnce() -> CtTemplate) -> Effect {
    if scene.state.ct.is_none() && scene.facts.ct.is_none() {
        scene.state.ct = Some(make());
    }
    Effect::Continue
}
