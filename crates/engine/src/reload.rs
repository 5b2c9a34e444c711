//! What is changed by hand while connections are tracked: the rules, and the tables.

use crate::engine::Engine;
use kinwall_conntrack::{ConnId, ExpId};
use kinwall_rules::diagnostic::Diagnostic;
use kinwall_rules::memory::Memory;
use kinwall_rules::program::Program;
use kinwall_rules::sets::{Overview, Sets};
use kinwall_terms::{Family, Time};

impl Engine {
    /// Removes a connection, and its expectations. False: there is no such one.
    pub fn delete(&mut self, id: ConnId) -> bool {
        self.conntrack.kill(id)
    }

    /// Removes an expectation. False: there is no such one.
    pub fn delete_expectation(&mut self, id: ExpId) -> bool {
        self.conntrack.remove_expectation(id)
    }

    /// Removes every connection and expectation.
    pub fn flush(&mut self) {
        self.conntrack.flush();
    }

    /// Changes a set, as ipset(8) would: see [`Sets::change`]. It holds for every packet from now
    /// on.
    ///
    /// # Errors
    ///
    /// As [`Sets::change`]; nothing has changed then.
    pub fn change_set(&mut self, command: &str, now: Time) -> Result<Overview, Diagnostic> {
        self.memory.sets.change(command, now)
    }

    /// From now on these rules and sets hold. Connections and expectations stay, and what a rule
    /// has given them; counters begin anew, and so does what rules remember of packets. Whether
    /// connections are translated stays as it was said last ([`Engine::set_translation`]), for
    /// those that are open already it is as it was.
    pub fn set_rules(&mut self, programs: [Option<Program>; 2], sets: Sets, seed: u64) {
        let loaded: Vec<&Program> = programs.iter().flatten().collect();
        if loaded.iter().any(|program| program.needs_accounting()) {
            // Those that are open already have no counters, as in Linux.
            let _ = self.conntrack.set("nf_conntrack_acct", "1");
            self.settings.tracking.acct = true;
        }
        let log = std::mem::take(&mut self.memory.log);
        self.memory = Memory::new(&loaded, seed);
        self.memory.log = log;
        self.memory.take_sets(sets);
        self.programs = programs;
        self.courses.forget();
        let on = self.readdresses;
        self.translates = Family::ALL.map(|family| on && self.has_nat(family));
    }
}
