//! Rule files and scripts, read and checked.

use crate::args::RuleArgs;
use crate::failure::Failure;
use crate::source::Text;
use crate::{live, render, say};
use kinwall_rules::load::{self, Defines, Loaded, Source};
use kinwall_terms::Family;

/// The rules as they were read, and the sources they stand in.
pub(crate) struct Rules {
    /// The sources, in the order of [`kinwall_rules::diagnostic::Origin::file`].
    pub sources: Vec<Text>,
    /// What they say.
    pub loaded: Loaded,
}

impl Rules {
    /// Reads the files that the flags name, or what the machine holds, and shows every mistake
    /// in them.
    pub(crate) fn read(args: &RuleArgs) -> Result<Rules, Failure> {
        Rules::load(Rules::texts(args)?, &args.defines)
    }

    /// Reads the files that the flags name, or what the machine holds.
    pub(crate) fn texts(args: &RuleArgs) -> Result<Vec<Text>, Failure> {
        if args.live {
            return live::rules();
        }
        let families = [(&args.rules, None)]
            .into_iter()
            .chain([(&args.rules4, Some(Family::Ipv4)), (&args.rules6, Some(Family::Ipv6))]);
        let files = families.flat_map(|(paths, family)| paths.iter().map(move |p| (p, family)));
        files.map(|(path, family)| Text::read(path, family)).collect()
    }

    /// Reads rules from texts, and shows every mistake in them.
    pub(crate) fn load(sources: Vec<Text>, defines: &[String]) -> Result<Rules, Failure> {
        let mut named = Defines::default();
        for define in defines {
            named.add(define).map_err(|error| Failure::Usage(format!("--define: {error}")))?;
        }
        let texts: Vec<Source<'_>> = sources
            .iter()
            .map(|source| Source { name: &source.name, text: &source.text, family: source.family })
            .collect();
        match load::load(&texts, &named) {
            Ok(loaded) => {
                for remark in &loaded.remarks {
                    let name = sources.get(usize::from(remark.file)).map_or("", |s| &s.name);
                    say::note(format_args!("{name}: {}", remark.text));
                }
                Ok(Rules { sources, loaded })
            }
            Err(mistakes) => Err(render::show_all(&sources, &mistakes, "rules")),
        }
    }

    /// The names of the sources, in their order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.sources.iter().map(|source| source.name.clone()).collect()
    }
}
