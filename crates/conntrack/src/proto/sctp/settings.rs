//! The `nf_conntrack_sctp_timeout_*` sysctls.

use super::table::SctpState;

/// The SCTP timeouts, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// `nf_conntrack_sctp_timeout_closed`.
    pub closed_s: u32,
    /// `nf_conntrack_sctp_timeout_cookie_wait`.
    pub cookie_wait_s: u32,
    /// `nf_conntrack_sctp_timeout_cookie_echoed`.
    pub cookie_echoed_s: u32,
    /// `nf_conntrack_sctp_timeout_established`.
    pub established_s: u32,
    /// `nf_conntrack_sctp_timeout_shutdown_sent`.
    pub shutdown_sent_s: u32,
    /// `nf_conntrack_sctp_timeout_shutdown_recd`.
    pub shutdown_recd_s: u32,
    /// `nf_conntrack_sctp_timeout_shutdown_ack_sent`.
    pub shutdown_ack_sent_s: u32,
    /// `nf_conntrack_sctp_timeout_heartbeat_sent`.
    pub heartbeat_sent_s: u32,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            closed_s: 10,
            cookie_wait_s: 3,
            cookie_echoed_s: 3,
            established_s: 210,
            shutdown_sent_s: 3,
            shutdown_recd_s: 3,
            shutdown_ack_sent_s: 3,
            heartbeat_sent_s: 30,
        }
    }
}

impl Timeouts {
    /// The timeout of a state.
    pub fn of(&self, state: SctpState) -> u32 {
        match state {
            SctpState::Closed => self.closed_s,
            SctpState::CookieWait => self.cookie_wait_s,
            SctpState::CookieEchoed => self.cookie_echoed_s,
            SctpState::Established => self.established_s,
            SctpState::ShutdownSent => self.shutdown_sent_s,
            SctpState::ShutdownRecd => self.shutdown_recd_s,
            SctpState::ShutdownAckSent => self.shutdown_ack_sent_s,
            SctpState::HeartbeatSent => self.heartbeat_sent_s,
        }
    }
}
