//! Who reaches whom with a service: between every two interfaces, what opens a connection, what
//! passes as an announced one, and what of both can be answered.

use crate::exposure::Flows;
use crate::field::Field;
use crate::question::{port_range, protocol};
use crate::reach::Reach;
use crate::situation::{Situation, Tracked};
use crate::space::{Set, TooLarge};
use crate::universe::UniverseBuilder;
use kinwall_terms::{Direction, InterfaceName, L4Proto};
use std::collections::BTreeMap;

/// A protocol and its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// The protocol.
    pub proto: L4Proto,
    /// Ports, inclusive.
    pub ports: (u16, u16),
}

impl Service {
    /// Reads `PROTOCOL [PORT[-PORT]]`. What is wrong is said with what would be right.
    pub fn parse(text: &str) -> Result<Service, String> {
        let mut words = text.split_whitespace();
        let form = "a service is PROTOCOL [PORT[-PORT]], such as `tcp 22`";
        let proto = protocol(words.next().ok_or(form)?)?;
        let ports = words.next().map_or(Ok((0, u16::MAX)), port_range)?;
        match words.next() {
            None => Ok(Service { proto, ports }),
            Some(word) => Err(format!("`{word}` is not understood: {form}")),
        }
    }

    /// Keeps apart what the service names.
    pub fn prepare(&self, builder: &mut UniverseBuilder) {
        builder.ports(self.ports.0, self.ports.1);
        builder.proto(self.proto);
    }
}

/// What passes from one interface to another; `None` is the gateway itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Flows that open connections of their own.
    pub new: Vec<Flows>,
    /// The same, where the nat table changes their destination or source: as the filter table
    /// sees them.
    pub translated: Vec<Flows>,
    /// Flows that a helper may announce, by helper instance.
    pub related: Vec<(u8, Vec<Flows>)>,
    /// Of all these, the ones whose later packets pass both ways.
    pub established: Vec<Flows>,
}

/// Interfaces from and to.
pub type Between = (Option<InterfaceName>, Option<InterfaceName>);

impl Reach<'_> {
    /// Who reaches whom with `service`. Nothing is said of interfaces between which nothing passes.
    pub fn matrix(&mut self, service: &Service) -> Result<BTreeMap<Between, Cell>, TooLarge> {
        let wanted = self.first_packets(service);
        let mut cells: BTreeMap<Between, Cell> = BTreeMap::new();
        let translations = self.translations()?;
        self.look_beside(&translations);
        self.pass(&wanted, false, &mut cells)?;
        if !translations.is_empty() {
            self.look_through(&translations);
            self.pass(&wanted, true, &mut cells)?;
        }
        self.look_plainly();
        self.space.check()?;
        Ok(cells)
    }

    /// Adds what passes of `wanted`, on connections that are translated or on those that are not.
    fn pass(
        &mut self,
        wanted: &Set,
        translated: bool,
        cells: &mut BTreeMap<Between, Cell>,
    ) -> Result<(), TooLarge> {
        let opened = self.opening(None, wanted)?;
        let opened = self.meant(&opened);
        self.add(cells, &opened, |cell, flows| match translated {
            true => cell.translated.push(flows),
            false => cell.new.push(flows),
        });
        let mut both_ways = self.answered(&opened, None)?;
        for (helper, tuples) in self.connections()?.announced {
            let passing = self.opening(Some(helper), wanted)?;
            let passing = self.space.and(&passing, &tuples);
            self.add(cells, &passing, |cell, flows| {
                match cell.related.iter_mut().find(|(known, _)| *known == helper) {
                    Some((_, list)) => list.push(flows),
                    None => cell.related.push((helper, vec![flows])),
                }
            });
            let answered = self.answered(&passing, Some(helper))?;
            both_ways = self.space.or(&both_ways, &answered);
        }
        self.add(cells, &both_ways, |cell, flows| cell.established.push(flows));
        Ok(())
    }

    /// Packets that may open a connection of the service.
    fn first_packets(&self, service: &Service) -> Set {
        let (min, max) = service.ports;
        let ports = self.space.numbers(Field::Dport, &self.universe.port_range(min, max));
        let proto = self.proto(service.proto);
        let begins = self.begins();
        self.space.all_of([&ports, &proto, &begins])
    }

    /// Those of `wanted` that pass as the first of a connection, announced or not.
    fn opening(&mut self, helper: Option<u8>, wanted: &Set) -> Result<Set, TooLarge> {
        let situation = Situation::received(Tracked::First).of(helper);
        let received = self.all_through(situation)?;
        // The gateway sends from addresses of its own.
        let own = &self.routes(situation).local;
        let beside: Vec<Field> = Field::ALL.into_iter().filter(|f| *f != Field::Dst).collect();
        let own = self.space.forget(own, &beside);
        let own = self.space.rename(&own, &[(Field::Dst, Field::Src)]);
        let sent = self.all_through(situation.sent(true))?;
        let sent = self.space.and(&sent, &own);
        Ok(self.space.and(wanted, &self.space.or(&received, &sent)))
    }

    /// Those of which later packets pass both ways.
    fn answered(&mut self, first: &Set, helper: Option<u8>) -> Result<Set, TooLarge> {
        let there = self.speaking(Direction::Original, helper)?;
        let back = self.speaking(Direction::Reply, helper)?;
        Ok(self.space.all_of([first, &there, &back]))
    }

    fn add(
        &mut self,
        cells: &mut BTreeMap<Between, Cell>,
        set: &Set,
        put: impl Fn(&mut Cell, Flows),
    ) {
        for flows in self.flows_of(&self.space.forget(set, &[Field::Mac, Field::Flags])) {
            // What the gateway sends to itself reaches nobody.
            if flows.output == Some(InterfaceName::LOOPBACK) {
                continue;
            }
            put(cells.entry((flows.input, flows.output)).or_default(), flows);
        }
    }
}
