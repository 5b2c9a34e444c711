//! The Linux version that the `linux` profile answers for.

use std::fmt;
use std::str::FromStr;

/// A Linux version, major and minor (`6.18`, `2.6.34` is kept with its third number).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number; 0 when absent.
    pub patch: u16,
}

impl KernelVersion {
    /// The version the facts were checked on, and the default.
    pub const DEFAULT: KernelVersion = KernelVersion::new(6, 18, 0);

    /// `major.minor.patch`.
    pub const fn new(major: u16, minor: u16, patch: u16) -> KernelVersion {
        KernelVersion { major, minor, patch }
    }

    /// Whether automatic helper assignment (`nf_conntrack_helper`) exists: removed in 6.0.
    pub fn has_automatic_assignment(self) -> bool {
        self < KernelVersion::new(6, 0, 0)
    }

    /// Whether the `nf_conntrack_helper` switch itself exists: 3.5 up to 5.19.
    pub fn has_helper_sysctl(self) -> bool {
        self >= KernelVersion::new(3, 5, 0) && self.has_automatic_assignment()
    }

    /// The default of `nf_conntrack_helper`: on up to 4.6, off from 4.7, absent since 6.0.
    pub fn automatic_assignment_default(self) -> bool {
        self < KernelVersion::new(4, 7, 0)
    }

    /// Whether the CT target (`-j CT --helper`) exists: since 2.6.34.
    pub fn has_ct_target(self) -> bool {
        self >= KernelVersion::new(2, 6, 34)
    }

    /// Whether the helper modules have a `ports=` option: removed after 6.18.
    pub fn has_ports_option(self) -> bool {
        self < KernelVersion::new(6, 19, 0)
    }

    /// Whether the ftp helper refuses numbers above 255 and ports above 65535: after 6.18.
    pub fn ftp_refuses_large_numbers(self) -> bool {
        self >= KernelVersion::new(6, 19, 0)
    }

    /// Whether the answers to a broadcast query are awaited from the port that was asked, and not
    /// from the helper's own: after 6.18.
    pub fn broadcast_answers_from_asked_port(self) -> bool {
        self >= KernelVersion::new(6, 19, 0)
    }

    /// Whether DCCP has a tracker of its own: up to 6.15.
    pub fn has_dccp_tracker(self) -> bool {
        self < KernelVersion::new(6, 16, 0)
    }

    /// Default of `nf_conntrack_udp_timeout_stream`, in seconds.
    pub fn udp_stream_timeout_s(self) -> u32 {
        if self < KernelVersion::new(4, 20, 0) { 180 } else { 120 }
    }

    /// Whether an in-window RST that is not exact, and so does not close its connection, cuts the
    /// deadline to the timeout of CLOSE all the same: since 6.18. Before, it cuts it to the
    /// timeout of unacknowledged data.
    pub fn inexact_rst_cuts_to_close(self) -> bool {
        self >= KernelVersion::new(6, 18, 0)
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch != 0 { write!(f, ".{}", self.patch) } else { Ok(()) }
    }
}

/// Not of the form `MAJOR.MINOR` or `MAJOR.MINOR.PATCH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAVersion;

impl fmt::Display for NotAVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a kernel version is written MAJOR.MINOR or MAJOR.MINOR.PATCH, such as 6.18")
    }
}

impl std::error::Error for NotAVersion {}

impl FromStr for KernelVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<KernelVersion, NotAVersion> {
        let numbers: Result<Vec<u16>, _> = text.split('.').map(str::parse).collect();
        match numbers.as_deref() {
            Ok([major, minor]) => Ok(KernelVersion::new(*major, *minor, 0)),
            Ok([major, minor, patch]) => Ok(KernelVersion::new(*major, *minor, *patch)),
            _ => Err(NotAVersion),
        }
    }
}
