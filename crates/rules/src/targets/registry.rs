//! The list of targets. How to add one: as a match, see [`crate::matches::registry`].

use crate::eval::{Decision, Effect, Scene};
use crate::option::{Args, Spec};
use crate::print::Line;
use kinwall_terms::{Family, Hook, Reason};

macro_rules! targets {
    ($($(#[$doc:meta])* $variant:ident = $module:ident,)*) => {
        $(use super::$module;)*

        /// What a rule does with a packet that matches.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Target {
            /// The table lets it pass.
            Accept,
            /// It is dropped.
            Drop,
            /// The walk goes back to the calling chain, or to the policy of a built-in one.
            Return,
            /// The walk goes on in this user chain, and comes back after its end.
            Jump(Box<str>),
            /// As `Jump`, but the end of that chain is the end of this one too.
            Goto(Box<str>),
            $($(#[$doc])* $variant($module::$variant),)*
        }

        /// Which extension target: a row of the list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// Every extension target, in order of the list.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant,)*];

            /// What the target declares.
            pub fn spec(self) -> &'static Spec {
                match self { $(Kind::$variant => &$module::SPEC,)* }
            }

            /// Reads the options of the target.
            pub(crate) fn parse(self, args: &mut Args<'_>) -> Option<Target> {
                Some(match self {
                    $(Kind::$variant => Target::$variant($module::$variant::parse(args)?),)*
                })
            }
        }

        impl Target {
            /// Which extension target it is; `None` for the built-in ones.
            pub fn kind(&self) -> Option<Kind> {
                match self { $(Target::$variant(_) => Some(Kind::$variant),)* _ => None }
            }

            /// Writes `-j NAME` or `-g NAME`, and the options.
            pub fn print(&self, out: &mut Line) {
                match self {
                    Target::Accept => out.word("-j ACCEPT"),
                    Target::Drop => out.word("-j DROP"),
                    Target::Return => out.word("-j RETURN"),
                    Target::Jump(chain) => out.word("-j").word(chain),
                    Target::Goto(chain) => out.word("-g").word(chain),
                    $(Target::$variant(target) => {
                        out.word("-j").word($module::SPEC.name);
                        target.print(out);
                        out
                    })*
                };
            }

            /// What the target does. Jumps and returns are the walk's own business and go on
            /// here.
            pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
                match self {
                    Target::Accept => Effect::Decide(Decision::Accept),
                    Target::Drop => Effect::Decide(Decision::Drop(Reason::Rule)),
                    Target::Return | Target::Jump(_) | Target::Goto(_) => Effect::Continue,
                    $(Target::$variant(target) => target.eval(scene),)*
                }
            }
        }
    };
}

targets! {
    /// `AUDIT`: a record for the audit system.
    Audit = audit,
    /// `CHECKSUM`: fills in the checksum.
    Checksum = checksum,
    /// `CLASSIFY`: sets the traffic class.
    Classify = classify,
    /// `CLUSTERIP`: several machines share one address.
    Clusterip = clusterip,
    /// `CONNMARK`: sets, saves or restores the connmark.
    Connmark = connmark,
    /// `CONNSECMARK`: saves or restores the security context.
    Connsecmark = connsecmark,
    /// `CT`: how the packet is tracked.
    Ct = ct,
    /// `DNAT`: another destination.
    Dnat = dnat,
    /// `DNPT`: another prefix of the destination.
    Dnpt = dnpt,
    /// `DSCP`: sets the code point.
    Dscp = dscp,
    /// `ECN`: changes congestion notification.
    Ecn = ecn,
    /// `HL`: changes the hop limit of IPv6.
    Hl = hl,
    /// `HMARK`: a packet mark by hash.
    Hmark = hmark,
    /// `IDLETIMER`: starts a timer again.
    Idletimer = idletimer,
    /// `LED`: a light blinks.
    Led = led,
    /// `LOG`: a line in the kernel log.
    Log = log,
    /// `MARK`: sets the packet mark.
    Mark = mark,
    /// `MASQUERADE`: the source becomes the address of the interface.
    Masquerade = masquerade,
    /// `NETMAP`: a network becomes another.
    Netmap = netmap,
    /// `NFLOG`: the packet goes to listeners.
    Nflog = nflog,
    /// `NFQUEUE`: the packet goes to a queue.
    Nfqueue = nfqueue,
    /// `NOTRACK`: the packet is not tracked.
    Notrack = notrack,
    /// `RATEEST`: feeds an estimator.
    Rateest = rateest,
    /// `REDIRECT`: the destination becomes the gateway.
    Redirect = redirect,
    /// `REJECT`: dropped, and the sender is told.
    Reject = reject,
    /// `SECMARK`: sets the security context.
    Secmark = secmark,
    /// `SET`: changes sets of addresses.
    Set = set,
    /// `SNAT`: another source.
    Snat = snat,
    /// `SNPT`: another prefix of the source.
    Snpt = snpt,
    /// `SYNPROXY`: the gateway shakes hands.
    Synproxy = synproxy,
    /// `TCPMSS`: changes the maximum segment size.
    Tcpmss = tcpmss,
    /// `TCPOPTSTRIP`: removes TCP options.
    Tcpoptstrip = tcpoptstrip,
    /// `TEE`: a copy goes to another gateway.
    Tee = tee,
    /// `TOS`: changes the TOS octet.
    Tos = tos,
    /// `TPROXY`: the packet goes to a local socket.
    Tproxy = tproxy,
    /// `TRACE`: the rules it meets are reported.
    Trace = trace,
    /// `TTL`: changes the time to live of IPv4.
    Ttl = ttl,
    /// `ULOG`: the packet goes to listeners, in the older way.
    Ulog = ulog,
}

impl Kind {
    /// The extension target called `name`.
    pub fn from_name(name: &str, family: Family) -> Option<Kind> {
        let fits = |spec: &Spec| spec.name == name && spec.family.is_none_or(|f| f == family);
        Kind::ALL.iter().copied().find(|kind| fits(kind.spec()))
    }

    /// Whether a target of that name exists in some family.
    pub fn exists(name: &str) -> bool {
        Kind::ALL.iter().any(|kind| kind.spec().name == name)
    }
}

impl Target {
    /// The hooks from which a rule with this target may be reached; empty: all. As its spec says,
    /// unless an option says more.
    pub fn hooks(&self) -> &'static [Hook] {
        match self {
            Target::Tcpmss(tcpmss::Tcpmss::Clamp) => tcpmss::CLAMP_HOOKS,
            Target::Set(set) if set.map_priority || set.map_queue => set::MAP_HOOKS,
            target => target.kind().map_or(&[], |kind| kind.spec().hooks),
        }
    }
}

/// The targets that are words of the language, not extensions.
pub const BUILT_IN: [&str; 4] = ["ACCEPT", "DROP", "QUEUE", "RETURN"];
