//! Every `net.netfilter.nf_conntrack_*` sysctl by its name, with Linux's defaults and ranges.
//!
//! The names stand in one list, `ROWS`; reading, writing, ranges and error messages come from
//! it. Durations are whole seconds, sizes are bytes.

use crate::proto::Tunables;
use kinwall_terms::KernelVersion;
use std::fmt;

/// What an operator may tune.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The trackers' share, the kernel version among it.
    pub tunables: Tunables,
    /// `nf_conntrack_max`: most connections, unconfirmed ones included. 0: no limit but
    /// [`crate::CONNECTIONS_MAX`].
    pub max: u32,
    /// `nf_conntrack_buckets`: what the defaults of both limits are derived from. kinwall's own
    /// table grows by itself.
    pub buckets: u32,
    /// `nf_conntrack_expect_max`: most expectations.
    pub expect_max: u32,
    /// `nf_conntrack_acct`: new connections count their packets and bytes.
    pub acct: bool,
    /// `nf_conntrack_events`: 0 off, 1 on, 2 when somebody listens.
    pub events: u8,
    /// `nf_conntrack_timestamp`.
    pub timestamp: bool,
    /// `nf_conntrack_log_invalid`: protocol number, 255 for all, 0 for none.
    pub log_invalid: u8,
    /// `nf_conntrack_helper`: helpers are assigned by port. Versions without the switch behave
    /// as its value here says: on before 3.5, off since 6.0.
    pub automatic_helpers: bool,
    /// Limits of IPv4 reassembly (`net.ipv4.ipfrag_*`).
    pub ipv4_fragments: FragmentLimits,
    /// Limits of IPv6 reassembly (`nf_conntrack_frag6_*`).
    pub ipv6_fragments: FragmentLimits,
}

/// Limits of the reassembly of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentLimits {
    /// How long an incomplete datagram is kept, in seconds.
    pub timeout_s: u32,
    /// Most memory all incomplete datagrams may take, in bytes.
    pub high_bytes: u64,
    /// To how much memory Linux shrinks them again, in bytes.
    pub low_bytes: u64,
    /// IPv4: how many other fragments of the same sender may come between two of a datagram;
    /// 0: any number.
    pub max_distance: u32,
}

impl FragmentLimits {
    const fn new(timeout_s: u32) -> FragmentLimits {
        FragmentLimits { timeout_s, high_bytes: 4 << 20, low_bytes: 3 << 20, max_distance: 64 }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::new(KernelVersion::DEFAULT)
    }
}

/// Why a setting was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No such sysctl.
    #[error("unknown setting {name:?}{}", did_you_mean(.suggestion))]
    Unknown {
        /// The name that was given.
        name: String,
        /// The nearest name there is.
        suggestion: Option<&'static str>,
    },
    /// The Linux version has no such sysctl.
    #[error("Linux {kernel} has no {name}: it {was}")]
    NotInVersion {
        /// The sysctl.
        name: &'static str,
        /// The version.
        kernel: KernelVersion,
        /// Since when, or until when.
        was: Lifetime,
    },
    /// It can only be read.
    #[error("{0} can only be read")]
    ReadOnly(&'static str),
    /// The value is no number.
    #[error("{name} takes a whole number{unit} between 0 and {max}, not {value:?}")]
    NotANumber {
        /// The sysctl.
        name: &'static str,
        /// What was given.
        value: String,
        /// Largest value.
        max: u64,
        /// What it counts.
        unit: Unit,
    },
    /// The value is too small or too large.
    #[error("{name} is {value}: it takes a whole number{unit} between {min} and {max}")]
    OutOfRange {
        /// The sysctl.
        name: &'static str,
        /// What was given.
        value: String,
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
        /// What it counts.
        unit: Unit,
    },
}

fn did_you_mean(name: &Option<&'static str>) -> String {
    name.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

/// The versions that have a sysctl: `since` included, `until` excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    since: KernelVersion,
    until: KernelVersion,
}

impl Lifetime {
    const ALWAYS: Lifetime =
        Lifetime { since: KernelVersion::new(0, 0, 0), until: KernelVersion::new(u16::MAX, 0, 0) };
    const fn since(major: u16, minor: u16) -> Lifetime {
        Lifetime { since: KernelVersion::new(major, minor, 0), ..Lifetime::ALWAYS }
    }
    const fn until(major: u16, minor: u16) -> Lifetime {
        Lifetime { until: KernelVersion::new(major, minor, 0), ..Lifetime::ALWAYS }
    }
    const fn between(since: (u16, u16), until: (u16, u16)) -> Lifetime {
        Lifetime {
            since: KernelVersion::new(since.0, since.1, 0),
            until: KernelVersion::new(until.0, until.1, 0),
        }
    }

    /// Whether that Linux has it.
    pub fn has(self, kernel: KernelVersion) -> bool {
        self.since <= kernel && kernel < self.until
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.since > Self::ALWAYS.since, self.until < Self::ALWAYS.until) {
            (false, _) => write!(f, "was removed in {}", self.until),
            (true, false) => write!(f, "came with {}", self.since),
            (true, true) => write!(f, "came with {} and was removed in {}", self.since, self.until),
        }
    }
}

/// What a setting counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Off and on.
    Switch,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Things, or a code.
    Count,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unit::Seconds => " of seconds",
            Unit::Bytes => " of bytes",
            Unit::Switch | Unit::Count => "",
        })
    }
}

impl Settings {
    /// The defaults of a Linux version on a machine with more than 4 GiB.
    pub fn new(kernel: KernelVersion) -> Settings {
        Settings {
            tunables: Tunables::new(kernel),
            max: 262_144,
            buckets: 262_144,
            expect_max: 4096,
            acct: false,
            events: if kernel >= KernelVersion::new(5, 18, 0) { 2 } else { 1 },
            timestamp: false,
            log_invalid: 0,
            automatic_helpers: kernel.automatic_assignment_default(),
            ipv4_fragments: FragmentLimits::new(30),
            ipv6_fragments: FragmentLimits::new(60),
        }
    }

    /// The Linux version whose defaults and exceptions hold.
    pub fn kernel(&self) -> KernelVersion {
        self.tunables.kernel
    }

    /// Every name there is in this version, without prefix.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let kernel = self.kernel();
        ROWS.iter().filter(move |row| row.lifetime.has(kernel)).map(|row| row.name)
    }

    /// The value of a sysctl, named with or without `net.netfilter.`, `net.ipv4.` or `net.`
    /// before it, dots or slashes between, or as a path below `/proc/sys`.
    ///
    /// # Errors
    ///
    /// The name is unknown, or the version does not have it.
    pub fn get(&self, name: &str) -> Result<u64, SettingError> {
        let row = self.row(name)?;
        Ok((row.read)(self))
    }

    /// Sets a sysctl, named as for [`Settings::get`], to a decimal, octal (`0` first) or
    /// hexadecimal (`0x` first) number.
    ///
    /// # Errors
    ///
    /// As for [`Settings::get`], or the value is no number or out of the sysctl's range.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        let row = self.row(name)?;
        let Some(write) = row.write else {
            return Err(SettingError::ReadOnly(row.name));
        };
        let (name, max, unit) = (row.name, row.max, row.unit);
        let value = value.trim();
        let Some(number) = parse_number(value) else {
            return Err(SettingError::NotANumber { name, value: value.into(), max, unit });
        };
        match u64::try_from(number) {
            Ok(number) if (row.min..=max).contains(&number) => {
                write(self, number);
                Ok(())
            }
            _ => {
                let value = value.into();
                Err(SettingError::OutOfRange { name, value, min: row.min, max, unit })
            }
        }
    }

    /// Whether `name`, in any of its spellings, is one of these settings in some version.
    pub fn knows(name: &str) -> bool {
        find(name).is_some()
    }

    fn row(&self, name: &str) -> Result<&'static Row, SettingError> {
        let Some(row) = find(name) else {
            let suggestion = nearest(name);
            return Err(SettingError::Unknown { name: name.into(), suggestion });
        };
        let kernel = self.kernel();
        if !row.lifetime.has(kernel) {
            let (name, was) = (row.name, row.lifetime);
            return Err(SettingError::NotInVersion { name, kernel, was });
        }
        Ok(row)
    }
}

/// The name without prefixes, with dots.
fn bare(name: &str) -> String {
    let dotted = name.trim().trim_start_matches('/').replace('/', ".");
    let mut bare = dotted.as_str();
    for prefix in ["proc.sys.", "net.", "netfilter.", "ipv4.", "netfilter."] {
        bare = bare.strip_prefix(prefix).unwrap_or(bare);
    }
    // Up to 2.6 the names were net.ipv4.netfilter.ip_conntrack_*.
    match bare.strip_prefix("ip_conntrack_") {
        Some(rest) => format!("nf_conntrack_{rest}"),
        None => bare.to_string(),
    }
}

fn find(name: &str) -> Option<&'static Row> {
    let bare = bare(name);
    ROWS.iter().find(|row| row.name == bare)
}

/// The known name with the fewest edits, if they are few.
fn nearest(name: &str) -> Option<&'static str> {
    let bare: String = bare(name).chars().take(NAME_LENGTH_MAX).collect();
    let distance = |row: &Row| edits(bare.as_bytes(), row.name.as_bytes());
    let row = ROWS.iter().min_by_key(|row| distance(row))?;
    (distance(row) <= EDITS_MAX).then_some(row.name)
}

const NAME_LENGTH_MAX: usize = 64;
const EDITS_MAX: usize = 4;

/// Levenshtein's distance.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// As the kernel reads numbers: a sign, and `0x` or `0` for other bases.
fn parse_number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (digits, base) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from_str_radix(digits, base).ok()?;
    Some(if negative { -number } else { number })
}

/// One sysctl.
struct Row {
    name: &'static str,
    unit: Unit,
    min: u64,
    max: u64,
    lifetime: Lifetime,
    read: fn(&Settings) -> u64,
    write: Option<fn(&mut Settings, u64)>,
}

/// The kernel keeps durations in ticks of 4 ms, in 31 bits.
const SECONDS_MAX: u64 = (i32::MAX / 250) as u64;
const COUNT_MAX: u64 = i32::MAX as u64;

impl Row {
    const fn new(
        name: &'static str,
        unit: Unit,
        read: fn(&Settings) -> u64,
        write: fn(&mut Settings, u64),
    ) -> Row {
        let max = match unit {
            Unit::Switch => 1,
            Unit::Seconds => SECONDS_MAX,
            Unit::Bytes => i64::MAX as u64,
            Unit::Count => COUNT_MAX,
        };
        Row { name, unit, min: 0, max, lifetime: Lifetime::ALWAYS, read, write: Some(write) }
    }

    const fn range(self, min: u64, max: u64) -> Row {
        Row { min, max, ..self }
    }

    const fn lifetime(self, lifetime: Lifetime) -> Row {
        Row { lifetime, ..self }
    }

    const fn read_only(self) -> Row {
        Row { write: None, ..self }
    }
}

/// A row whose value is a `bool` field.
macro_rules! switch {
    ($name:literal, $($field:ident).+) => {
        Row::new($name, Unit::Switch, |s| u64::from(s.$($field).+), |s, v| s.$($field).+ = v != 0)
    };
}

/// A row whose value is a number field. The range was checked: the cast loses nothing.
macro_rules! number {
    ($name:literal, $unit:ident, $($field:ident).+) => {
        Row::new($name, Unit::$unit, |s| s.$($field).+ as u64, |s, v| s.$($field).+ = v as _)
    };
}

/// A row of the timeouts.
macro_rules! timeout {
    ($name:literal, $($field:ident).+) => {
        number!($name, Seconds, tunables.timeouts.$($field).+)
    };
}

const DCCP: Lifetime = Lifetime::until(6, 16);

#[rustfmt::skip]
static ROWS: &[Row] = &[
    number!("nf_conntrack_max", Count, max),
    number!("nf_conntrack_buckets", Count, buckets).read_only(),
    number!("nf_conntrack_expect_max", Count, expect_max).range(1, COUNT_MAX),
    switch!("nf_conntrack_acct", acct),
    switch!("nf_conntrack_checksum", tunables.checksum),
    number!("nf_conntrack_events", Count, events).range(0, 2),
    switch!("nf_conntrack_timestamp", timestamp),
    number!("nf_conntrack_log_invalid", Count, log_invalid).range(0, 255),
    switch!("nf_conntrack_helper", automatic_helpers).lifetime(Lifetime::between((3, 5), (6, 0))),
    timeout!("nf_conntrack_generic_timeout", generic_s),
    timeout!("nf_conntrack_icmp_timeout", icmp_s),
    timeout!("nf_conntrack_icmpv6_timeout", icmpv6_s),
    timeout!("nf_conntrack_udp_timeout", udp.one_way_s),
    timeout!("nf_conntrack_udp_timeout_stream", udp.stream_s),
    timeout!("nf_conntrack_gre_timeout", gre.one_way_s),
    timeout!("nf_conntrack_gre_timeout_stream", gre.stream_s),
    timeout!("nf_conntrack_tcp_timeout_syn_sent", tcp.syn_sent_s),
    timeout!("nf_conntrack_tcp_timeout_syn_recv", tcp.syn_recv_s),
    timeout!("nf_conntrack_tcp_timeout_established", tcp.established_s),
    timeout!("nf_conntrack_tcp_timeout_fin_wait", tcp.fin_wait_s),
    timeout!("nf_conntrack_tcp_timeout_close_wait", tcp.close_wait_s),
    timeout!("nf_conntrack_tcp_timeout_last_ack", tcp.last_ack_s),
    timeout!("nf_conntrack_tcp_timeout_time_wait", tcp.time_wait_s),
    timeout!("nf_conntrack_tcp_timeout_close", tcp.close_s),
    timeout!("nf_conntrack_tcp_timeout_max_retrans", tcp.max_retrans_s),
    timeout!("nf_conntrack_tcp_timeout_unacknowledged", tcp.unacknowledged_s),
    switch!("nf_conntrack_tcp_loose", tunables.tcp.loose),
    switch!("nf_conntrack_tcp_be_liberal", tunables.tcp.be_liberal),
    switch!("nf_conntrack_tcp_ignore_invalid_rst", tunables.tcp.ignore_invalid_rst)
        .lifetime(Lifetime::since(5, 14)),
    number!("nf_conntrack_tcp_max_retrans", Count, tunables.tcp.max_retrans).range(0, 255),
    timeout!("nf_conntrack_sctp_timeout_closed", sctp.closed_s),
    timeout!("nf_conntrack_sctp_timeout_cookie_wait", sctp.cookie_wait_s),
    timeout!("nf_conntrack_sctp_timeout_cookie_echoed", sctp.cookie_echoed_s),
    timeout!("nf_conntrack_sctp_timeout_established", sctp.established_s),
    timeout!("nf_conntrack_sctp_timeout_shutdown_sent", sctp.shutdown_sent_s),
    timeout!("nf_conntrack_sctp_timeout_shutdown_recd", sctp.shutdown_recd_s),
    timeout!("nf_conntrack_sctp_timeout_shutdown_ack_sent", sctp.shutdown_ack_sent_s),
    timeout!("nf_conntrack_sctp_timeout_heartbeat_sent", sctp.heartbeat_sent_s),
    timeout!("nf_conntrack_dccp_timeout_request", dccp.request_s).lifetime(DCCP),
    timeout!("nf_conntrack_dccp_timeout_respond", dccp.respond_s).lifetime(DCCP),
    timeout!("nf_conntrack_dccp_timeout_partopen", dccp.partopen_s).lifetime(DCCP),
    timeout!("nf_conntrack_dccp_timeout_open", dccp.open_s).lifetime(DCCP),
    timeout!("nf_conntrack_dccp_timeout_closereq", dccp.closereq_s).lifetime(DCCP),
    timeout!("nf_conntrack_dccp_timeout_closing", dccp.closing_s).lifetime(DCCP),
    timeout!("nf_conntrack_dccp_timeout_timewait", dccp.timewait_s).lifetime(DCCP),
    number!("nf_conntrack_frag6_timeout", Seconds, ipv6_fragments.timeout_s),
    number!("nf_conntrack_frag6_high_thresh", Bytes, ipv6_fragments.high_bytes),
    number!("nf_conntrack_frag6_low_thresh", Bytes, ipv6_fragments.low_bytes),
    number!("ipfrag_time", Seconds, ipv4_fragments.timeout_s),
    number!("ipfrag_high_thresh", Bytes, ipv4_fragments.high_bytes),
    number!("ipfrag_low_thresh", Bytes, ipv4_fragments.low_bytes),
    number!("ipfrag_max_dist", Count, ipv4_fragments.max_distance),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_by_version() {
        let rows = [
            ("6.18", "nf_conntrack_max", Some(262_144)),
            ("6.18", "net.netfilter.nf_conntrack_expect_max", Some(4096)),
            ("6.18", "net.nf_conntrack_max", Some(262_144)),
            ("6.18", "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established", Some(432_000)),
            ("6.18", "net/netfilter/nf_conntrack_udp_timeout_stream", Some(120)),
            ("4.19", "nf_conntrack_udp_timeout_stream", Some(180)),
            ("6.18", "net.ipv4.ipfrag_time", Some(30)),
            ("6.18", "nf_conntrack_frag6_timeout", Some(60)),
            ("6.18", "nf_conntrack_helper", None),
            ("5.15", "nf_conntrack_helper", Some(0)),
            ("4.4", "nf_conntrack_helper", Some(1)),
            ("2.6.34", "net.ipv4.netfilter.ip_conntrack_max", Some(262_144)),
            ("2.6.34", "nf_conntrack_helper", None),
            ("6.18", "nf_conntrack_dccp_timeout_open", None),
            ("6.12", "nf_conntrack_dccp_timeout_open", Some(43_200)),
        ];
        for (kernel, name, wanted) in rows {
            let settings = Settings::new(kernel.parse().unwrap());
            assert_eq!(settings.get(name).ok(), wanted, "{kernel} {name}");
        }
    }

    #[test]
    fn every_setting_can_be_written_and_read() {
        let mut settings = Settings::new("5.15".parse().unwrap());
        for row in ROWS {
            let written = settings.set(row.name, "1");
            match row.write {
                Some(_) => assert_eq!((written, settings.get(row.name)), (Ok(()), Ok(1))),
                None => assert_eq!(written, Err(SettingError::ReadOnly(row.name))),
            }
        }
    }

    #[test]
    fn every_name_stands_once() {
        for row in ROWS {
            assert_eq!(ROWS.iter().filter(|other| other.name == row.name).count(), 1);
        }
    }

    #[test]
    fn mistakes_are_explained() {
        let rows = [
            (
                "nf_conntrack_tcp_timeout_close",
                "soon",
                "nf_conntrack_tcp_timeout_close takes a whole number of seconds between 0 and \
                 8589934, not \"soon\"",
            ),
            (
                "nf_conntrack_tcp_timeout_close",
                "-1",
                "nf_conntrack_tcp_timeout_close is -1: it takes a whole number of seconds between \
                 0 and 8589934",
            ),
            (
                "net.netfilter.nf_conntrack_acct",
                "2",
                "nf_conntrack_acct is 2: it takes a whole number between 0 and 1",
            ),
            (
                "nf_conntrack_expect_max",
                "0",
                "nf_conntrack_expect_max is 0: it takes a whole number between 1 and 2147483647",
            ),
            (
                "nf_conntrack_helper",
                "1",
                "Linux 6.18 has no nf_conntrack_helper: it came with 3.5 \
                and was removed in 6.0",
            ),
            ("nf_conntrack_buckets", "1", "nf_conntrack_buckets can only be read"),
            (
                "nf_conntrack_tcp_lose",
                "1",
                "unknown setting \"nf_conntrack_tcp_lose\"; did you mean nf_conntrack_tcp_loose?",
            ),
            ("kernel.panic", "1", "unknown setting \"kernel.panic\""),
            ("", "1", "unknown setting \"\""),
        ];
        for (name, value, wanted) in rows {
            let error = Settings::default().set(name, value).unwrap_err();
            assert_eq!(error.to_string(), wanted);
        }
    }

    #[test]
    fn numbers_have_the_kernels_bases() {
        let rows = [("0x10", Some(16)), ("010", Some(8)), (" 7\n", Some(7)), ("0", Some(0))];
        for (text, wanted) in rows {
            let mut settings = Settings::default();
            assert!(settings.set("nf_conntrack_icmp_timeout", text).is_ok(), "{text:?}");
            assert_eq!(settings.get("nf_conntrack_icmp_timeout").ok(), wanted);
        }
        for text in
            ["", "0x", "5 6", "--5", "0x-5", "1e3", "99999999999999999999999999999999999999999"]
        {
            assert!(
                Settings::default().set("nf_conntrack_icmp_timeout", text).is_err(),
                "{text:?}"
            );
        }
    }
}
