//! `-p tcp -j TCPOPTSTRIP --strip-options 4,5`: TCP options are overwritten by padding; the walk
//! goes on.

use crate::diagnostic::Diagnostic;
use crate::eval::{Decision, Effect, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::parse_number;
use kinwall_terms::{L4Proto, Reason, Table};
use kinwall_wire::L4;
use kinwall_wire::tcp::Tcp;

/// What the target declares.
pub const SPEC: Spec = Spec::new("TCPOPTSTRIP")
    .needs(&[L4Proto::TCP])
    .tables(&[Table::Mangle])
    .options(&[value("strip-options")]);

/// The options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcpoptstrip {
    /// Their kinds, in order; 2 to 255.
    pub kinds: Box<[u8]>,
}

impl Tcpoptstrip {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Tcpoptstrip> {
        let kinds = args.plain("strip-options", kinds);
        Some(Tcpoptstrip { kinds: kinds.unwrap_or_default() })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let kinds: Vec<String> = self.kinds.iter().map(u8::to_string).collect();
        if !kinds.is_empty() {
            out.value("strip-options", kinds.join(","));
        }
    }

    /// Changes nothing that rules can see. A packet whose header is cut short is dropped.
    pub fn eval(&self, scene: &mut Scene<'_, '_>) -> Effect {
        let headers = scene.facts.headers;
        let transport = headers.transport(scene.facts.bytes);
        let is_whole = match headers.l4 {
            L4::Tcp(tcp) => (Tcp::LENGTH..=transport.len()).contains(&tcp.data_offset.into()),
            _ => headers.is_later_fragment(),
        };
        match is_whole {
            true => Effect::Continue,
            false => Effect::Decide(Decision::Drop(Reason::HotDrop)),
        }
    }
}

const NAMES: [(&str, u8); 6] =
    [("wscale", 3), ("mss", 2), ("sack-permitted", 4), ("sack", 5), ("timestamp", 8), ("md5", 19)];

fn kinds(word: &Word) -> Result<Box<[u8]>, Diagnostic> {
    let mut kinds = std::collections::BTreeSet::new();
    for part in word.text.split(',') {
        let named = NAMES.iter().find(|(name, _)| *name == part).map(|(_, kind)| *kind);
        let number = || parse_number(part).and_then(|n| u8::try_from(n).ok()).filter(|n| *n > 1);
        let Some(kind) = named.or_else(number) else {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            return Err(word
                .mistake(format!("{part:?} is not a TCP option"))
                .help(format!("a number from 2 to 255 or one of {}", names.join(", "))));
        };
        if !kinds.insert(kind) {
            return Err(word.mistake(format!("option {kind} stands twice")));
        }
    }
    Ok(kinds.into_iter().collect())
}
