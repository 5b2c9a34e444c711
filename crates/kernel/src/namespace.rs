//! A network namespace without a name.
//!
//! It exists as long as an open file refers to it, so nothing is left behind however the
//! process ends. Work inside it happens on short-lived threads: the namespace of the caller's
//! thread never changes.

use crate::KernelError;
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A network namespace, alive until dropped.
#[derive(Debug)]
pub(crate) struct Namespace {
    handle: File,
}

impl Namespace {
    /// A fresh, empty namespace.
    pub(crate) fn new() -> Result<Namespace, KernelError> {
        let made = on_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        });
        Ok(Namespace { handle: made.map_err(KernelError::Privileges)? })
    }

    /// Runs `work` on a thread inside the namespace and waits for it.
    pub(crate) fn enter<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, KernelError> + Send,
    ) -> Result<T, KernelError> {
        on_thread(|| {
            setns(&self.handle, CloneFlags::CLONE_NEWNET)
                .map_err(|e| KernelError::io("entering the namespace")(e.into()))?;
            work()
        })
    }
}

/// Runs `work` on a thread of its own, so that what it does to its namespace ends with it.
fn on_thread<T: Send, E: Send>(work: impl FnOnce() -> Result<T, E> + Send) -> Result<T, E> {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Runs `program` in the namespace of the calling thread and feeds it `input`.
pub(crate) fn run(
    program: &'static str,
    package: &'static str,
    args: &[&str],
    input: &str,
) -> Result<String, KernelError> {
    let spawned = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(KernelError::MissingProgram { program, package });
        }
        Err(e) => return Err(KernelError::io("starting a program")(e)),
    };
    if let Some(mut stdin) = child.stdin.take() {
        // A program that refuses its input early closes the pipe; its message says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(KernelError::io("waiting for a program"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_string();
    Err(KernelError::Refused { program, message })
}

/// Reads a sysctl of the calling thread's namespace.
pub(crate) fn sysctl_get(name: &str) -> io::Result<String> {
    Ok(fs::read_to_string(sysctl_path(name))?.trim().to_string())
}

/// Sets a sysctl of the calling thread's namespace.
pub(crate) fn sysctl_set(name: &str, value: &str) -> Result<(), KernelError> {
    fs::write(sysctl_path(name), value).map_err(|source| KernelError::Setting {
        name: name.to_string(),
        value: value.to_string(),
        source,
    })
}

/// The file of a sysctl. A dot may also be part of an interface's name, so each step takes the
/// longest run of parts that exists.
fn sysctl_path(name: &str) -> PathBuf {
    let mut path = PathBuf::from("/proc/sys");
    let parts: Vec<&str> = name.split('.').collect();
    let mut rest = parts.as_slice();
    while !rest.is_empty() {
        let length = (1..=rest.len())
            .rev()
            .find(|&n| path.join(rest[..n].join(".")).exists())
            .unwrap_or(rest.len());
        path.push(rest[..length].join("."));
        rest = &rest[length..];
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sysctl_is_a_path() {
        let rows = [
            ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
            ("net.ipv4.conf.lo.rp_filter", "/proc/sys/net/ipv4/conf/lo/rp_filter"),
            ("net.nothing.such", "/proc/sys/net/nothing.such"),
        ];
        for (name, path) in rows {
            assert_eq!(sysctl_path(name), PathBuf::from(path));
        }
    }
}
