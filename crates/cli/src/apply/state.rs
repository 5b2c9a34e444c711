//! The state directory: what was in force, what waits for confirmation, what was confirmed.
//!
//! ```text
//! lock                    held (flock) by whoever changes rules or these files
//! pending.json            the generation that waits for confirmation, and until when
//! confirmed.json          the generation that boots
//! generations/N/          what was applied: rules, sysctl.conf, modprobe.conf
//! generations/N/before/   what was in force before
//! log                     what happened, one line each
//! ```
//!
//! Every file is written beside its place, flushed to the disk, and renamed, so that a crash
//! leaves the old one or the new one. Directories are 0700, files 0600.

use crate::failure::Failure;
use kinwall_policy::compile::Target;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The state directory.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) directory: PathBuf,
}

/// A generation that waits for confirmation or was confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its number: the name of its directory.
    pub(crate) generation: u64,
    /// The file that the policy was read from.
    pub(crate) policy: String,
    /// The tool that loads it.
    pub(crate) tool: Tool,
    /// Until when it is to be confirmed, in milliseconds of Unix time.
    pub(crate) deadline_ms: u64,
    /// The boot it was applied in.
    pub(crate) boot: String,
    /// Where modprobe reads the options of modules.
    pub(crate) modprobe: PathBuf,
}

/// [`Target`], as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tool {
    Iptables,
    Nftables,
}

impl From<Target> for Tool {
    fn from(target: Target) -> Tool {
        match target {
            Target::Iptables => Tool::Iptables,
            Target::Nftables => Tool::Nftables,
        }
    }
}

impl Record {
    /// Milliseconds until the deadline; 0 when it has passed.
    pub(crate) fn left_ms(&self) -> u64 {
        self.deadline_ms.saturating_sub(now_ms())
    }
}

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What tells one boot of the machine from another.
pub(crate) fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

impl State {
    /// Opens the directory; it is made if it is not there.
    pub(crate) fn open(directory: &Path) -> Result<State, Failure> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| Failure::file(directory, error))?;
        let directory = directory.canonicalize().map_err(|e| Failure::file(directory, e))?;
        Ok(State { directory })
    }

    /// The lock, at once.
    ///
    /// # Errors
    ///
    /// Somebody else has it.
    pub(crate) fn lock(&self) -> Result<File, Failure> {
        let file = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Failure::Failed(format!(
                "another kinwall is changing rules ({} is locked); try again when it is done",
                self.directory.join("lock").display()
            ))),
            Err(TryLockError::Error(error)) => Err(self.failed("lock", error)),
        }
    }

    /// The lock, when whoever has it is done.
    pub(crate) fn wait_for_lock(&self) -> Result<File, Failure> {
        let file = self.lock_file()?;
        file.lock().map_err(|error| self.failed("lock", error))?;
        Ok(file)
    }

    fn lock_file(&self) -> Result<File, Failure> {
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        options.open(self.directory.join("lock")).map_err(|error| self.failed("lock", error))
    }

    fn failed(&self, name: &str, error: impl std::fmt::Display) -> Failure {
        Failure::file(&self.directory.join(name), error)
    }

    /// What waits for confirmation.
    pub(crate) fn pending(&self) -> Result<Option<Record>, Failure> {
        self.record("pending.json")
    }

    /// What boots.
    pub(crate) fn confirmed(&self) -> Result<Option<Record>, Failure> {
        self.record("confirmed.json")
    }

    fn record(&self, name: &str) -> Result<Option<Record>, Failure> {
        match std::fs::read(self.directory.join(name)) {
            Ok(bytes) => {
                let record = serde_json::from_slice(&bytes);
                record.map(Some).map_err(|error| self.failed(name, error))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(name, error)),
        }
    }

    /// From now on `record` waits for confirmation.
    pub(crate) fn set_pending(&self, record: &Record) -> Result<(), Failure> {
        self.write_record("pending.json", record)
    }

    /// From now on `record` boots; older generations are removed.
    pub(crate) fn set_confirmed(&self, record: &Record) -> Result<(), Failure> {
        self.write_record("confirmed.json", record)?;
        for number in self.numbers().into_iter().filter(|number| *number < record.generation) {
            // What cannot be removed is in nobody's way.
            let _ = std::fs::remove_dir_all(self.generation(number));
        }
        Ok(())
    }

    fn write_record(&self, name: &str, record: &Record) -> Result<(), Failure> {
        let text = serde_json::to_string(record).map_err(|error| self.failed(name, error))?;
        write(&self.directory.join(name), &text)
    }

    /// Nothing waits for confirmation any more.
    pub(crate) fn clear_pending(&self) -> Result<(), Failure> {
        match std::fs::remove_file(self.directory.join("pending.json")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed("pending.json", error))
            }
            _ => flush(&self.directory),
        }
    }

    /// The directory of a generation.
    pub(crate) fn generation(&self, number: u64) -> PathBuf {
        self.directory.join("generations").join(number.to_string())
    }

    fn numbers(&self) -> Vec<u64> {
        let Ok(entries) = std::fs::read_dir(self.directory.join("generations")) else {
            return Vec::new();
        };
        let names = entries.filter_map(Result::ok);
        names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// Makes the directory of the next generation, with these files, and gives its number.
    /// A `/` in a name stands for a folder.
    pub(crate) fn new_generation(&self, files: &[(String, String)]) -> Result<u64, Failure> {
        let number = self.numbers().into_iter().max().unwrap_or(0) + 1;
        let directory = self.generation(number);
        for (name, text) in files {
            let path = directory.join(name);
            let parent = path.parent().unwrap_or(&directory);
            let made = DirBuilder::new().recursive(true).mode(0o700).create(parent);
            made.map_err(|error| Failure::file(parent, error))?;
            write(&path, text)?;
        }
        flush(&self.directory.join("generations"))?;
        Ok(number)
    }

    /// Adds a line to the log. The log decides nothing: what cannot be written is lost.
    pub(crate) fn log(&self, line: &str) {
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(self.directory.join("log"));
        if let Ok(mut file) = file {
            let _ = writeln!(file, "{} {line}", now_ms() / 1000);
        }
    }

    /// The last line of the log, without its time.
    pub(crate) fn last_logged(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.directory.join("log")).ok()?;
        let (_, line) = text.lines().last()?.split_once(' ')?;
        Some(line.to_owned())
    }
}

/// Writes a file so that a crash leaves the old one or the new one.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error| Failure::file(path, error);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&beside).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)?;
    path.parent().map_or(Ok(()), flush)
}

/// Brings what a directory lists to the disk.
fn flush(directory: &Path) -> Result<(), Failure> {
    let opened = File::open(directory).and_then(|directory| directory.sync_all());
    opened.map_err(|error| Failure::file(directory, error))
}
