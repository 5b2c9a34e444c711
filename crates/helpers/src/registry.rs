//! The list of helpers: one row each.

use crate::helper::Helper;
use crate::rewrite::Ports;
use serde::{Deserialize, Serialize};

/// One row per helper: its kind and its module, which holds `HELPER` and `Scratch`.
macro_rules! helpers {
    ($($(#[$doc:meta])* $kind:ident: $($module:ident)::+,)*) => {
        /// The helpers there are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum HelperKind { $($(#[$doc])* $kind,)* }

        impl HelperKind {
            /// Every helper, in the order of the list.
            pub const ALL: &'static [HelperKind] = &[$(HelperKind::$kind,)*];

            /// What is known about it.
            pub fn helper(self) -> &'static Helper {
                match self { $(HelperKind::$kind => &crate::$($module)::+::HELPER,)* }
            }

            /// What it remembers of a connection it has not seen yet.
            pub fn scratch(self) -> Scratch {
                match self { $(HelperKind::$kind => Scratch::$kind(Default::default()),)* }
            }
        }

        /// What a helper remembers of a connection; bounded, and typed per helper.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub enum Scratch {
            $(
                #[doc = concat!("Of the helper `", stringify!($kind), "`.")]
                $kind(crate::$($module)::+::Scratch),
            )*
        }

        impl Scratch {
            /// The helper that remembers.
            pub fn kind(&self) -> HelperKind {
                match self { $(Scratch::$kind(_) => HelperKind::$kind,)* }
            }
        }
    };
}

helpers! {
    /// Backup over the network (Amanda).
    Amanda: amanda,
    /// File transfer (RFC 959, RFC 2428).
    Ftp: ftp,
    /// Channels of H.323 calls (ITU-T H.245).
    H245: h323::h245,
    /// Calls of H.323 (ITU-T Q.931 and H.225.0).
    Q931: h323::q931,
    /// Registration and admission of H.323 (ITU-T H.225.0).
    Ras: h323::ras,
    /// Direct client connections of IRC.
    Irc: irc,
    /// Names of the Windows network (RFC 1002).
    NetbiosNs: netbios_ns,
    /// Point to point tunnelling (RFC 2637).
    Pptp: pptp,
    /// Scanners over the network (SANE).
    Sane: sane,
    /// Session initiation (RFC 3261).
    Sip: sip,
    /// Network management (RFC 3416).
    Snmp: snmp,
    /// Network management, what is told unasked (RFC 3416).
    SnmpTrap: snmp::trap,
    /// Trivial file transfer (RFC 1350).
    Tftp: tftp,
}

impl Scratch {
    /// The ports that its messages have named, of a helper that remembers them.
    pub fn ports_mut(&mut self) -> Option<&mut Ports> {
        match self {
            Scratch::H245(scratch) => Some(&mut scratch.ports),
            Scratch::Q931(scratch) => Some(&mut scratch.ports),
            Scratch::Ras(scratch) => Some(&mut scratch.ports),
            _ => None,
        }
    }
}

impl HelperKind {
    /// The helper whose plain name is `name`, exactly.
    pub fn by_name(name: &str) -> Option<HelperKind> {
        HelperKind::ALL.iter().copied().find(|kind| kind.helper().name == name)
    }
}
