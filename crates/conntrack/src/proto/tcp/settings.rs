//! The `nf_conntrack_tcp_*` sysctls.

use super::state::TcpState;

/// The switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunables {
    /// `nf_conntrack_tcp_loose`: pick up connections whose beginning was not seen.
    pub loose: bool,
    /// `nf_conntrack_tcp_be_liberal`: let segments outside the window pass as valid.
    pub be_liberal: bool,
    /// `nf_conntrack_tcp_ignore_invalid_rst`: let a RST below what the peer acknowledged pass.
    pub ignore_invalid_rst: bool,
    /// `nf_conntrack_tcp_max_retrans`: from this many repetitions on, the timeout is
    /// [`Timeouts::max_retrans_s`] at most.
    pub max_retrans: u8,
}

impl Default for Tunables {
    fn default() -> Tunables {
        Tunables { loose: true, be_liberal: false, ignore_invalid_rst: false, max_retrans: 3 }
    }
}

/// The TCP timeouts, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// `nf_conntrack_tcp_timeout_syn_sent`.
    pub syn_sent_s: u32,
    /// `nf_conntrack_tcp_timeout_syn_recv`.
    pub syn_recv_s: u32,
    /// `nf_conntrack_tcp_timeout_established`.
    pub established_s: u32,
    /// `nf_conntrack_tcp_timeout_fin_wait`.
    pub fin_wait_s: u32,
    /// `nf_conntrack_tcp_timeout_close_wait`.
    pub close_wait_s: u32,
    /// `nf_conntrack_tcp_timeout_last_ack`.
    pub last_ack_s: u32,
    /// `nf_conntrack_tcp_timeout_time_wait`.
    pub time_wait_s: u32,
    /// `nf_conntrack_tcp_timeout_close`.
    pub close_s: u32,
    /// SYN from both ends; no sysctl.
    pub syn_sent2_s: u32,
    /// `nf_conntrack_tcp_timeout_max_retrans`: the same segment again and again, or a closed
    /// window.
    pub max_retrans_s: u32,
    /// `nf_conntrack_tcp_timeout_unacknowledged`: data without an acknowledgement.
    pub unacknowledged_s: u32,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            syn_sent_s: 120,
            syn_recv_s: 60,
            established_s: 432_000,
            fin_wait_s: 120,
            close_wait_s: 60,
            last_ack_s: 30,
            time_wait_s: 120,
            close_s: 10,
            syn_sent2_s: 120,
            max_retrans_s: 300,
            unacknowledged_s: 300,
        }
    }
}

impl Timeouts {
    /// The timeout of a state.
    pub fn of(&self, state: TcpState) -> u32 {
        match state {
            TcpState::SynSent => self.syn_sent_s,
            TcpState::SynRecv => self.syn_recv_s,
            TcpState::Established => self.established_s,
            TcpState::FinWait => self.fin_wait_s,
            TcpState::CloseWait => self.close_wait_s,
            TcpState::LastAck => self.last_ack_s,
            TcpState::TimeWait => self.time_wait_s,
            TcpState::Close => self.close_s,
            TcpState::SynSent2 => self.syn_sent2_s,
        }
    }
}
