//! Helpers as the module settings register them: names, ports, options, guards.
//!
//! Without settings there is one instance a helper, under its plain name and port. `ports=`
//! replaces a module's instance by one for each port, renamed where the port is not the default
//! one (`ftp-2121`, `irc-0`). A connection's helper is an instance, not a helper: `-m helper`
//! compares the instance's name.

use crate::effects::Effects;
use crate::guard::Guard;
use crate::helper::{Helper, PortsOption, Segment};
use crate::options::{OptionIndex, OptionValues, parse_number};
use crate::registry::{HelperKind, Scratch};
use kinwall_terms::{Family, KernelVersion, L4Proto, Profile};

/// Ports a `ports=` option holds at most (the kernel's behaviour).
pub const PORTS_MAX_COUNT: usize = 8;

/// A helper under the name that a rule says.
#[derive(Clone)]
pub struct Instance {
    /// Name, at most 15 characters.
    pub name: String,
    /// What it is.
    pub helper: &'static Helper,
    /// The port it is registered on; `None` for a helper that only children get.
    pub port: Option<u16>,
    /// Its module's options.
    pub options: OptionValues,
    /// What it is not allowed to expect.
    pub guard: Guard,
}

impl Instance {
    /// Shows one packet (or what the stream has to offer) to the helper. `effects` is cleared
    /// first. Returns how many bytes of the payload are done with; in `linux`, always all.
    ///
    /// What is proposed is to be held to the guard ([`Guard::hold`]) before it is applied.
    pub fn inspect(
        &self,
        profile: Profile,
        segment: &Segment<'_>,
        scratch: &mut Scratch,
        effects: &mut Effects,
    ) -> usize {
        effects.clear();
        let consumed = match profile {
            Profile::Linux => {
                (self.helper.linux)(segment, scratch, effects);
                segment.payload.len()
            }
            Profile::Strict => (self.helper.strict)(segment, scratch, effects),
        };
        consumed.min(segment.payload.len())
    }
}

/// Every registered instance. Its position is its identity; at most 255.
#[derive(Clone)]
pub struct Instances {
    list: Vec<Instance>,
    kernel: KernelVersion,
    profile: Profile,
}

impl Instances {
    /// Every helper on its default port, with default options, and with the guard that the
    /// profile brings: none in `linux`, each helper's own in `strict`.
    pub fn new(kernel: KernelVersion, profile: Profile) -> Instances {
        let instance = |kind: &HelperKind| {
            let helper = kind.helper();
            Instance {
                name: helper.name.to_owned(),
                helper,
                port: helper.default_port,
                options: OptionValues::defaults(helper),
                guard: Guard::of(profile, &helper.guard),
            }
        };
        Instances { list: HelperKind::ALL.iter().map(instance).collect(), kernel, profile }
    }

    /// All of them; the position is the identity.
    pub fn list(&self) -> &[Instance] {
        &self.list
    }

    /// The instance at position `index`.
    pub fn get(&self, index: u8) -> Option<&Instance> {
        self.list.get(usize::from(index))
    }

    /// The instance that `-p L4 -j CT --helper NAME` means in a table of `family`.
    pub fn assigned(&self, name: &str, family: Family, l4: L4Proto) -> Result<u8, NoSuchHelper> {
        let fits = |i: &Instance| i.helper.families.contains(&family) && i.helper.l4.contains(&l4);
        match self.position(|i| i.name == name && fits(i)) {
            Some(index) => Ok(index),
            None => Err(self.explain(name, family, l4)),
        }
    }

    /// The instance that automatic assignment gives a connection to `port` (the source port of
    /// its reply tuple).
    pub fn automatic(&self, family: Family, l4: L4Proto, port: u16) -> Option<u8> {
        self.position(|i| {
            i.port == Some(port) && i.helper.l4.contains(&l4) && i.helper.families.contains(&family)
        })
    }

    /// The instance that a child gets: its master's own where the kind is the same, else the
    /// first of that kind.
    pub fn child(&self, master: u8, kind: HelperKind) -> Option<u8> {
        let is = |i: &Instance| i.helper.kind == kind;
        if self.get(master).is_some_and(is) { Some(master) } else { self.position(is) }
    }

    /// Sets a module option (`nf_conntrack_ftp.loose`, `nf_conntrack_irc.ports`) or a guard
    /// (`guard.ftp.min_port`, `guard.*.per_master`).
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), SettingError> {
        if let Some(rest) = key.strip_prefix("guard.") {
            return self.set_guard(key, rest, value);
        }
        let Some((module, option)) = key.rsplit_once('.') else {
            return Err(SettingError::UnknownModule(key.to_owned()));
        };
        let module = module.replace('-', "_");
        if !self.list.iter().any(|i| i.helper.module == module) {
            return Err(SettingError::UnknownModule(module));
        }
        if option == "ports" && self.has_ports(&module) {
            let ports = self.parse_ports(key, value)?;
            self.register(&module, &ports);
            return Ok(());
        }
        self.set_option(&module, option, value)
    }

    fn set_option(&mut self, module: &str, option: &str, value: &str) -> Result<(), SettingError> {
        let mut known = false;
        for instance in self.list.iter_mut().filter(|i| i.helper.module == module) {
            let named = instance.helper.options.iter().zip(0..).find(|(o, _)| o.name == option);
            let Some((spec, index)) = named else { continue };
            let Some(number) = spec.kind.parse(value) else {
                return Err(SettingError::BadValue {
                    key: format!("{module}.{option}"),
                    value: value.to_owned(),
                    expected: spec.kind.expects(),
                });
            };
            instance.options.set(OptionIndex(index), number);
            known = true;
        }
        if known {
            return Ok(());
        }
        Err(SettingError::UnknownOption {
            module: module.to_owned(),
            option: option.to_owned(),
            known: self.option_names(module),
        })
    }

    fn set_guard(&mut self, key: &str, rest: &str, value: &str) -> Result<(), SettingError> {
        let Some((whom, limit)) = rest.rsplit_once('.') else {
            return Err(SettingError::UnknownGuard(key.to_owned()));
        };
        let means = |helper: &Helper| {
            whom == "*"
                || helper.name.eq_ignore_ascii_case(whom)
                || helper.module.strip_prefix("nf_conntrack_") == Some(whom)
        };
        if !self.list.iter().any(|i| means(i.helper)) {
            return Err(SettingError::UnknownHelper { key: key.to_owned(), name: whom.to_owned() });
        }
        for instance in self.list.iter_mut().filter(|i| means(i.helper)) {
            instance.guard.set(key, limit, value)?;
        }
        Ok(())
    }

    fn parse_ports(&self, key: &str, value: &str) -> Result<Vec<u16>, SettingError> {
        if self.profile == Profile::Linux && !self.kernel.has_ports_option() {
            return Err(SettingError::NotInKernel { key: key.to_owned(), kernel: self.kernel });
        }
        let mut ports = Vec::new();
        for word in value.split(',') {
            let port = parse_number(word.trim()).and_then(|number| u16::try_from(number).ok());
            let Some(port) = port else {
                return Err(SettingError::BadValue {
                    key: key.to_owned(),
                    value: value.to_owned(),
                    expected: format!("at most {PORTS_MAX_COUNT} ports, such as 21,2121"),
                });
            };
            if ports.contains(&port) {
                return Err(SettingError::PortTwice { key: key.to_owned(), port });
            }
            ports.push(port);
        }
        if ports.len() > PORTS_MAX_COUNT {
            return Err(SettingError::TooManyPorts { key: key.to_owned(), count: ports.len() });
        }
        Ok(ports)
    }

    /// Replaces the instances of `module` by one for each port. Options and guard stay.
    fn register(&mut self, module: &str, ports: &[u16]) {
        let Some(at) = self.list.iter().position(|i| i.helper.module == module) else { return };
        let model = self.list[at].clone();
        self.list.retain(|i| i.helper.module != module);
        let renamed = ports.iter().enumerate().map(|(index, &port)| Instance {
            name: instance_name(model.helper, index, port),
            port: Some(port),
            ..model.clone()
        });
        self.list.splice(at..at, renamed);
    }

    fn position(&self, is: impl FnMut(&Instance) -> bool) -> Option<u8> {
        self.list.iter().position(is).and_then(|index| u8::try_from(index).ok())
    }

    fn has_ports(&self, module: &str) -> bool {
        let of = |i: &&Instance| i.helper.module == module;
        self.list.iter().filter(of).any(|i| i.helper.ports_option != PortsOption::None)
    }

    fn option_names(&self, module: &str) -> String {
        let mut names: Vec<&str> = Vec::new();
        for instance in self.list.iter().filter(|i| i.helper.module == module) {
            let ports = (instance.helper.ports_option != PortsOption::None).then_some("ports");
            for name in ports.into_iter().chain(instance.helper.options.iter().map(|o| o.name)) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        if names.is_empty() {
            "it has none".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        }
    }

    fn explain(&self, name: &str, family: Family, l4: L4Proto) -> NoSuchHelper {
        let named: Vec<&Instance> = self.list.iter().filter(|i| i.name == name).collect();
        let Some(instance) = named.first() else {
            return NoSuchHelper::Name {
                name: name.to_owned(),
                known: self.list.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join(", "),
            };
        };
        if instance.helper.families.contains(&family) {
            let known: Vec<String> = instance.helper.l4.iter().map(L4Proto::to_string).collect();
            NoSuchHelper::Protocol { name: name.to_owned(), l4, known: known.join(" or ") }
        } else {
            NoSuchHelper::Family { name: name.to_owned(), family }
        }
    }
}

/// The name of `helper` on `port`, the `index`th of its list (the kernel's behaviour).
fn instance_name(helper: &Helper, index: usize, port: u16) -> String {
    match helper.ports_option {
        _ if helper.default_port == Some(port) => helper.name.to_owned(),
        PortsOption::NamedByPort | PortsOption::None => format!("{}-{port}", helper.name),
        PortsOption::NamedByIndex => format!("{}-{index}", helper.name),
    }
}

/// Why a rule's `--helper` means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchHelper {
    /// No helper has this name.
    #[error("no helper is called `{name}`; there are {known}")]
    Name {
        /// What the rule says.
        name: String,
        /// The names there are.
        known: String,
    },
    /// It is not for this protocol.
    #[error("the helper `{name}` is not for -p {l4}, it is for -p {known}")]
    Protocol {
        /// What the rule says.
        name: String,
        /// The rule's protocol.
        l4: L4Proto,
        /// The protocols it is for.
        known: String,
    },
    /// It is not for this family.
    #[error("the helper `{name}` does not exist for {family}")]
    Family {
        /// What the rule says.
        name: String,
        /// The rule's family.
        family: Family,
    },
}

/// Why a module setting or guard cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No helper lives in such a module.
    #[error("`{0}` is no module of a helper")]
    UnknownModule(String),
    /// The module has no such option.
    #[error("module {module} has no option `{option}`; {known}")]
    UnknownOption {
        /// The module.
        module: String,
        /// What was to be set.
        option: String,
        /// The options there are.
        known: String,
    },
    /// The value is not of the option's kind.
    #[error("`{value}` is no value for {key}: expected {expected}")]
    BadValue {
        /// What was to be set.
        key: String,
        /// To what.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// A port is listed twice: the kernel refuses to load the module.
    #[error("{key} lists port {port} twice: the kernel refuses to load the module")]
    PortTwice {
        /// What was to be set.
        key: String,
        /// The port.
        port: u16,
    },
    /// More ports than a module takes.
    #[error("{key} takes at most {PORTS_MAX_COUNT} ports, not {count}")]
    TooManyPorts {
        /// What was to be set.
        key: String,
        /// How many there are.
        count: usize,
    },
    /// The version that the `linux` profile answers for has no such option.
    #[error("{key} does not exist in Linux {kernel}: helpers keep their plain names there")]
    NotInKernel {
        /// What was to be set.
        key: String,
        /// The version.
        kernel: KernelVersion,
    },
    /// No such limit in the guard.
    #[error(
        "`{0}` is no guard; there are guard.HELPER.min_port, peer_only, networks, per_master, \
         per_peer and no_mangle, with a helper's name or `*`"
    )]
    UnknownGuard(String),
    /// A guard for a helper that does not exist.
    #[error("{key}: no helper is called `{name}`")]
    UnknownHelper {
        /// What was to be set.
        key: String,
        /// The name in it.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(settings: &[(&str, &str)]) -> Result<Instances, SettingError> {
        let mut instances = Instances::new(KernelVersion::DEFAULT, Profile::Linux);
        for (key, value) in settings {
            instances.set(key, value)?;
        }
        Ok(instances)
    }

    fn names(instances: &Instances, kind: HelperKind) -> Vec<&str> {
        let of = |i: &&Instance| i.helper.kind == kind;
        instances.list.iter().filter(of).map(|i| i.name.as_str()).collect()
    }

    #[test]
    fn ports_rename_the_helper_as_the_kernel_does() {
        use HelperKind::{Ftp, Irc, Sane, Tftp};
        let rows: &[(HelperKind, &str, &str, &[&str])] = &[
            (Ftp, "nf_conntrack_ftp.ports", "21", &["ftp"]),
            (Ftp, "nf_conntrack_ftp.ports", "21,2121", &["ftp", "ftp-2121"]),
            (Ftp, "nf_conntrack_ftp.ports", "0", &["ftp-0"]),
            (Ftp, "nf-conntrack-ftp.ports", "0x15", &["ftp"]),
            (Irc, "nf_conntrack_irc.ports", "6668", &["irc-0"]),
            (Irc, "nf_conntrack_irc.ports", "6667,6668", &["irc", "irc-1"]),
            (Irc, "nf_conntrack_irc.ports", "0", &["irc-0"]),
            (Tftp, "nf_conntrack_tftp.ports", "69,6969", &["tftp", "tftp-1"]),
            (Tftp, "nf_conntrack_tftp.ports", "0", &["tftp-0"]),
            (Sane, "nf_conntrack_sane.ports", "6566,6567", &["sane", "sane-6567"]),
            (Sane, "nf_conntrack_sane.ports", "0", &["sane-0"]),
        ];
        for (kind, key, value, expected) in rows {
            let instances = registered(&[(key, value)]).unwrap();
            assert_eq!(names(&instances, *kind), *expected, "{key}={value}");
        }
    }

    #[test]
    fn a_bad_setting_says_what_would_be_right() {
        let rows = [
            ("nf_conntrack_xyz.loose", "1", "is no module of a helper"),
            ("loose", "1", "is no module of a helper"),
            ("nf_conntrack_ftp.tight", "1", "it has ports, loose"),
            ("nf_conntrack_tftp.loose", "1", "it has ports"),
            ("nf_conntrack_ftp.loose", "maybe", "expected 1 or 0"),
            ("nf_conntrack_ftp.ports", "21,21", "lists port 21 twice"),
            ("nf_conntrack_ftp.ports", "", "such as 21,2121"),
            ("nf_conntrack_ftp.ports", "65536", "such as 21,2121"),
            ("nf_conntrack_ftp.ports", "1,2,3,4,5,6,7,8,9", "at most 8 ports, not 9"),
            ("nf_conntrack_irc.max_dcc_channels", "256", "a number from 1 to 255"),
            ("nf_conntrack_amanda.ports", "1", "it has master_timeout, ts_algo"),
            ("nf_conntrack_amanda.ts_algo", "naive", "one of kmp, bm, fsm"),
            ("nf_conntrack_netbios_ns.ports", "1", "it has timeout"),
            ("guard.ftp", "1", "is no guard"),
            ("guard.ftp.max_port", "1", "is no guard"),
            ("guard.gopher.min_port", "1", "no helper is called `gopher`"),
            ("guard.ftp.min_port", "65536", "a port from 0 to 65535"),
            ("guard.ftp.networks", "10.0.0.0/33", "networks such as 10.0.0.0/8"),
        ];
        for (key, value, says) in rows {
            let error = registered(&[(key, value)]).err().map(|error| error.to_string());
            assert!(error.as_deref().is_some_and(|e| e.contains(says)), "{key}={value}: {error:?}");
        }
    }

    #[test]
    fn newer_kernels_have_no_ports_option_but_strict_always_has() {
        let dev = KernelVersion::new(6, 19, 0);
        for (profile, right) in [(Profile::Linux, false), (Profile::Strict, true)] {
            let set = Instances::new(dev, profile).set("nf_conntrack_ftp.ports", "2121");
            assert_eq!(set.is_ok(), right, "{profile}");
        }
    }

    #[test]
    fn a_rule_names_a_helper_of_its_family_and_protocol() {
        let rows = [
            ("ftp", Family::Ipv6, L4Proto::TCP, None),
            ("ftp", Family::Ipv4, L4Proto::UDP, Some("it is for -p tcp")),
            ("irc", Family::Ipv6, L4Proto::TCP, Some("does not exist for ipv6")),
            ("tftp", Family::Ipv6, L4Proto::UDP, None),
            ("amanda", Family::Ipv6, L4Proto::UDP, None),
            ("sane", Family::Ipv6, L4Proto::TCP, None),
            ("netbios-ns", Family::Ipv4, L4Proto::UDP, None),
            ("netbios-ns", Family::Ipv6, L4Proto::UDP, Some("does not exist for ipv6")),
            ("netbios_ns", Family::Ipv4, L4Proto::UDP, Some("no helper is called")),
            ("snmp", Family::Ipv6, L4Proto::UDP, Some("does not exist for ipv6")),
            ("ftp-2121", Family::Ipv4, L4Proto::TCP, Some("no helper is called")),
            ("FTP", Family::Ipv4, L4Proto::TCP, Some("no helper is called")),
        ];
        let instances = registered(&[]).unwrap();
        for (name, family, l4, wrong) in rows {
            let error = instances.assigned(name, family, l4).err().map(|error| error.to_string());
            match (wrong, &error) {
                (None, None) => {}
                (Some(says), Some(error)) if error.contains(says) => {}
                _ => panic!("{name} {family} {l4}: {error:?}"),
            }
        }
    }

    #[test]
    fn assignment_by_port_goes_by_the_registered_port() {
        let instances = registered(&[("nf_conntrack_ftp.ports", "21,2121")]).unwrap();
        let name = |l4, port| {
            let index = instances.automatic(Family::Ipv4, l4, port)?;
            instances.get(index).map(|i| i.name.as_str())
        };
        assert_eq!(name(L4Proto::TCP, 21), Some("ftp"));
        assert_eq!(name(L4Proto::TCP, 2121), Some("ftp-2121"));
        assert_eq!(name(L4Proto::UDP, 21), None);
        assert_eq!(name(L4Proto::UDP, 69), Some("tftp"));
        assert_eq!(instances.automatic(Family::Ipv6, L4Proto::TCP, 6667), None);
    }

    #[test]
    fn options_and_guards_survive_renaming() {
        let settings = [
            ("nf_conntrack_ftp.loose", "1"),
            ("guard.*.min_port", "1024"),
            ("nf_conntrack_ftp.ports", "0"),
        ];
        let instances = registered(&settings).unwrap();
        let index = instances.assigned("ftp-0", Family::Ipv4, L4Proto::TCP).unwrap();
        let instance = instances.get(index).unwrap();
        assert!(instance.options.is(instance.helper, "loose", "1"));
        assert_eq!(instance.guard.min_port, 1024);
    }
}
