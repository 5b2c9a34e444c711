//! The unit that resumes at boot.

use super::state::{State, write};
use crate::failure::Failure;
use crate::{say, tool};
use std::path::Path;

const NAME: &str = "kinwall-policy.service";

/// The text of a systemd unit that runs `kinwall policy resume` before the network is up.
pub(crate) fn unit(state: &Path) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "/usr/bin/kinwall".into());
    format!(
        "[Unit]\n\
         Description=Rules of the confirmed kinwall policy\n\
         DefaultDependencies=no\n\
         After=local-fs.target systemd-sysctl.service systemd-modules-load.service\n\
         Before=network-pre.target shutdown.target\n\
         Wants=network-pre.target\n\
         Conflicts=shutdown.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart={} policy resume --state {}\n\
         \n\
         [Install]\n\
         WantedBy=sysinit.target\n",
        program.display(),
        state.display()
    )
}

/// Sees to it that the machine resumes at boot: writes the unit to `file`; without a file, where
/// systemd runs, installs and enables it, and elsewhere says what is to be run.
pub(crate) fn announce(state: &State, file: Option<&Path>) -> Result<(), Failure> {
    let text = unit(&state.directory);
    if let Some(file) = file {
        return write(file, &text);
    }
    if !Path::new("/run/systemd/system").is_dir() {
        say::note(format_args!(
            "systemd does not run here: let the machine run `kinwall policy resume --state {}` \
             at boot, before the network",
            state.directory.display()
        ));
        return Ok(());
    }
    let path = Path::new("/etc/systemd/system").join(NAME);
    if std::fs::read_to_string(&path).is_ok_and(|known| known == text) {
        return Ok(());
    }
    std::fs::write(&path, text).map_err(|error| Failure::file(&path, error))?;
    tool::run("systemctl", &["enable", NAME], "").map(drop)
}
