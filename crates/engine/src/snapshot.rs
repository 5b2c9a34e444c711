//! The state of an engine as plain data: what a gateway keeps over a restart.
//!
//! Connections, expectations, and what helpers remember of them are copied; an engine that was
//! restored goes on as the one that was copied would have. What is not copied begins anew: rules'
//! memory (counters, rates, recent addresses, sets), fragments that wait for others, what was
//! counted since the start, and what is being decided of a packet under way.
//!
//! Helpers are known by their names and ports. One that is no longer registered takes with it
//! what it expects; its connections live on without. A helper of another kind under an old name
//! begins anew, with streams that it has not seen the beginning of and does not read.

use crate::engine::Engine;
use crate::help::HelpState;
use crate::rewrite::{Kept, KeptSnapshot};
use kinwall_conntrack::snapshot::{RestoreError, TableSnapshot};
use kinwall_conntrack::stream::Stream;
use kinwall_conntrack::{Copying, HelperId};
use kinwall_helpers::{Instance, Instances, Scratch};
use kinwall_terms::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most rewrites that are kept of a connection, both directions together.
const KEPT_MAX_COUNT: usize = 2 * kinwall_conntrack::REWRITES_MAX;

/// The state of an engine at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// The helpers that were registered: what a [`HelperId`] in the table means.
    pub helpers: Vec<HelperName>,
    /// Connections and expectations.
    pub table: TableSnapshot<HelpSnapshot>,
}

/// By what a helper is found again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelperName {
    /// The name that rules say.
    pub name: String,
    /// The port it is registered on.
    pub port: Option<u16>,
}

/// What is remembered for a connection with a helper.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HelpSnapshot {
    scratch: Scratch,
    remembered: [u32; 2],
    streams: [Stream; 2],
    blind: bool,
    rewritten: Vec<KeptSnapshot>,
}

/// What became of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Connections in the table.
    pub connections: u32,
    /// Expectations in the table.
    pub expectations: u32,
    /// Connections that would have ended in the meantime.
    pub expired: u32,
    /// Connections whose helper is no longer registered.
    pub helperless: u32,
}

/// A snapshot under way: [`Engine::snapshot_on`].
#[derive(Debug)]
pub struct CopyingState(Copying<HelpSnapshot>);

impl CopyingState {
    /// One that begins now.
    pub fn new(now: Time) -> CopyingState {
        CopyingState(Copying::new(now))
    }
}

impl Snapshot {
    /// Makes of a snapshot that was taken in steps one that can be restored.
    pub fn settle(&mut self) {
        self.table.settle();
    }

    /// A state of nothing, for connections that are to be added by their tuples.
    pub fn empty(taken: Time) -> Snapshot {
        let table = TableSnapshot::empty(taken);
        Snapshot { helpers: Vec::new(), table }
    }
}

impl Engine {
    /// Copies the state, after what has expired was removed. To be asked for between packets.
    pub fn snapshot(&mut self, now: Time) -> Snapshot {
        let table = self.conntrack.snapshot(now, HelpSnapshot::of);
        Snapshot { helpers: self.helper_names(), table }
    }

    /// Goes on with a copy, `budget` connections at most, between packets: `Ok` with the whole of
    /// it once there is no more. That is to be [settled](Snapshot::settle) then, which needs no
    /// engine and another thread may do.
    pub fn snapshot_on(
        &self,
        now: Time,
        mut copying: CopyingState,
        budget: usize,
    ) -> Result<Snapshot, CopyingState> {
        match self.conntrack.copy_on(&mut copying.0, now, budget, HelpSnapshot::of) {
            true => {
                let table = self.conntrack.copied(copying.0, now);
                Ok(Snapshot { helpers: self.helper_names(), table })
            }
            false => Err(copying),
        }
    }

    fn helper_names(&self) -> Vec<HelperName> {
        let name =
            |instance: &Instance| HelperName { name: instance.name.clone(), port: instance.port };
        self.settings.instances.list().iter().map(name).collect()
    }

    /// Goes on from a snapshot, with an engine that has no connections yet. `now` and the instant
    /// of the snapshot are of one clock: what has passed between them has passed for connections
    /// and expectations, and nothing where that clock was set back.
    ///
    /// # Errors
    ///
    /// The snapshot says what cannot be. Nothing is tracked then.
    pub fn restore(&mut self, now: Time, snapshot: Snapshot) -> Result<Restored, RestoreError> {
        let Snapshot { helpers, mut table } = snapshot;
        let there = table.connections.len();
        let helperless = name_anew(&mut table, &Names::new(&helpers, &self.settings.instances));
        let instances = &self.settings.instances;
        for connection in &mut table.connections {
            let Some(instance) = connection.helper.and_then(|helper| instances.get(helper.0))
            else {
                connection.scratch = None;
                continue;
            };
            let kind = instance.helper.kind;
            match &connection.scratch {
                Some(kept) if kept.scratch.kind() == kind => {}
                _ => connection.scratch = Some(HelpSnapshot::new(kind.scratch())),
            }
        }
        self.conntrack.restore(now, table, HelpSnapshot::into_state)?;
        self.courses.forget();
        self.expire(now, usize::MAX);
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let connections = self.conntrack.count();
        Ok(Restored {
            connections,
            expectations: self.conntrack.expectation_count(),
            expired: count(there).saturating_sub(connections),
            helperless: count(helperless),
        })
    }
}

/// What the helpers of a snapshot are now, by their old numbers.
struct Names(Vec<Option<HelperId>>);

impl Names {
    fn new(helpers: &[HelperName], instances: &Instances) -> Names {
        let find = |name: &HelperName| {
            let list = instances.list().iter();
            let by_name = list.zip(0..).filter(|(instance, _)| instance.name == name.name);
            let found = by_name.clone().find(|(instance, _)| instance.port == name.port);
            found.or_else(|| by_name.clone().next()).map(|(_, place)| HelperId(place))
        };
        Names(helpers.iter().map(find).collect())
    }

    fn now(&self, helper: HelperId) -> Option<HelperId> {
        self.0.get(usize::from(helper.0)).copied().flatten()
    }
}

/// Gives helpers their present numbers. Returns how many connections lose theirs.
fn name_anew(table: &mut TableSnapshot<HelpSnapshot>, names: &Names) -> usize {
    let now = |helper: Option<HelperId>| helper.and_then(|helper| names.now(helper));
    let mut helperless = BTreeSet::new();
    for connection in &mut table.connections {
        let had = connection.helper;
        connection.helper = now(had);
        if had.is_some() && connection.helper.is_none() {
            helperless.insert(connection.serial);
        }
        if let Some(master) = &mut connection.master {
            master.helper = now(master.helper);
            master.child_helper = now(master.child_helper);
        }
    }
    table.expectations.retain_mut(|expectation| {
        let child = expectation.child_helper;
        expectation.child_helper = now(child);
        let helper = names.now(expectation.helper);
        let stays = !helperless.contains(&expectation.master)
            && child.is_some() == expectation.child_helper.is_some();
        helper.is_some_and(|helper| {
            expectation.helper = helper;
            stays
        })
    });
    table.calls.retain(|call| !helperless.contains(&call.master));
    helperless.len()
}

impl HelpSnapshot {
    /// What a helper remembers of a connection that it has not seen the beginning of.
    fn new(scratch: Scratch) -> HelpSnapshot {
        HelpSnapshot {
            scratch,
            remembered: [0; 2],
            streams: Default::default(),
            blind: false,
            rewritten: Vec::new(),
        }
    }

    fn of(state: &HelpState) -> HelpSnapshot {
        HelpSnapshot {
            scratch: state.scratch.clone(),
            remembered: state.remembered,
            streams: state.streams.clone(),
            blind: state.blind,
            rewritten: state.rewritten.iter().map(Kept::snapshot).collect(),
        }
    }

    fn into_state(self) -> HelpState {
        let rewritten = self.rewritten.into_iter().take(KEPT_MAX_COUNT);
        HelpState {
            scratch: self.scratch,
            remembered: self.remembered,
            streams: self.streams.map(Stream::sound),
            blind: self.blind,
            rewritten: rewritten.filter_map(KeptSnapshot::restore).collect(),
        }
    }
}
