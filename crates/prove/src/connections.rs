//! The connections there can be: what rules let begin, and what those announce, and so on.

use crate::announce::{BESIDE, Masters, directions};
use crate::reach::Reach;
use crate::situation::{Situation, Tracked};
use crate::space::{Set, TooLarge};
use kinwall_helpers::HelperKind;
use kinwall_terms::freedom::{Announcer, Row};

/// Every connection that rules let begin, whoever begins it.
#[derive(Clone)]
pub struct Connections {
    /// The tuples of those that nobody announced.
    pub plain: Set,
    /// The tuples of those that a helper announced, by that helper.
    pub announced: Vec<(u8, Set)>,
    /// Those that have a helper.
    pub masters: Vec<Masters>,
}

impl Reach<'_> {
    /// What there can be. A child that has a helper announces in its turn, until nothing new
    /// comes.
    pub fn connections(&mut self) -> Result<Connections, TooLarge> {
        if let Some(known) = &self.connections {
            return Ok(known.clone());
        }
        let mut plain = self.space.nothing();
        let mut found = Connections { plain: plain.clone(), announced: vec![], masters: vec![] };
        for sent in [false, true] {
            let situation = Situation::received(Tracked::First).sent(sent);
            let opened = self.all_through(situation)?;
            plain = self.space.or(&plain, &self.space.forget(&opened, &BESIDE));
            for (helper, rule, opened) in self.assigned(sent)? {
                let opened = self.meant(&opened);
                if self.space.is_empty(&opened) {
                    continue;
                }
                let rules = rule.into_iter().collect();
                self.add_masters(
                    &mut found.masters,
                    Masters { helper, parent: None, rules, opened },
                );
            }
        }
        found.plain = plain;
        let mut new = found.masters.clone();
        while let Some(masters) = new.pop() {
            for (row, children) in self.children_of(&masters)? {
                new.extend(self.add_children(&mut found, &masters, row, children)?);
            }
        }
        self.connections = Some(found.clone());
        Ok(found)
    }

    /// The children that may be announced on `masters` by row.
    fn children_of(&mut self, masters: &Masters) -> Result<Vec<(&'static Row, Set)>, TooLarge> {
        let Some(instance) = self.given.instances.get(masters.helper).cloned() else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for row in self.rows_on(masters) {
            for direction in directions(row.announcer) {
                let by_gateway = row.announcer == Announcer::Gateway;
                let announcing = match by_gateway {
                    true => self.broadcasts(masters),
                    false => self.announcing(masters, *direction)?,
                };
                let children = self.children(&instance, row, *direction, &announcing);
                found.push((row, children));
            }
        }
        self.space.check()?;
        Ok(found)
    }

    /// The rows of a helper that hold here.
    fn rows(&self, helper: u8) -> Vec<&'static Row> {
        let Some(instance) = self.given.instances.get(helper) else { return Vec::new() };
        let (profile, family) = (self.given.profile, self.family());
        instance.helper.rows(profile, family, &instance.options).collect()
    }

    /// The rows of the helper of `masters` that hold on these connections: on one that was
    /// announced itself, a phone does not register (SIP), nor a gatekeeper send elsewhere (RAS).
    pub(crate) fn rows_on(&self, masters: &Masters) -> Vec<&'static Row> {
        let mut rows = self.rows(masters.helper);
        if masters.parent.is_some() {
            rows.retain(|row| !matches!(row.child, Some("sip" | "RAS")));
        }
        rows
    }

    /// The masters that the gateway itself opened: its broadcasts are among them.
    fn broadcasts(&self, masters: &Masters) -> Set {
        let local = self.universe.local_input();
        let own = self.space.numbers(crate::field::Field::Input, &[(local, local)]);
        self.space.forget(&self.space.and(&masters.opened, &own), &BESIDE)
    }

    fn add_masters(&self, known: &mut Vec<Masters>, new: Masters) {
        let same = |m: &&mut Masters| {
            (m.helper, m.parent, &m.rules) == (new.helper, new.parent, &new.rules)
        };
        match known.iter_mut().find(same) {
            Some(masters) => masters.opened = self.space.or(&masters.opened, &new.opened),
            None => known.push(new),
        }
    }

    /// Those children that rules let pass become connections, and masters if they get a helper:
    /// the new ones among them.
    fn add_children(
        &mut self,
        found: &mut Connections,
        masters: &Masters,
        row: &'static Row,
        children: Set,
    ) -> Result<Option<Masters>, TooLarge> {
        let mut opened = self.space.nothing();
        for sent in [false, true] {
            let situation = Situation::received(Tracked::First).of(Some(masters.helper)).sent(sent);
            let passing = self.all_through(situation)?;
            opened = self.space.or(&opened, &self.space.and(&passing, &children));
        }
        let tuples = self.space.forget(&opened, &BESIDE);
        match found.announced.iter_mut().find(|(helper, _)| *helper == masters.helper) {
            Some((_, known)) => *known = self.space.or(known, &tuples),
            None => found.announced.push((masters.helper, tuples)),
        }
        self.space.check()?;
        let parent = Some(masters.helper);
        let child = child_of(row).and_then(|kind| self.given.instances.child(masters.helper, kind));
        let Some(helper) = child else { return Ok(None) };
        let same = |m: &&Masters| (m.helper, m.parent) == (helper, parent);
        let new = match found.masters.iter().find(same) {
            Some(known) => self.space.minus(&opened, &known.opened),
            None => opened,
        };
        if self.space.is_empty(&new) {
            return Ok(None);
        }
        let new = Masters { helper, parent, rules: Vec::new(), opened: new };
        self.add_masters(&mut found.masters, new.clone());
        Ok(Some(new))
    }
}

/// The helper that a child announced under this row gets.
fn child_of(row: &Row) -> Option<HelperKind> {
    HelperKind::by_name(row.child?)
}
