//! Rows of rules: `tests/rules/*.t` at the root of the repository.
//!
//! A row is `INPUT;EXPECTED;OK`, `INPUT;;FAIL`, or `INPUT;;STRICT` where we refuse what the real
//! tool lets pass, or `INPUT;EXPECTED;UNTRIED` where kernels of today lack the module. INPUT
//! stands behind `-A CHAIN`; EXPECTED is
//! what is printed behind `-A CHAIN`, `=` for the same text. Lines that set the scene:
//! `*TABLE`, `:CHAIN,CHAIN` (each row is tried in each chain), `@ipv4`, `@ipv6` or `@both`.
//! `#` begins a comment.

use kinwall_terms::Family;
use std::path::{Path, PathBuf};

/// One row in one chain and family.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub place: String,
    pub family: Family,
    pub table: String,
    pub chain: String,
    pub input: String,
    /// `None`: the row must be refused.
    pub expected: Option<String>,
    /// Refused by us alone.
    #[allow(dead_code, reason = "only the comparison with the real tool asks")]
    pub strict: bool,
    /// Not known to the kernel of today.
    #[allow(dead_code, reason = "only the comparison with the real tool asks")]
    pub untried: bool,
}

impl Row {
    /// The row as a file for `iptables-restore`. The user chain `chain` is there to jump to.
    pub(crate) fn file(&self) -> String {
        format!("*{}\n:chain - [0:0]\n-A {} {}\nCOMMIT\n", self.table, self.chain, self.input)
    }

    /// The line that must be printed.
    pub(crate) fn line(&self) -> Option<String> {
        let text = self.expected.as_ref()?;
        Some(format!("-A {} {text}", self.chain).trim_end().to_owned())
    }
}

/// Every row of every file.
pub(crate) fn rows() -> Vec<Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/rules");
    let entries = std::fs::read_dir(&folder).expect("tests/rules is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "t"));
    files.sort();
    files.iter().flat_map(|path| rows_of(path)).collect()
}

fn rows_of(path: &Path) -> Vec<Row> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let mut rows = Vec::new();
    let mut families = vec![Family::Ipv4];
    let mut table = "filter".to_owned();
    let mut chains = vec!["INPUT".to_owned()];
    for (index, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", index + 1);
        match (line.chars().next(), line.get(1..)) {
            (None | Some('#'), _) => {}
            (Some('*'), Some(text)) => table = text.trim().to_owned(),
            (Some(':'), Some(text)) => chains = text.trim().split(',').map(str::to_owned).collect(),
            (Some('@'), Some("ipv4")) => families = vec![Family::Ipv4],
            (Some('@'), Some("ipv6")) => families = vec![Family::Ipv6],
            (Some('@'), Some("both")) => families = Family::ALL.to_vec(),
            _ => {
                let (input, expected) = read(line, &place);
                let strict = line.ends_with(";STRICT");
                let untried = line.ends_with(";UNTRIED");
                for family in &families {
                    for chain in &chains {
                        rows.push(Row {
                            place: place.clone(),
                            family: *family,
                            table: table.clone(),
                            chain: chain.clone(),
                            input: input.clone(),
                            expected: expected.clone(),
                            strict,
                            untried,
                        });
                    }
                }
            }
        }
    }
    rows
}

fn read(line: &str, place: &str) -> (String, Option<String>) {
    let mut cells = line.rsplitn(3, ';');
    let (verdict, expected, input) = (cells.next(), cells.next(), cells.next());
    let (Some(verdict), Some(expected), Some(input)) = (verdict, expected, input) else {
        panic!("{place}: a row is INPUT;EXPECTED;OK or INPUT;;FAIL");
    };
    match (verdict.trim(), expected) {
        ("OK" | "UNTRIED", "=") => (input.to_owned(), Some(input.to_owned())),
        ("OK" | "UNTRIED", text) => (input.to_owned(), Some(text.to_owned())),
        ("FAIL" | "STRICT", "") => (input.to_owned(), None),
        _ => panic!("{place}: the last cell is OK, or FAIL with nothing before it"),
    }
}
