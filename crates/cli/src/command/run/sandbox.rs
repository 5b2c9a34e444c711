//! What a running gateway may still do, once it runs: it reads what strangers send.
//!
//! Capabilities: those of the network, no others. Landlock: files are read where rules, settings
//! and the programs of iptables are, written where state and socket are; no TCP. Seccomp: calls
//! that no gateway makes are refused. All of it holds for the iptables programs too that take the
//! chains away at the end.

use crate::run_file::RunFile;
use crate::say;
use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus,
};
use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is kept: the queue, the chains and the routes are the network's.
const KEPT: [Capability; 2] = [Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW];

/// The newest Landlock whose words are used; older kernels do what they can.
const LANDLOCK: ABI = ABI::V5;

/// Where programs are run from, and what they read.
const PROGRAMS: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib64"];

/// What is read besides.
const READ: &[&str] = &["/proc", "/sys", "/etc"];

/// What iptables writes: its lock.
const WRITTEN: &[&str] = &["/run", "/dev/null"];

/// Calls that are refused.
const REFUSED: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mknodat,
    libc::SYS_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_personality,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];

/// Gives up whatever is not needed any more.
///
/// # Errors
///
/// What the kernel refuses, in words.
pub(super) fn enter(file: &RunFile, config: &Path) -> Result<(), String> {
    drop_capabilities().map_err(|error| format!("dropping capabilities: {error}"))?;
    restrict_files(file, config).map_err(|error| format!("Landlock: {error}"))?;
    refuse_calls().map_err(|error| format!("seccomp: {error}"))
}

fn drop_capabilities() -> Result<(), caps::errors::CapsError> {
    let kept: CapsHashSet = KEPT.into_iter().collect();
    for one in caps::all() {
        if !kept.contains(&one) && caps::has_cap(None, CapSet::Bounding, one)? {
            caps::drop(None, CapSet::Bounding, one)?;
        }
    }
    caps::clear(None, CapSet::Ambient)?;
    let own = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = kept.intersection(&own).copied().collect();
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}

fn restrict_files(file: &RunFile, config: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let run = read | AccessFs::Execute;
    let write = AccessFs::from_all(LANDLOCK) & !AccessFs::Execute;
    let folder = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("/"),
    };
    let mut allowed = Vec::new();
    allowed.extend(PROGRAMS.iter().map(|path| (PathBuf::from(path), run)));
    allowed.extend(READ.iter().map(|path| (PathBuf::from(path), read)));
    let named = file.rules.iter().flatten().chain(&file.sets).map(PathBuf::as_path);
    allowed.extend(named.chain([config]).map(|path| (folder(path), read)));
    allowed.extend(WRITTEN.iter().map(|path| (PathBuf::from(path), write)));
    let written = file.state.iter().chain([&file.control]);
    for path in written {
        std::fs::create_dir_all(folder(path))?;
        allowed.push((folder(path), write));
    }
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .create()?;
    for (path, access) in allowed {
        // What is not there is not opened either.
        if let Ok(there) = PathFd::new(&path) {
            let access = match path.is_dir() {
                true => access,
                false => access & AccessFs::from_file(LANDLOCK),
            };
            ruleset = ruleset.add_rule(PathBeneath::new(there, access))?;
        }
    }
    if ruleset.restrict_self()?.ruleset == RulesetStatus::NotEnforced {
        say::note("this kernel has no Landlock: files are not restricted");
    }
    Ok(())
}

fn refuse_calls() -> Result<(), Box<dyn std::error::Error>> {
    let refused: BTreeMap<i64, Vec<_>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let filter = SeccompFilter::new(
        refused,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM as u32),
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}
