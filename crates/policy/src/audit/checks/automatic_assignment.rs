//! `nf_conntrack_helper=1`: every connection to a helper's port is read by that helper.

use crate::audit::{Gateway, Report, Visits};

pub(super) fn run(gateway: &Gateway<'_>, _: &Visits<'_>, report: &mut Report) {
    if !gateway.automatic_helpers || !gateway.kernel.has_automatic_assignment() {
        return;
    }
    let fix = match gateway.kernel.has_helper_sysctl() {
        true => {
            "sysctl -w net.netfilter.nf_conntrack_helper=0, and one CT rule for each service: \
                 iptables -t raw -A PREROUTING -p tcp --dport 21 -d ADDRESS -j CT --helper ftp"
        }
        false => {
            "load each module with ports=0 and assign its helper by CT rules, under its new \
                  name: modprobe nf_conntrack_ftp ports=0; ... -j CT --helper ftp-0"
        }
    };
    report.add(
        "helpers are assigned automatically: every connection to a helper's port is read, \
         whoever opens it",
        fix,
    );
}
