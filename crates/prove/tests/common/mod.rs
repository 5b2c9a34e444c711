//! A gateway from texts, and what is proved of it.

use kinwall_engine::{Engine, Settings};
use kinwall_prove::reach::{Given, Reach};
use kinwall_prove::rulebook::Rulebook;
use kinwall_prove::universe::UniverseBuilder;
use kinwall_rules::load::{Defines, Loaded, Source, load};
use kinwall_rules::program::{Options, Program};
use kinwall_terms::{Family, KernelVersion, Profile};
use kinwall_topology::Topology;

/// A gateway: rules of both families, topology and settings.
pub(crate) struct Gateway {
    pub(crate) loaded: Loaded,
    pub(crate) engine: Engine,
}

impl Gateway {
    /// `rules` is a script; `settings` are set as with `--set`.
    pub(crate) fn new(rules: &str, topology: &str, settings: &[(&str, &str)]) -> Gateway {
        Gateway::of(rules, None, topology, settings)
    }

    /// The same of rules of one family, as `iptables-save` prints them.
    pub(crate) fn of(
        rules: &str,
        family: Option<Family>,
        topology: &str,
        settings: &[(&str, &str)],
    ) -> Gateway {
        let kernel = KernelVersion::new(5, 10, 0);
        let mut topology = Topology::from_toml(topology, "topology").expect("a topology");
        let mut of = Settings::of(kernel, Profile::Linux, &mut topology).expect("settings");
        for (key, value) in settings {
            of.set(&mut topology, key, value).expect("a setting");
        }
        let source = Source { name: "rules", text: rules, family };
        let loaded = load(&[source], &Defines::default()).expect("rules");
        let program = |f| Some(Program::compile(loaded.ruleset(f)?, &Options::default()));
        let engine = Engine::new(topology, of, Family::ALL.map(program), 3);
        Gateway { loaded, engine }
    }

    /// Asks something of the rules of `family`.
    pub(crate) fn ask<T>(&self, family: Family, question: impl FnOnce(&mut Reach<'_>) -> T) -> T {
        let ruleset = self.loaded.ruleset(family).expect("rules of the family");
        let book = Rulebook::new(ruleset, []);
        let settings = self.engine.settings();
        let given = Given {
            book: &book,
            topology: self.engine.topology(),
            instances: self.engine.instances(),
            profile: settings.profile,
            automatic: settings.automatic_assignment(),
            tcp_loose: settings.tracking.tunables.tcp.loose,
            work: &|_| (),
        };
        let mut builder = UniverseBuilder::new(family, self.engine.topology());
        builder.rulebook(&book);
        builder.helpers(self.engine.instances());
        question(&mut Reach::new(given, builder.build()).expect("memory"))
    }
}
