//! `-j NFQUEUE --queue-balance 0:3 --queue-bypass`: the packet goes to a queue of user space,
//! which decides.
//!
//! Of several queues the kernel takes one by a hash with a secret; here it is the first.

use crate::eval::{Decision, Effect, Scene};
use crate::option::{Args, Spec, flag, value};
use crate::print::Line;
use crate::value::{PortRange, ascending, number_u16, port_range};

/// What the target declares.
pub const SPEC: Spec = Spec::new("NFQUEUE").options(&[
    value("queue-num").excludes(&["queue-balance"]),
    value("queue-balance"),
    flag("queue-bypass"),
    flag("queue-cpu-fanout").requires(&["queue-balance"]),
]);

/// Which queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nfqueue {
    /// The queue, or the first and the last of several.
    pub queues: PortRange,
    /// Whether the packet passes when nobody reads the queue.
    pub bypass: bool,
    /// Whether the CPU that sees the packet chooses among several queues.
    pub cpu_fanout: bool,
}

impl Nfqueue {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Nfqueue> {
        let num = args.plain("queue-num", number_u16).unwrap_or(0);
        let several = args.plain("queue-balance", |word| {
            let range = ascending(port_range(None))(word)?;
            let count = u32::from(range.max) - u32::from(range.min) + 1;
            match count {
                2..=0xffff => Ok(range),
                _ => Err(word
                    .mistake(format!("{} is not a range of 2 to 65535 queues", word.text))
                    .help("FIRST:LAST, such as 0:3")),
            }
        });
        Some(Nfqueue {
            queues: several.unwrap_or(PortRange { min: num, max: num }),
            bypass: args.has("queue-bypass"),
            cpu_fanout: args.has("queue-cpu-fanout"),
        })
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let several = self.queues.min != self.queues.max;
        out.value(if several { "queue-balance" } else { "queue-num" }, self.queues);
        out.flag("queue-bypass", self.bypass).flag("queue-cpu-fanout", self.cpu_fanout);
    }

    /// Hands the packet over.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Decide(Decision::Queue { num: self.queues.min, bypass: self.bypass })
    }
}
