//! Courses: ways through the rules that are known by heart.
//!
//! Most packets belong to an open connection, and all of one direction of it meet the same rules
//! with the same answers, as long as these rules ask only for what such packets have in common:
//! addresses, ports, protocol, interfaces, the ct state ESTABLISHED, and the routes behind them.
//! The first of these packets is walked through the tables; the course it took (the rules that
//! matched, the way out) is noted with the connection, and the packets after it follow.
//!
//! A course is noted only where every rule that was tried is of that kind (the rules crate says
//! of each whether it is) and the packet passed; one rule with a limit, a mark or a length, and
//! each packet is walked through the tables again. Nothing else of a packet's path is cut short:
//! checksums, tracking, hop limits and counters are the packet's own. When a setting changes, all
//! courses are forgotten.

use crate::outcome::Path;
use kinwall_rules::eval::RuleId;
use kinwall_terms::InterfaceName;
use std::collections::BTreeMap;

/// Most courses. Connections whose course is one more are walked packet by packet.
const COURSES_MAX: usize = u16::MAX as usize - 1;

/// A way through the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Course {
    pub(crate) in_iface: Option<InterfaceName>,
    pub(crate) out_iface: Option<InterfaceName>,
    pub(crate) path: Path,
    /// The rule of the filter table that accepted.
    pub(crate) rule: Option<RuleId>,
    /// The rules that match before the packet is tracked, and after.
    pub(crate) before: Box<[RuleId]>,
    pub(crate) after: Box<[RuleId]>,
}

/// The courses that are known.
#[derive(Debug, Default)]
pub(crate) struct Courses {
    list: Vec<Course>,
    /// Numbers of courses, by what makes them up.
    known: BTreeMap<Box<[u32]>, u16>,
    /// Courses below this number are forgotten.
    first: usize,
    /// What a course is looked for by; kept for its memory.
    spelt: Vec<u32>,
}

impl Courses {
    /// The course with this number, as noted with a connection; 0 is none.
    #[inline]
    pub(crate) fn get(&self, number: u16) -> Option<&Course> {
        let index = usize::from(number).checked_sub(1)?;
        if index < self.first { None } else { self.list.get(index) }
    }

    /// The number of a course; `None` when there are too many. `rules` are those that match, the
    /// first `before` of them before tracking.
    pub(crate) fn number(
        &mut self,
        ends: [Option<InterfaceName>; 2],
        path: Path,
        rule: Option<RuleId>,
        rules: &[RuleId],
        before: usize,
    ) -> Option<u16> {
        self.spelt.clear();
        for name in &ends {
            let bytes = name.as_ref().map_or([0; 16], |name| *name.bytes());
            let (words, _) = bytes.as_chunks::<4>();
            self.spelt.extend(words.iter().map(|word| u32::from_ne_bytes(*word)));
        }
        let rule_number = rule.map_or(u32::MAX, |rule| rule.0);
        self.spelt.extend([path as u32, rule_number, before as u32]);
        self.spelt.extend(rules.iter().map(|rule| rule.0));
        if let Some(number) = self.known.get(self.spelt.as_slice()) {
            return Some(*number);
        }
        if self.list.len() >= COURSES_MAX {
            return None;
        }
        let (before, after) = rules.split_at_checked(before)?;
        let [in_iface, out_iface] = ends;
        let (before, after) = (before.into(), after.into());
        self.list.push(Course { in_iface, out_iface, path, rule, before, after });
        let number = self.list.len() as u16;
        self.known.insert(self.spelt.as_slice().into(), number);
        Some(number)
    }

    /// Forgets every course: what connections have noted means nothing from now on.
    pub(crate) fn forget(&mut self) {
        self.first = self.list.len();
        self.known.clear();
    }
}
