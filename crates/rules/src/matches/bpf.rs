//! `-m bpf --bytecode "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0"`: a program of the Berkeley packet
//! filter. It is read and printed; packets are not asked.

use crate::diagnostic::Diagnostic;
use crate::eval::{Answer, Scene};
use crate::lex::Word;
use crate::option::{Args, Spec, value};
use crate::print::Line;
use crate::value::text;

/// What the match declares.
pub const SPEC: Spec = Spec::new("bpf")
    .not_evaluated()
    .options(&[value("bytecode").excludes(&["object-pinned"]), value("object-pinned")]);

/// The most instructions of a program.
pub const INSTRUCTIONS_MAX: usize = 64;
/// The longest path, in bytes.
pub const PATH_LENGTH_MAX: usize = 511;

/// The program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bpf {
    /// Its instructions: code, jump if true, jump if false, operand.
    Bytecode(Vec<(u16, u8, u8, u32)>),
    /// The path of a program that the kernel holds.
    Pinned(String),
}

impl Bpf {
    /// Reads the options.
    pub fn parse(args: &mut Args<'_>) -> Option<Bpf> {
        args.one_of(&["bytecode", "object-pinned"]);
        let code = args.plain("bytecode", bytecode).map(Bpf::Bytecode);
        code.or(args.plain("object-pinned", text(PATH_LENGTH_MAX)).map(Bpf::Pinned))
    }

    /// Writes the options.
    pub fn print(&self, out: &mut Line) {
        match self {
            Bpf::Bytecode(code) => {
                let instructions = code.iter().map(|(c, t, f, k)| format!(",{c} {t} {f} {k}"));
                let text = instructions.collect::<String>();
                out.value("bytecode", format_args!("\"{}{text}\"", code.len()));
            }
            Bpf::Pinned(path) => drop(out.value("object-pinned", path)),
        }
    }

    /// Not evaluated.
    pub fn eval(&self, _scene: &mut Scene<'_, '_>) -> Answer {
        Answer::Unknown
    }
}

fn bytecode(word: &Word) -> Result<Vec<(u16, u8, u8, u32)>, Diagnostic> {
    let wrong = |message: String| {
        word.mistake(message).help("COUNT,CODE JT JF K,... as nfbpf_compile writes it")
    };
    let mut parts = word.text.trim_end_matches(',').split(',');
    let count = parts.next().and_then(|count| count.trim().parse::<usize>().ok());
    let mut code = Vec::new();
    for part in parts {
        let numbers: Option<Vec<u32>> =
            part.split_ascii_whitespace().map(|number| number.parse().ok()).collect();
        let instruction = match numbers.as_deref() {
            Some([c, t, f, k]) => u16::try_from(*c)
                .ok()
                .zip(u8::try_from(*t).ok())
                .and_then(|(c, t)| Some((c, t, u8::try_from(*f).ok()?, *k))),
            _ => None,
        };
        let found = instruction.ok_or_else(|| wrong(format!("{part:?} is not an instruction")))?;
        code.push(found);
    }
    match count {
        Some(1..=INSTRUCTIONS_MAX) if count == Some(code.len()) => Ok(code),
        Some(count) if count != code.len() => {
            Err(wrong(format!("{count} instructions are announced, there are {}", code.len())))
        }
        _ => Err(wrong(format!("a program has 1 to {INSTRUCTIONS_MAX} instructions"))),
    }
}
