//! Options of the helpers' modules. They hold for the whole machine, so gateways that change
//! them exclude all others until they are gone, and put the old values back.

use crate::KernelError;
use crate::layout::ModuleOption;
use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Any file of the machine that everybody can lock.
const LOCK_FILE: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
/// How long to wait for other gateways to go.
const PATIENCE: Duration = Duration::from_secs(600);

/// Module options that are in force while this lives.
#[derive(Debug)]
pub(crate) struct ModuleOptions {
    before: Vec<(PathBuf, String)>,
    lock: File,
}

impl ModuleOptions {
    /// Sets those of `options` that differ from what is set now.
    pub(crate) fn set(options: &[ModuleOption]) -> Result<ModuleOptions, KernelError> {
        let lock = File::open(LOCK_FILE).map_err(|e| {
            KernelError::Unsupported(format!("connection tracking is not there ({LOCK_FILE}: {e})"))
        })?;
        let options = complete(options);
        let (usual, unusual): (Vec<_>, Vec<_>) =
            options.into_iter().partition(ModuleOption::is_usual);
        // What is set counts only once nobody else may change it.
        acquire(&lock, false)?;
        let all_set = |options: &[ModuleOption]| options.iter().all(ModuleOption::is_set);
        if all_set(&usual) && unusual.is_empty() {
            return Ok(ModuleOptions { before: Vec::new(), lock });
        }
        lock.unlock().map_err(KernelError::io("unlocking"))?;
        acquire(&lock, true)?;
        let mut set = ModuleOptions { before: Vec::new(), lock };
        for option in &usual {
            set.one(option)?;
        }
        // Somebody has gone without putting them back: for good, then.
        set.before.clear();
        for option in &unusual {
            set.one(option)?;
        }
        if unusual.is_empty() {
            set.lock.unlock().map_err(KernelError::io("unlocking"))?;
            acquire(&set.lock, false)?;
        }
        Ok(set)
    }

    fn one(&mut self, option: &ModuleOption) -> Result<(), KernelError> {
        let path = option.path();
        let failed = |source| KernelError::Setting {
            name: format!("{}.{}", option.module, option.option),
            value: option.value.clone(),
            source,
        };
        let now = fs::read_to_string(&path).map_err(failed)?.trim().to_string();
        if same(&now, &option.value) {
            return Ok(());
        }
        fs::write(&path, &option.value).map_err(failed)?;
        self.before.push((path, now));
        Ok(())
    }
}

impl Drop for ModuleOptions {
    fn drop(&mut self) {
        for (path, value) in self.before.drain(..).rev() {
            // There is nobody left to tell.
            let _ = fs::write(path, value);
        }
    }
}

impl ModuleOption {
    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/sys/module/{}/parameters/{}", self.module, self.option))
    }

    /// Whether the others want the same: it is the default, or cannot be changed while the
    /// machine runs.
    fn is_usual(&self) -> bool {
        let own = (self.module.as_str(), self.option.as_str());
        let default = DEFAULTS.iter().find(|(module, option, _)| (*module, *option) == own);
        default.is_none_or(|(.., value)| same(&self.value, value))
    }

    fn is_set(&self) -> bool {
        fs::read_to_string(self.path()).is_ok_and(|now| same(now.trim(), &self.value))
    }
}

/// The options that can be changed while the machine runs, and their defaults.
const DEFAULTS: [(&str, &str, &str); 9] = [
    ("nf_conntrack_amanda", "master_timeout", "300"),
    ("nf_conntrack_ftp", "loose", "0"),
    ("nf_conntrack_h323", "callforward_filter", "1"),
    ("nf_conntrack_h323", "default_rrq_ttl", "300"),
    ("nf_conntrack_h323", "gkrouted_only", "1"),
    ("nf_conntrack_sip", "sip_direct_media", "1"),
    ("nf_conntrack_sip", "sip_direct_signalling", "1"),
    ("nf_conntrack_sip", "sip_external_media", "0"),
    ("nf_conntrack_sip", "sip_timeout", "3600"),
];

/// `options`, and the default of every option that is not among them: somebody may have
/// changed it.
fn complete(options: &[ModuleOption]) -> Vec<ModuleOption> {
    let mut all = options.to_vec();
    for (module, option, value) in DEFAULTS {
        let named = |o: &ModuleOption| o.module == module && o.option == option;
        let [module, option, value] = [module, option, value].map(str::to_string);
        let missing = ModuleOption { module, option, value };
        // A helper that this kernel does not have needs no option.
        if !all.iter().any(named) && missing.path().exists() {
            all.push(missing);
        }
    }
    all
}

/// Compares values as the kernel prints them (`Y`, `N`, lists padded with zeroes) with values
/// as people write them.
fn same(printed: &str, wanted: &str) -> bool {
    let plain = |text: &str| match text {
        "Y" | "y" | "true" | "1" => "1".to_string(),
        "N" | "n" | "false" | "0" => "0".to_string(),
        other => other.trim_end_matches(",0").to_string(),
    };
    plain(printed) == plain(wanted)
}

fn acquire(file: &File, exclusive: bool) -> Result<(), KernelError> {
    let start = Instant::now();
    loop {
        let tried = if exclusive { file.try_lock() } else { file.try_lock_shared() };
        match tried {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Err(KernelError::ModuleOptionsBusy),
            Err(TryLockError::Error(e)) => return Err(KernelError::io("locking")(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn values_are_compared_as_they_mean() {
        let rows = [
            ("N", "0", true),
            ("Y", "true", true),
            ("N", "true", false),
            ("21", "21", true),
            ("21,0,0,0,0,0,0,0", "21", true),
            ("6667", "6668", false),
        ];
        for (printed, wanted, expected) in rows {
            assert_eq!(same(printed, wanted), expected, "{printed} {wanted}");
        }
    }
}
