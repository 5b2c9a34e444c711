//! The folders of transcripts in `tests/helpers/`, and the messages in them.

use super::unescape;
use kinwall_terms::Direction;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What holds in all files of a folder.
#[derive(Default)]
pub(crate) struct Definitions {
    /// Names, the longest first, and what they stand for.
    names: Vec<(String, String)>,
    /// First words of what the helper says of most packets, and what is not compared:
    /// `unsaid refresh`.
    pub(crate) unsaid: Vec<String>,
}

impl Definitions {
    pub(crate) fn read(folder: &Path) -> Definitions {
        let mut all = Definitions::default();
        let text = std::fs::read_to_string(folder.join("definitions")).unwrap_or_default();
        for line in text.lines().filter(|line| line.starts_with('$')) {
            let (name, meant) = line.split_once(' ').expect("a name and what it stands for");
            all.names.push((name.to_owned(), all.expand(meant.trim())));
            all.names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        }
        all.unsaid =
            text.lines().filter_map(|line| line.strip_prefix("unsaid ")).map(Into::into).collect();
        all
    }

    pub(crate) fn expand(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, meant)| text.replace(name, meant))
    }
}

/// Who says something, and what.
pub(crate) type Said = (Direction, Vec<u8>);

/// Where the transcripts of a helper are.
pub(crate) fn folder(helper: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/helpers").join(helper)
}

/// Each different message in the transcripts of a helper, behind what opens its file.
pub(crate) fn messages(helper: &str) -> BTreeSet<(Vec<Said>, Said)> {
    let folder = folder(helper);
    let definitions = Definitions::read(&folder);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut messages = BTreeSet::new();
    for file in files.map(|file| file.unwrap().path()).filter(|file| file.extension().is_some()) {
        let text = definitions.expand(&std::fs::read_to_string(file).unwrap());
        let opening = text.split("\n## ").next().unwrap_or_default();
        let opening: Vec<Said> = opening.lines().filter_map(said).collect();
        messages.extend(text.lines().filter_map(said).map(|said| (opening.clone(), said)));
    }
    messages
}

/// What a line of a transcript says, in its place in the stream.
fn said(line: &str) -> Option<Said> {
    let (direction, payload) = match line.split_at_checked(2)? {
        ("> ", payload) => (Direction::Original, payload),
        ("< ", payload) => (Direction::Reply, payload),
        _ => return None,
    };
    Some((direction, unescape(payload))).filter(|(_, payload)| !payload.is_empty())
}
