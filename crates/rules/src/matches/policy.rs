//! `-m policy --dir in --pol ipsec --strict --proto esp --mode tunnel`: the IPsec policy a packet
//! was decrypted by, or will be encrypted by.
//!
//! No packet here has been or will be transformed by IPsec: `--pol none` matches every packet,
//! `--pol ipsec` none.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Given, Spec, Test, flag, value};
use crate::print::Line;
use crate::value::{Network, choice, network, number_u32, protocol};
use kinwall_terms::{Hook, L4Proto};

/// What the match declares.
pub const SPEC: Spec = Spec::new("policy").passive().options(&[
    value("dir").required(),
    value("pol"),
    flag("strict"),
    value("reqid").invert().repeat(),
    value("spi").invert().repeat(),
    value("proto").invert().repeat(),
    value("mode").invert().repeat(),
    value("tunnel-dst").invert().repeat(),
    value("tunnel-src").invert().repeat(),
    flag("next").repeat().requires(&["strict"]),
]);

/// The most elements of a policy.
pub const ELEMENTS_MAX: usize = 4;

/// Which policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether the packet will be encrypted, not was decrypted.
    pub out: bool,
    /// Whether there is no policy.
    pub none: bool,
    /// Whether the whole policy is compared, not any of its elements.
    pub strict: bool,
    /// The elements.
    pub elements: Vec<Element>,
}

/// One transformation; every field that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// The request id.
    pub reqid: Option<Test<u32>>,
    /// The security parameters index.
    pub spi: Option<Test<u32>>,
    /// The protocol: AH, ESP or IPComp.
    pub proto: Option<Test<L4Proto>>,
    /// Tunnel mode (`true`) or transport mode.
    pub tunnel: Option<Test<bool>>,
    /// The far end of the tunnel.
    pub tunnel_dst: Option<Test<Network>>,
    /// The near end of the tunnel.
    pub tunnel_src: Option<Test<Network>>,
}

const MODES: &[(&str, bool)] = &[("transport", false), ("tunnel", true)];

impl Policy {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Policy> {
        let out = args.plain("dir", choice(&[("in", false), ("out", true)]));
        let none = args.plain("pol", choice(&[("ipsec", false), ("none", true)]));
        let family = args.context.family;
        let mut elements = vec![Element::default()];
        for (name, given) in args.in_order().collect::<Vec<_>>() {
            match (name, elements.last_mut()) {
                ("next", _) => elements.push(Element::default()),
                (_, Some(element)) => {
                    if let Err(mistake) = element.read(name, given, family) {
                        args.report(mistake);
                    }
                }
                _ => {}
            }
        }
        let empty = elements == [Element::default()];
        let mut policy = Policy {
            out: out?,
            none: none.unwrap_or(false),
            strict: args.has("strict"),
            elements: if empty { Vec::new() } else { elements },
        };
        policy.check(args);
        if policy.none {
            policy.elements.clear();
        }
        Some(policy)
    }

    fn check(&self, args: &mut Args<'_>) {
        let wrong: &[Hook] = match self.out {
            true => &[Hook::Prerouting, Hook::Input],
            false => &[Hook::Postrouting, Hook::Output],
        };
        if wrong.iter().any(|hook| hook.chain() == args.context.chain) {
            let message = format!("this direction has no meaning in {}", args.context.chain);
            args.report_at("dir", message, "in before routing and on input, out on output");
        }
        if self.none && self.strict {
            args.report_at("strict", "--strict has no meaning with --pol none", "remove it");
        }
        if self.elements.len() > ELEMENTS_MAX {
            args.report_at("next", "too many elements", format!("at most {ELEMENTS_MAX}"));
        }
        let bare = self.elements.is_empty() || self.elements.contains(&Element::default());
        if self.strict && !self.none && bare {
            let help =
                "each needs one of --reqid, --spi, --proto, --mode, --tunnel-src, --tunnel-dst";
            args.report_at("strict", "an element of the policy is empty", help);
        }
        let tunnel = |e: &&Element| e.tunnel_src.is_some() || e.tunnel_dst.is_some();
        let mode = Some(Test { invert: false, value: true });
        if self.elements.iter().filter(tunnel).any(|element| element.tunnel != mode) {
            args.report_here(
                "a tunnel's ends have a meaning in tunnel mode only",
                "add --mode tunnel",
            );
        }
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        out.value("dir", if self.out { "out" } else { "in" });
        out.value("pol", if self.none { "none" } else { "ipsec" }).flag("strict", self.strict);
        for (index, element) in self.elements.iter().enumerate() {
            out.flag("next", index > 0);
            element.print(out);
        }
    }

    /// Whether there is no policy, as there is for no packet.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        self.none.into()
    }
}

impl Element {
    fn read(
        &mut self,
        name: &str,
        given: &Given,
        family: kinwall_terms::Family,
    ) -> Result<(), Diagnostic> {
        let Some(word) = given.values.first() else { return Ok(()) };
        let twice = match name {
            "reqid" => put(&mut self.reqid, given, number_u32(word)?),
            "spi" => put(&mut self.spi, given, number_u32(word)?),
            "proto" => put(&mut self.proto, given, transformation(word)?),
            "mode" => put(&mut self.tunnel, given, choice(MODES)(word)?),
            "tunnel-dst" => put(&mut self.tunnel_dst, given, network(family)(word)?),
            "tunnel-src" => put(&mut self.tunnel_src, given, network(family)(word)?),
            _ => false,
        };
        match twice {
            false => Ok(()),
            true => {
                Err(Diagnostic::new(given.span, format!("--{name} stands twice in one element"))
                    .help("--next begins another element"))
            }
        }
    }

    fn print(&self, out: &mut Line) {
        out.test("reqid", &self.reqid);
        if let Some(spi) = self.spi {
            out.not(spi.invert).value("spi", format_args!("{:#x}", spi.value));
        }
        if let Some(proto) = self.proto {
            out.not(proto.invert).value("proto", crate::protocols::display(proto.value));
        }
        if let Some(tunnel) = self.tunnel {
            let name = if tunnel.value { "tunnel" } else { "transport" };
            out.not(tunnel.invert).value("mode", name);
        }
        for (name, test) in [("tunnel-dst", self.tunnel_dst), ("tunnel-src", self.tunnel_src)] {
            if let Some(test) = test {
                out.not(test.invert).value(name, test.value.short());
            }
        }
    }
}

/// Fills a field; whether it was filled before.
fn put<T>(field: &mut Option<Test<T>>, given: &Given, value: T) -> bool {
    field.replace(Test { invert: given.invert, value }).is_some()
}

fn transformation(word: &Word) -> Result<L4Proto, Diagnostic> {
    protocol(word).ok().filter(|proto| matches!(proto.0, 50 | 51 | 108)).ok_or_else(|| {
        word.mistake(format!("{:?} is not a protocol of IPsec", word.text))
            .help("ah, esp or ipcomp")
    })
}
