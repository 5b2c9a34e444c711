//! What an operator may set: sysctls, module options and guards, by the names Linux gives them.

use kinwall_conntrack::settings::{SettingError as SysctlError, Settings as TrackingSettings};
use kinwall_helpers::Instances;
use kinwall_helpers::instances::SettingError as HelperError;
use kinwall_terms::{KernelVersion, Profile};
use kinwall_topology::{Place, SettingError as TopologyError, Topology, Value};

/// The settings of a gateway.
#[derive(Clone)]
pub struct Settings {
    /// How helpers read.
    pub profile: Profile,
    /// The sysctls of connection tracking; the kernel version is among them.
    pub tracking: TrackingSettings,
    /// The helpers as their module options register them, with their guards.
    pub instances: Instances,
}

/// Why a setting was not taken.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum SettingError {
    /// Not written `KEY=VALUE`.
    #[error("`{0}` is not of the form KEY=VALUE")]
    NotAnAssignment(String),
    /// A sysctl of connection tracking.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// A module option or a guard.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// A sysctl of an interface.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A change of an interface that cannot be.
    #[error(
        "interface.{key}={value}: what can change is interface.NAME.addresses=192.0.2.2/24,..., \
         without contradicting the rest of the topology, and interface.NAME.down=1"
    )]
    Interface {
        /// What was to be changed.
        key: String,
        /// To what.
        value: String,
    },
    /// The topology has no such interface.
    #[error("the topology has no interface `{0}`")]
    NoInterface(String),
    /// Helpers are registered when their module is loaded.
    #[error("{0} cannot change while connections are tracked: set it from the start")]
    OnlyAtStart(String),
}

impl SettingError {
    /// Whether the setting exists, and this Linux version does not have it.
    pub fn is_of_another_kernel(&self) -> bool {
        matches!(
            self,
            SettingError::Sysctl(SysctlError::NotInVersion { .. })
                | SettingError::Helper(HelperError::NotInKernel { .. })
        )
    }
}

impl Settings {
    /// The defaults of a Linux version.
    pub fn new(kernel: KernelVersion, profile: Profile) -> Settings {
        Settings {
            profile,
            tracking: TrackingSettings::new(kernel),
            instances: Instances::new(kernel, profile),
        }
    }

    /// The defaults with `[sysctl]` and `[modules]` of `topology` on top.
    ///
    /// # Errors
    ///
    /// Every entry that was not taken, and where it stands.
    pub fn of(
        kernel: KernelVersion,
        profile: Profile,
        topology: &mut Topology,
    ) -> Result<Settings, Vec<(Place, SettingError)>> {
        let mut settings = Settings::new(kernel, profile);
        let sysctls = topology.sysctl().clone().into_iter();
        let sysctls = sysctls.map(|(key, value)| (Place::Sysctl(key.clone()), key, value));
        let modules = topology.modules().clone().into_iter().flat_map(|(module, options)| {
            options.into_iter().map(move |(name, value)| {
                let key = format!("{module}.{name}");
                (Place::ModuleOption(module.clone(), name), key, value)
            })
        });
        let mut set = |(place, key, value): (Place, String, Value)| {
            let set = settings.set(topology, &key, &value.to_string());
            set.err().map(|error| (place, error))
        };
        let errors: Vec<_> = sysctls.chain(modules).filter_map(&mut set).collect();
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    /// Sets one thing by its name: a sysctl (`net.netfilter.nf_conntrack_tcp_loose`, the prefix
    /// may be left out, slashes may stand for dots), an interface's `net.ipv4.conf.*.rp_filter`,
    /// a module option (`nf_conntrack_ftp.loose`), or a guard (`guard.ftp.min_port`).
    pub fn set(
        &mut self,
        topology: &mut Topology,
        key: &str,
        value: &str,
    ) -> Result<(), SettingError> {
        let key = key.strip_prefix("/proc/sys/").unwrap_or(key).replace('/', ".");
        let key = module_parameter(&key).unwrap_or(&key);
        if key.starts_with("guard.") || (key.contains('.') && !key.starts_with("net.")) {
            return Ok(self.instances.set(key, value)?);
        }
        if key.ends_with("nf_conntrack_helper") && self.profile == Profile::Strict {
            // The switch exists in every version for a reader that is not Linux's.
            let mut any = TrackingSettings::new(WITH_SWITCH);
            any.set(key, value)?;
            self.tracking.automatic_helpers = any.automatic_helpers;
            return Ok(());
        }
        let of_tracking = key.starts_with("net.netfilter.nf_conntrack_");
        if TrackingSettings::knows(key) || of_tracking || !key.starts_with("net.") {
            return Ok(self.tracking.set(key, value)?);
        }
        Ok(topology.set_sysctl(key, parse_value(value))?)
    }

    /// Whether a connection without a CT rule gets the helper of its port.
    pub fn automatic_assignment(&self) -> bool {
        self.tracking.automatic_helpers
    }
}

/// Splits `KEY=VALUE`.
pub fn split_assignment(text: &str) -> Result<(&str, &str), SettingError> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim(), value.trim())),
        _ => Err(SettingError::NotAnAssignment(text.to_owned())),
    }
}

/// A version that has the `nf_conntrack_helper` sysctl.
const WITH_SWITCH: KernelVersion = KernelVersion::new(5, 10, 0);

/// The sysctl behind a parameter of the module `nf_conntrack` itself
/// (`modprobe nf_conntrack nf_conntrack_helper=0`).
pub(crate) fn module_parameter(key: &str) -> Option<&'static str> {
    Some(match key {
        "nf_conntrack.nf_conntrack_helper" => "nf_conntrack_helper",
        "nf_conntrack.acct" => "nf_conntrack_acct",
        "nf_conntrack.hashsize" => "nf_conntrack_buckets",
        _ => return None,
    })
}

fn parse_value(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Integer)
}
