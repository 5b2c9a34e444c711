//! A rule as a list of steps: what it asks and what it does, in its order.

use super::atom::{Atom, Literal};
use super::field::{Compared, Field};
use super::json::Listing;
use super::value;
use crate::matches::Match;
use crate::matches::hashlimit::{Hashlimit, Mode, rate};
use crate::matches::limit::{Limit, Rate, Unit};
use crate::matches::nft::{EXPRESSION_LENGTH_MAX, Nft};
use crate::option::Test;
use crate::targets::Target;
use crate::targets::connmark::{self, Connmark, Masks, Shift};
use crate::targets::ct::{Ct, ZoneOf};
use crate::targets::log::Log;
use crate::targets::nfqueue::Nfqueue;
use crate::targets::reject::Reject;
use crate::value::Range;
use kinwall_terms::{Family, RejectWith, ZoneScope};
use serde_json::Value;
use std::collections::HashSet;

/// A step of a rule.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Goes on if this holds.
    Ask(Literal),
    /// Does this and goes on.
    Do(Target),
    /// Gives a new connection this helper.
    Helper(String),
    /// Ends the rule.
    End(Verdict),
    /// Ends it with the verdict of the first entry whose tests hold.
    Map(Vec<(Vec<Atom>, Verdict)>),
}

/// How a rule ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// This base chain lets the packet pass.
    Accept,
    /// The connection is translated, and the packet passes.
    Translate(Target),
    /// The packet goes no further: dropped, refused or queued.
    Stop(Target),
    /// The next rule.
    Continue,
    /// Back to the calling chain.
    Return,
    /// To a chain and back.
    Jump(String),
    /// To a chain for good.
    Goto(String),
}

/// What rules are read with.
pub(super) struct Reader<'a> {
    pub(super) listing: &'a Listing,
    pub(super) family: Family,
    /// The sets that packets change, by table and name.
    pub(super) changing: &'a HashSet<(&'a str, &'a str, String)>,
    /// The table of the rule.
    pub(super) table: (&'a str, &'a str),
}

/// Elements of sets that one rule may name.
pub(super) const ELEMENTS_MAX: usize = 65_536;

impl Reader<'_> {
    /// The steps of a rule; what is not known becomes a test that nobody can decide.
    pub(super) fn steps(&self, expr: &[Value]) -> Vec<Step> {
        let mut steps = Vec::new();
        for value in expr {
            match self.statement(value) {
                Some(more) => steps.extend(more),
                None => steps.push(unknown(value)),
            }
            if matches!(steps.last(), Some(Step::End(_) | Step::Map(_))) {
                break;
            }
        }
        steps
    }

    fn statement(&self, value: &Value) -> Option<Vec<Step>> {
        if let Some(verdict) = self.verdict(value) {
            return Some(vec![Step::End(verdict)]);
        }
        let (key, inner) = super::text::only(value)?;
        let one = |step: Step| Some(vec![step]);
        match key {
            "match" => self.comparison(inner),
            "vmap" => one(Step::Map(self.verdicts(inner)?)),
            "limit" => one(Step::Ask(limit(inner)?)),
            "set" | "map" if only_counts(inner) => Some(Vec::new()),
            "set" => one(Step::Ask(self.rate_by_source(inner)?)),
            "log" => one(Step::Do(Target::Log(log(inner)))),
            "notrack" => one(Step::Do(Target::Notrack(crate::targets::notrack::Notrack))),
            "mangle" => mangle(inner),
            "ct helper" => {
                let object = inner.as_str()?;
                let own = |o: &&super::json::CtObject| {
                    (o.family.as_str(), o.table.as_str()) == self.table && o.name == object
                };
                let object = self.listing.helpers.iter().find(own)?;
                let other = match self.family {
                    Family::Ipv4 => "ip6",
                    Family::Ipv6 => "ip",
                };
                if object.l3proto.as_deref() == Some(other) {
                    return Some(Vec::new());
                }
                let proto = value::protocol(object.protocol.as_ref()?)?;
                let asked = Atom::Proto(value::test(proto, false));
                Some(vec![Step::Ask(Literal::One(asked)), Step::Helper(object.kind.clone()?)])
            }
            // They count, or give what the model does not follow.
            "counter" | "last" | "ct timeout" | "secmark" | "flow" | "dup" | "reset" => {
                Some(Vec::new())
            }
            "masquerade" | "snat" | "dnat" | "redirect" => {
                Some(self.translation(key, value, inner))
            }
            _ => None,
        }
    }

    /// What ends a rule.
    pub(super) fn verdict(&self, value: &Value) -> Option<Verdict> {
        let (key, inner) = super::text::only(value)?;
        let target = || Some(inner.get("target")?.as_str()?.to_owned());
        Some(match key {
            "accept" => Verdict::Accept,
            "drop" => Verdict::Stop(Target::Drop),
            "reject" => Verdict::Stop(Target::Reject(Reject { with: self.reject(inner) })),
            "queue" => {
                let queues = inner.get("num").and_then(|num| value::ports(num, None));
                let queues = queues.unwrap_or(Range { min: 0, max: 0 });
                let flag = |name: &str| {
                    inner.get("flags").is_some_and(|flags| match flags {
                        Value::Array(list) => list.iter().any(|flag| flag == name),
                        flag => flag == name,
                    })
                };
                let bypass = flag("bypass");
                let cpu_fanout = flag("fanout");
                Verdict::Stop(Target::Nfqueue(Nfqueue { queues, bypass, cpu_fanout }))
            }
            "continue" => Verdict::Continue,
            "return" => Verdict::Return,
            "jump" => Verdict::Jump(target()?),
            "goto" => Verdict::Goto(target()?),
            _ => return None,
        })
    }

    fn reject(&self, inner: &Value) -> RejectWith {
        use RejectWith as With;
        let kind = inner.get("type").and_then(Value::as_str).unwrap_or("");
        let with = inner.get("expr").and_then(Value::as_str).unwrap_or("port-unreachable");
        if kind == "tcp reset" {
            return With::TcpReset;
        }
        // `icmpx` names what both families have.
        match self.family {
            Family::Ipv4 => match with {
                "net-unreachable" | "no-route" => With::IcmpNetUnreachable,
                "host-unreachable" => With::IcmpHostUnreachable,
                "prot-unreachable" => With::IcmpProtoUnreachable,
                "net-prohibited" => With::IcmpNetProhibited,
                "host-prohibited" => With::IcmpHostProhibited,
                "admin-prohibited" => With::IcmpAdminProhibited,
                _ => With::IcmpPortUnreachable,
            },
            Family::Ipv6 => match with {
                "no-route" => With::Icmp6NoRoute,
                "admin-prohibited" => With::Icmp6AdmProhibited,
                "addr-unreachable" | "host-unreachable" => With::Icmp6AddrUnreachable,
                "policy-fail" => With::Icmp6PolicyFail,
                "reject-route" => With::Icmp6RejectRoute,
                _ => With::Icmp6PortUnreachable,
            },
        }
    }

    fn comparison(&self, inner: &Value) -> Option<Vec<Step>> {
        let invert = match inner.get("op").and_then(Value::as_str).unwrap_or("==") {
            "==" | "in" => false,
            "!=" => true,
            // Only ranges of numbers, which nft prints as such.
            _ => return None,
        };
        let (left, right) = (inner.get("left")?, inner.get("right")?);
        let listed = inner.get("op").and_then(Value::as_str) == Some("in");
        if let Some(steps) = self.any_flag(left, right, listed) {
            return Some(steps);
        }
        let literals = self.literals(left, &self.values(right)?, invert)?;
        Some(literals.into_iter().map(Step::Ask).collect())
    }

    /// `tcp flags syn,ack`: any of the flags.
    fn any_flag(&self, left: &Value, right: &Value, listed: bool) -> Option<Vec<Step>> {
        let is_flags = Field::of(left, self.family) == Some(Field::Flags { mask: None });
        let mask = value::bits(right, value::TCP_FLAGS).filter(|_| is_flags && listed)?;
        let mask = Field::Flags { mask: Some(u8::try_from(mask).ok()?) };
        let Compared { beside, atom } = mask.compare(&Value::from(0), true, self.family)?;
        Some(beside.into_iter().chain([atom]).map(|atom| Step::Ask(Literal::One(atom))).collect())
    }

    /// The values of a right side: of a set all elements.
    fn values<'v>(&'v self, right: &'v Value) -> Option<Vec<&'v Value>> {
        let elements = match right {
            Value::String(name) if name.starts_with('@') => self.named(name)?.iter().collect(),
            Value::Object(_) => match super::text::only(right) {
                Some(("set", Value::Array(list))) => list.iter().collect(),
                Some(("set", one)) => vec![one],
                _ => vec![right],
            },
            _ => vec![right],
        };
        (elements.len() <= ELEMENTS_MAX).then(|| elements.into_iter().map(element).collect())
    }

    /// The elements of a named set that no packet changes.
    pub(super) fn named(&self, name: &str) -> Option<&[Value]> {
        let name = name.strip_prefix('@')?;
        let (family, table) = self.table;
        if self.changing.contains(&(family, table, name.to_owned())) {
            return None;
        }
        let set = self.listing.sets.iter().find(|set| {
            (set.family.as_str(), set.table.as_str(), set.name.as_str()) == (family, table, name)
        })?;
        Some(&set.elem)
    }

    /// What must hold for `left` to be one of `values`, or with `invert` none.
    fn literals(&self, left: &Value, values: &[&Value], invert: bool) -> Option<Vec<Literal>> {
        if let Some(("concat", fields)) = super::text::only(left) {
            let fields = fields.as_array()?;
            let each = values.iter().map(|value| self.concatenated(fields, value));
            let each: Vec<Vec<Atom>> = each.collect::<Option<_>>()?;
            return Some(vec![if invert { Literal::NoneOf(each) } else { Literal::Any(each) }]);
        }
        let field = Field::of(left, self.family)?;
        if field == Field::Elsewhere {
            return Some(vec![Literal::One(Atom::Never)]);
        }
        let flat = |compared: Compared| {
            compared.beside.into_iter().chain([compared.atom]).map(Literal::One).collect()
        };
        if values.len() != 1
            && let Some(compared) = field.compare_all(values, invert)
        {
            return Some(flat(compared));
        }
        let compare = |value: &&Value, invert| field.compare(value, invert, self.family);
        if let [one] = values {
            return compare(one, invert).map(flat);
        }
        let few = values.len() <= NEGATED_MAX && !matches!(field, Field::Interface { .. });
        if invert && few {
            let each: Vec<Compared> =
                values.iter().map(|value| compare(value, true)).collect::<Option<_>>()?;
            return Some(each.into_iter().flat_map(flat).collect());
        }
        let each = values.iter().map(|value| {
            let Compared { mut beside, atom } = compare(value, false)?;
            beside.push(atom);
            Some(beside)
        });
        let each: Vec<Vec<Atom>> = each.collect::<Option<_>>()?;
        Some(vec![if invert { Literal::NoneOf(each) } else { Literal::Any(each) }])
    }

    fn concatenated(&self, fields: &[Value], value: &Value) -> Option<Vec<Atom>> {
        let parts = value.get("concat")?.as_array()?;
        if parts.len() != fields.len() {
            return None;
        }
        let mut atoms = Vec::new();
        for (field, part) in fields.iter().zip(parts) {
            let compared = Field::of(field, self.family)?.compare(part, false, self.family)?;
            atoms.extend(compared.beside.into_iter().chain([compared.atom]));
        }
        Some(atoms)
    }

    /// The entries of a verdict map.
    fn verdicts(&self, inner: &Value) -> Option<Vec<(Vec<Atom>, Verdict)>> {
        let (key, data) = (inner.get("key")?, inner.get("data")?);
        let entries: &[Value] = match data {
            Value::String(name) => self.named(name)?,
            data => data.get("set")?.as_array()?,
        };
        let mut all = Vec::new();
        for entry in entries.iter().take(ELEMENTS_MAX) {
            let [from, to] = entry.as_array()?.as_slice() else { return None };
            let verdict = self.verdict(to)?;
            all.push((self.atoms(key, element(from))?, verdict));
        }
        Some(all)
    }

    /// What must hold for the key of a map to be that of an entry.
    pub(super) fn atoms(&self, key: &Value, from: &Value) -> Option<Vec<Atom>> {
        let mut all = Vec::new();
        for literal in self.literals(key, &[from], false)? {
            match literal {
                Literal::One(atom) => all.push(atom),
                Literal::Any(any) => {
                    let [only] = any.as_slice() else { return None };
                    all.extend(only.iter().cloned());
                }
                Literal::NoneOf(_) => return None,
            }
        }
        Some(all)
    }

    /// `add @rates { ip saddr limit rate over 10/minute }`: a rate for each source.
    fn rate_by_source(&self, inner: &Value) -> Option<Literal> {
        let set = inner.get("set")?.as_str()?.strip_prefix('@')?;
        let [inside] = inner.get("stmt")?.as_array()?.as_slice() else { return None };
        let elem = element(inner.get("elem")?);
        let source = match Field::of(elem, self.family)? {
            Field::Address { source, mask: None } => source,
            Field::Elsewhere => return Some(Literal::One(Atom::Never)),
            _ => return None,
        };
        let (over, Limit { rate: of, burst }) = plain_limit(inside.get("limit")?)?;
        let period = RATE_SCALE.checked_mul(of.unit.seconds())?.checked_div(of.count)?;
        let bits = if self.family == Family::Ipv4 { 32 } else { 128 };
        let rate = rate::Rate::Packets { period, burst: u64::from(burst) };
        Some(Literal::One(Atom::Match(Match::Hashlimit(Hashlimit {
            rate: Test { invert: over, value: rate },
            mode: if source { Mode::SRCIP } else { Mode::DSTIP },
            name: set.into(),
            src_mask: bits,
            dst_mask: bits,
            size: 0,
            max: 0,
            gc_interval_ms: 1_000,
            expire_ms: u32::try_from(of.unit.seconds()).ok()?.saturating_mul(1_000),
            rate_interval_s: None,
        }))))
    }
}

/// Whether what is put into a set is at most counted.
fn only_counts(inner: &Value) -> bool {
    let inside = inner.get("stmt").and_then(Value::as_array);
    inside.into_iter().flatten().all(|inside| inside.get("counter").is_some())
}

/// Values that are excluded one by one within a rule.
const NEGATED_MAX: usize = 16;

/// Parts of a second in which rates are kept.
const RATE_SCALE: u64 = 1_000_000;

/// An element without what is kept beside it.
pub(super) fn element(value: &Value) -> &Value {
    value.get("elem").and_then(|elem| elem.get("val")).unwrap_or(value)
}

/// A statement that is not known: whether it holds, nobody can say.
pub(super) fn unknown(value: &Value) -> Step {
    let mut expression = super::text::statement(value);
    let end = (0..=EXPRESSION_LENGTH_MAX.min(expression.len()))
        .rev()
        .find(|at| expression.is_char_boundary(*at));
    expression.truncate(end.unwrap_or(0));
    Step::Ask(Literal::One(Atom::Match(Match::Nft(Nft { expression }))))
}

fn limit(inner: &Value) -> Option<Literal> {
    let (over, limit) = plain_limit(inner)?;
    let atom = Atom::Match(Match::Limit(limit));
    Some(if over { Literal::NoneOf(vec![vec![atom]]) } else { Literal::One(atom) })
}

/// A rate of packets, and whether what exceeds it is meant.
fn plain_limit(inner: &Value) -> Option<(bool, Limit)> {
    let word = |name: &str| inner.get(name).and_then(Value::as_str);
    if word("rate_unit").is_some_and(|unit| unit != "packets") {
        return None;
    }
    let mut count = inner.get("rate")?.as_u64().filter(|count| *count > 0)?;
    let unit = match word("per").unwrap_or("second") {
        "second" => Unit::Second,
        "minute" => Unit::Minute,
        "hour" => Unit::Hour,
        "day" => Unit::Day,
        "week" => {
            count = count.div_ceil(7);
            Unit::Day
        }
        _ => return None,
    };
    let burst = inner.get("burst").and_then(Value::as_u64).filter(|burst| *burst > 0);
    let burst = u32::try_from(burst.unwrap_or(BURST_DEFAULT)).ok()?;
    let over = inner.get("inv") == Some(&Value::Bool(true));
    Some((over, Limit { rate: Rate { count, unit }, burst }))
}

/// Packets at once, where a limit does not say.
const BURST_DEFAULT: u64 = 5;

fn log(inner: &Value) -> Log {
    Log {
        prefix: inner.get("prefix").and_then(Value::as_str).unwrap_or("").to_owned(),
        level: 4,
        tcp_sequence: false,
        tcp_options: false,
        ip_options: false,
        uid: false,
        macdecode: false,
    }
}

/// `meta mark set 1`, `ct mark set meta mark`.
fn mangle(inner: &Value) -> Option<Vec<Step>> {
    let (key, to) = (inner.get("key")?, inner.get("value")?);
    let is = |value: &Value, of: &str, key: &str| {
        value.get(of).and_then(|of| of.get("key")).and_then(Value::as_str) == Some(key)
    };
    let all = Masks { packet: u32::MAX, connection: u32::MAX };
    let copy = |action| Target::Connmark(Connmark { action, shift: Shift::Left(0) });
    let number = || u32::try_from(value::number(to, &[])?).ok();
    let is_mark = is(key, "meta", "mark");
    let target = if is_mark && is(to, "ct", "mark") {
        copy(connmark::Action::Restore(all))
    } else if is(key, "ct", "mark") && is(to, "meta", "mark") {
        copy(connmark::Action::Save(all))
    } else if is_mark {
        let (value, mask) = marked(key, to, number())?;
        Target::Mark(crate::targets::mark::Mark { value, mask })
    } else if is(key, "ct", "mark") {
        let (value, mask) = marked(key, to, number())?;
        copy(connmark::Action::Set { value, mask })
    } else if is(key, "ct", "zone") {
        let of = match is(to, "meta", "mark") {
            true => ZoneOf::Mark,
            false => ZoneOf::Id(u16::try_from(number()?).ok()?),
        };
        let zone = Some((of, ZoneScope::Both));
        Target::Ct(Ct { zone, ..Ct::default() })
    } else if is(key, "meta", "nftrace") {
        Target::Trace(crate::targets::trace::Trace)
    } else {
        return match is_read_by_rules(key) {
            true => None,
            false => Some(Vec::new()),
        };
    };
    Some(vec![Step::Do(target)])
}

/// Whether later rules may ask for what is written here.
fn is_read_by_rules(key: &Value) -> bool {
    let name = |of: &str| key.get(of).and_then(|of| of.get("key")).and_then(Value::as_str);
    let harmless_meta = Some("priority");
    let harmless_ct = [Some("event"), Some("label"), Some("secmark")];
    !(key.get("meta").is_some() && name("meta") == harmless_meta
        || key.get("ct").is_some() && harmless_ct.contains(&name("ct"))
        || key.get("tcp option").is_some())
}

/// A mark's new value: a number, or its own bits changed: `meta mark | 0x10`.
fn marked(key: &Value, to: &Value, number: Option<u32>) -> Option<(u32, u32)> {
    if let Some(number) = number {
        return Some((number, u32::MAX));
    }
    let (operation, parts) = super::text::only(to)?;
    let [own, other] = parts.as_array()?.as_slice() else { return None };
    let bits = u32::try_from(value::number(other, &[])?).ok()?;
    if own != key {
        // `meta mark & 0xff | 0x100` clears, then sets.
        let (and, inner) = super::text::only(own)?;
        let [inmost, kept] = inner.as_array()?.as_slice() else { return None };
        let kept = u32::try_from(value::number(kept, &[])?).ok()?;
        return (and == "&" && inmost == key)
            .then_some(match operation {
                "|" => Some((bits, !kept | bits)),
                "^" => Some((bits, !kept)),
                _ => None,
            })
            .flatten();
    }
    match operation {
        "|" => Some((bits, bits)),
        "^" => Some((bits, 0)),
        "&" => Some((0, !bits)),
        _ => None,
    }
}
