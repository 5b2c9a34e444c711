//! `-j HMARK --hmark-tuple src,dst --hmark-mod 4 --hmark-rnd 0xfeed`: sets the packet mark to a
//! hash of the packet. Which one is not known here.

use crate::diagnostic::Diagnostic;
use crate::eval::{Decision, Effect, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::{number, number_u16, number_u32};

/// What the target declares.
pub const SPEC: Spec = Spec::new("HMARK").not_evaluated().options(&[
    value("hmark-tuple"),
    value("hmark-src-prefix"),
    value("hmark-dst-prefix"),
    value("hmark-sport-mask").excludes(&["hmark-spi-mask", "hmark-spi"]),
    value("hmark-dport-mask").excludes(&["hmark-spi-mask", "hmark-spi"]),
    value("hmark-spi-mask").excludes(&["hmark-sport", "hmark-dport"]),
    value("hmark-sport").excludes(&["hmark-spi"]),
    value("hmark-dport").excludes(&["hmark-spi"]),
    value("hmark-spi"),
    value("hmark-proto-mask"),
    value("hmark-rnd").required(),
    value("hmark-mod").required(),
    value("hmark-offset"),
]);

/// What is hashed; what is `None` takes no part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hmark {
    /// How many bits of the source.
    pub src_prefix: Option<u8>,
    /// How many bits of the destination.
    pub dst_prefix: Option<u8>,
    /// Which bits of the source port.
    pub sport_mask: Option<u16>,
    /// Which bits of the destination port.
    pub dport_mask: Option<u16>,
    /// Which bits of the SPI of ESP and AH.
    pub spi_mask: Option<u32>,
    /// What the source port is or-ed with.
    pub sport: Option<u16>,
    /// What the destination port is or-ed with.
    pub dport: Option<u16>,
    /// What the SPI is or-ed with.
    pub spi: Option<u32>,
    /// Which bits of the protocol.
    pub proto_mask: Option<u16>,
    /// What the hash begins with.
    pub seed: u32,
    /// How many marks there are, at least 1.
    pub modulus: u32,
    /// What is added to the mark.
    pub offset: Option<u32>,
    /// Whether the addresses of the connection are taken, as it began.
    pub ct: bool,
}

const TUPLE: [(&str, &str); 7] = [
    ("src", "hmark-src-prefix"),
    ("dst", "hmark-dst-prefix"),
    ("sport", "hmark-sport-mask"),
    ("dport", "hmark-dport-mask"),
    ("spi", "hmark-spi-mask"),
    ("proto", "hmark-proto-mask"),
    ("ct", "hmark-tuple"),
];

impl Hmark {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Hmark> {
        let bits = args.context.family.bits();
        let tuple = args.plain("hmark-tuple", tuple).unwrap_or([false; 7]);
        let parts = TUPLE.iter().zip(tuple).filter(|((part, _), given)| *given && *part != "ct");
        for ((part, option), _) in parts {
            if args.has(option) {
                let message = format!("{part} of --hmark-tuple is --{option} already");
                args.report_at(option, message, "keep one of them");
            }
        }
        let [src, dst, sport, dport, spi, proto, ct] = tuple;
        let all = |part: bool| part.then_some(u16::MAX);
        let prefix = number(0..=u64::from(bits));
        let width = |part: bool| part.then_some(u64::from(bits));
        let src = args.plain("hmark-src-prefix", &prefix).or(width(src));
        let dst = args.plain("hmark-dst-prefix", &prefix).or(width(dst));
        let hmark = Hmark {
            src_prefix: src.map(|bits| bits as u8),
            dst_prefix: dst.map(|bits| bits as u8),
            sport_mask: args.plain("hmark-sport-mask", number_u16).or(all(sport)),
            dport_mask: args.plain("hmark-dport-mask", number_u16).or(all(dport)),
            spi_mask: args.plain("hmark-spi-mask", number_u32).or(spi.then_some(u32::MAX)),
            sport: args.plain("hmark-sport", number_u16),
            dport: args.plain("hmark-dport", number_u16),
            spi: args.plain("hmark-spi", number_u32),
            proto_mask: args.plain("hmark-proto-mask", number_u16).or(all(proto)),
            seed: args.plain("hmark-rnd", number_u32).unwrap_or(0),
            modulus: args.plain("hmark-mod", number(1..=u32::MAX.into())).unwrap_or(1) as u32,
            offset: args.plain("hmark-offset", number_u32),
            ct,
        };
        let ports = [hmark.sport_mask, hmark.dport_mask, hmark.sport, hmark.dport];
        let with_ports = ports.iter().any(Option::is_some);
        let with_spi = hmark.spi_mask.is_some() || hmark.spi.is_some();
        if with_ports && with_spi {
            args.report_here("a packet has ports or an SPI, not both", "keep one of them");
        }
        let others = [hmark.proto_mask.is_some(), src.is_some(), dst.is_some(), ct];
        if !with_ports && !with_spi && !others.contains(&true) {
            args.report_here("HMARK needs something to hash", "such as --hmark-tuple src,dst");
        }
        Some(hmark)
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        let prefixes =
            [("hmark-src-prefix", self.src_prefix), ("hmark-dst-prefix", self.dst_prefix)];
        for (name, bits) in prefixes {
            if let Some(bits) = bits {
                out.value(name, bits);
            }
        }
        let wide = |bits: Option<u16>| bits.map(|bits| format!("{bits:#06x}"));
        let long = |bits: Option<u32>| bits.map(|bits| format!("{bits:#010x}"));
        for (name, text) in [
            ("hmark-sport-mask", wide(self.sport_mask)),
            ("hmark-dport-mask", wide(self.dport_mask)),
            ("hmark-spi-mask", long(self.spi_mask)),
            ("hmark-sport", wide(self.sport)),
            ("hmark-dport", wide(self.dport)),
            ("hmark-spi", long(self.spi)),
            ("hmark-proto-mask", self.proto_mask.map(|bits| format!("{bits:#x}"))),
            ("hmark-rnd", long(Some(self.seed))),
            ("hmark-mod", Some(self.modulus.to_string())),
            ("hmark-offset", self.offset.map(|offset| offset.to_string())),
            ("hmark-tuple", self.ct.then(|| "ct".to_owned())),
        ] {
            if let Some(text) = text {
                out.value(name, text);
            }
        }
    }

    /// Cannot be said.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Effect {
        Effect::Decide(Decision::Unknown)
    }
}

fn tuple(word: &Word) -> Result<[bool; 7], Diagnostic> {
    let mut given = [false; 7];
    for part in word.text.split(',') {
        match TUPLE.iter().zip(&mut given).find(|((name, _), _)| *name == part) {
            Some((_, place)) => *place = true,
            None => {
                let names: Vec<&str> = TUPLE.iter().map(|(name, _)| *name).collect();
                return Err(word
                    .mistake(format!("{part:?} is not a part of the tuple"))
                    .help(format!("a list of {}", names.join(", "))));
            }
        }
    }
    Ok(given)
}
