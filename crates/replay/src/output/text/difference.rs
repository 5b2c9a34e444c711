//! A packet over which the profiles differ: the packet, and below it what each makes of it.

use super::{BOLD, FAINT, GOOD, ODD, Text, verdict_colour};
use crate::output::{Difference, Doubt, Expecting, Flow, Proposed, Side};
use kinwall_terms::CtState;
use std::fmt::{self, Write as _};
use std::io::Write;

impl<W: Write> Text<W> {
    pub(super) fn difference(&mut self, difference: &Difference<'_>) -> fmt::Result {
        self.number_and_time(difference.packet, difference.time)?;
        if let Some(name) = difference.in_iface {
            self.coloured(FAINT, format_args!("{name}> "))?;
        }
        match difference.tuple {
            Some(tuple) => write!(self.line, "{}", Flow(tuple))?,
            None => self.line.push_str("unreadable"),
        }
        for (profile, side) in [("linux", &difference.linux), ("strict", &difference.strict)] {
            write!(self.line, "\n    ")?;
            self.coloured(BOLD, format_args!("{profile:<7}"))?;
            self.side(difference.packet, side)?;
        }
        Ok(())
    }

    fn side(&mut self, packet: u64, side: &Side<'_>) -> fmt::Result {
        self.coloured(verdict_colour(side.verdict), format_args!("{:<7}", side.verdict.name()))?;
        write!(self.line, " {}", side.ctstate.map_or("-", CtState::name))?;
        self.decided(side.rule, side.reason)?;
        if let Some(from) =
            side.announced_by.as_ref().filter(|_| side.ctstate == Some(CtState::Related))
        {
            write!(self.line, ", announced by packet {}", from.packet)?;
        }
        for Proposed { helper, expected, refused } in &side.expects {
            let flow = Expecting(expected);
            match refused {
                None => self.below(GOOD, format_args!("{helper} expects {flow}"))?,
                Some(why) => self.below(ODD, format_args!("{helper} proposed {flow}: {why}"))?,
            }
        }
        for doubt in &side.not_believed {
            let Doubt { helper, reason, packet: at, offset, length, blind } = *doubt;
            let end = offset.saturating_add(length);
            let before = at < packet;
            let what = match (blind, length) {
                (true, _) if before => format!("reads no more of this since packet {at}"),
                (true, _) => "reads no more of this connection".to_owned(),
                (false, 0) => format!("did not believe packet {at}"),
                (false, _) if before => {
                    format!("did not believe bytes {offset}..{end} of packet {at}")
                }
                (false, _) => format!("did not believe bytes {offset}..{end}"),
            };
            self.below(ODD, format_args!("{helper} {what}: {reason}"))?;
        }
        Ok(())
    }

    fn below(&mut self, colour: &str, text: fmt::Arguments<'_>) -> fmt::Result {
        write!(self.line, "\n{:11}", "")?;
        self.coloured(colour, text)
    }
}
