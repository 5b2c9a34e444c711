//! `sysctl.conf`, and the sysctls in force in the network namespace this runs in.

use std::io::Write;
use std::path::PathBuf;

/// The assignments of a sysctl.conf: comments and empty lines are passed over.
pub(crate) fn assignments(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// The value of a sysctl; `None` when the kernel does not have it.
pub(crate) fn in_force(name: &str) -> Option<String> {
    Some(std::fs::read_to_string(path(name)).ok()?.trim().to_owned())
}

/// The file of a sysctl: dots stand between names, and a slash for a dot within one.
fn path(name: &str) -> PathBuf {
    let parts = name.split('.').map(|part| part.replace('/', "."));
    parts.fold(PathBuf::from("/proc/sys"), |path, part| path.join(part))
}

/// Sets a sysctl.
///
/// # Errors
///
/// The kernel's: not there, not allowed, not taken.
pub(crate) fn set(name: &str, value: &str) -> std::io::Result<()> {
    std::fs::OpenOptions::new().write(true).open(path(name))?.write_all(value.as_bytes())
}
