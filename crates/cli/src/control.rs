//! Questions to a running gateway: the language they are asked in, and who answers.
//!
//! A question is one line of JSON over a Unix socket, the answer lines of JSON until the gateway
//! closes the connection; the last says `{"type":"done"}`, or `{"type":"error"}` and why.

pub(crate) mod answer;
pub(crate) mod client;
pub(crate) mod filter;
pub(crate) mod record;
pub(crate) mod server;

use filter::Filter;
use serde::{Deserialize, Serialize};

/// Where the socket is when nobody says otherwise.
pub(crate) const SOCKET: &str = "/run/kinwall/control.sock";

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Request {
    /// The connections that fit.
    Connections {
        #[serde(default)]
        filter: Filter,
        #[serde(default)]
        lines: Lines,
    },
    /// The expectations whose master fits.
    Expectations {
        #[serde(default)]
        filter: Filter,
        #[serde(default)]
        lines: Lines,
    },
    /// What happens to connections that fit and to their expectations, from now on.
    Events {
        #[serde(default)]
        filter: Filter,
        #[serde(default)]
        lines: Lines,
        /// Those of expectations alone.
        #[serde(default)]
        expectations_only: bool,
    },
    /// The steps of packets that fit, from now on.
    Trace {
        #[serde(default)]
        filter: Filter,
    },
    /// Everything, counted.
    Stats,
    /// The settings that can be asked for.
    Settings,
    /// Changes a setting.
    Set { key: String, value: String },
    /// The helpers.
    Helpers,
    /// The rules, with their counters.
    Rules,
    /// Removes the connections that fit.
    Delete { filter: Filter },
    /// Removes every connection.
    Flush,
    /// The sets that rules ask, or a change of one in the words of ipset(8).
    Ipset {
        #[serde(default)]
        change: Option<String>,
    },
    /// Reads rules and settings again.
    Reload,
    /// Lets a gateway stay that waits to be confirmed.
    Confirm,
}

/// What an answer holds beside its facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Lines {
    /// Nothing.
    #[default]
    None,
    /// `line`: how conntrack(8) prints it.
    Conntrack,
    /// `line`: how `conntrack -o extended` prints it.
    Extended,
}

impl Lines {
    /// What is asked of the lines, if any are.
    fn options(self) -> Option<kinwall_state::show::Options> {
        let extended = self == Lines::Extended;
        (self != Lines::None).then_some(kinwall_state::show::Options { extended, id: false })
    }
}
