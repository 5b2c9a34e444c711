//! What can be seen line by line: lengths, words, names.

use super::Source;

/// Columns of a line, in sources and scripts.
const LONGEST_LINE: usize = 100;

/// Lines of a file before its tests.
const LONGEST_FILE: usize = 600;

/// Lines of a function, from `fn` to its closing brace.
const LONGEST_FUNCTION: usize = 70;

/// File names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "common",
    "context",
    "handler",
    "handlers",
    "helper_functions",
    "manager",
    "misc",
    "processor",
    "service",
    "util",
    "utils",
];

/// Words that do not belong into a finished tree, and what to do about them. They are written in
/// two halves, so that this file does not hold them itself.
const WORDS: &[(&str, &str, &str)] = &[
    ("/wo", "rk/", "an absolute path of one machine"),
    ("/tmp/", "kw", "an absolute path of one machine"),
    ("TO", "DO", "do it, or leave it out"),
    ("FIX", "ME", "fix it"),
    ("todo", "!(", "write it"),
    ("unimpl", "emented!(", "write it"),
    ("#[ig", "nore", "a test runs, or is not there"),
    ("db", "g!(", "left over from debugging"),
];

/// Everything that is wrong with one file's text. Files for tests only may be as long and as wide
/// as their tables.
pub(super) fn check(source: &Source, only_for_tests: bool) -> Vec<String> {
    let mut problems = words(source);
    problems.extend(name(source));
    if only_for_tests {
        return problems;
    }
    if ["rs", "sh", "py"].iter().any(|extension| source.has_extension(extension)) {
        problems.extend(long_lines(source));
    }
    if source.is_rust_source() {
        problems.extend(long_file(source));
        problems.extend(long_functions(source));
    }
    problems
}

fn words(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, line) in numbered(&source.text) {
        for (start, end, why) in WORDS {
            let word = format!("{start}{end}");
            if line.contains(&word) {
                problems.push(format!("{}:{number}: `{word}`: {why}", source.name()));
            }
        }
    }
    problems
}

fn name(source: &Source) -> Option<String> {
    let stem = source.path.file_stem()?.to_str()?;
    (source.has_extension("rs") && EMPTY_NAMES.contains(&stem))
        .then(|| format!("{}: name the file after what is in it", source.name()))
}

/// Links and the rows of tables in comments cannot be broken; tables in tests need not be.
fn long_lines(source: &Source) -> Vec<String> {
    if source.path.components().any(|part| part.as_os_str() == "tests") {
        return Vec::new();
    }
    let is_table = |line: &str| line.trim_start_matches([' ', '/', '!']).starts_with('|');
    before_tests(&source.text)
        .filter(|(_, line)| line.chars().count() > LONGEST_LINE)
        .filter(|(_, line)| !line.contains("://") && !is_table(line))
        .map(|(number, line)| {
            let columns = line.chars().count();
            format!("{}:{number}: {columns} columns, {LONGEST_LINE} at most", source.name())
        })
        .collect()
}

fn long_file(source: &Source) -> Option<String> {
    let lines = before_tests(&source.text).count();
    (lines > LONGEST_FILE).then(|| {
        format!("{}: {lines} lines before the tests, {LONGEST_FILE} at most", source.name())
    })
}

/// Functions are found by their form, which rustfmt keeps: a line that begins with `fn` or its
/// modifiers, and a closing brace in the same column.
fn long_functions(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    let mut open: Vec<(usize, usize)> = Vec::new(); // (column, line where it begins)
    for (number, line) in before_tests(&source.text) {
        let code = line.trim_start();
        let column = line.len() - code.len();
        if is_function(code) && !code.ends_with(['}', ';']) {
            open.push((column, number));
        }
        let ends = |(at, _): &(usize, usize)| *at == column && code.starts_with('}');
        if open.last().is_some_and(ends) {
            let (_, start) = open.pop().expect("just seen");
            let lines = number - start + 1;
            if lines > LONGEST_FUNCTION {
                problems.push(format!(
                    "{}:{start}: a function of {lines} lines, {LONGEST_FUNCTION} at most",
                    source.name()
                ));
            }
        }
    }
    problems
}

fn is_function(code: &str) -> bool {
    let mut words = code.split_whitespace();
    let modifiers = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern"];
    words.find(|word| !modifiers.contains(word) && !word.starts_with("pub(in")) == Some("fn")
}

/// The lines before the unit tests, numbered from 1.
fn before_tests(text: &str) -> impl Iterator<Item = (usize, &str)> {
    numbered(text).take_while(|(_, line)| *line != "#[cfg(test)]")
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&Source { path: path.into(), text: text.into() }, false).len()
    }

    #[test]
    fn lines_words_and_names() {
        let long = "x".repeat(101);
        let absolute = format!("in {}rk/main", "/wo");
        let rows = [
            ("a/src/x.rs", "fn f() {}\n", 0),
            ("a/src/x.rs", &format!("// {long}\n"), 1),
            ("a/src/x.rs", &format!("// https://example.org/{long}\n"), 0),
            ("a/src/x.rs", &format!("//! | {long} |\n"), 0),
            ("a/src/x.rs", &format!("#[cfg(test)]\nconst X: T = \"{long}\";\n"), 0),
            ("a/tests/x.rs", &format!("// {long}\n"), 0),
            ("README.md", &format!("{long}\n"), 0),
            ("README.md", &format!("{absolute}\n"), 1),
            ("a/src/util.rs", "", 1),
            ("a/tests/x.rs", &"\n".repeat(700), 0),
            ("a/src/x.rs", &"\n".repeat(601), 1),
            ("a/src/x.rs", &format!("#[cfg(test)]\nmod tests {{{}}}", "\n".repeat(700)), 0),
        ];
        for (path, text, wanted) in rows {
            assert_eq!(found(path, text), wanted, "{path}: {text:.60}");
        }
    }

    #[test]
    fn functions() {
        let body = |lines: usize| "        x();\n".repeat(lines);
        let rows = [
            (format!("impl X {{\n    pub(crate) fn f() {{\n{}    }}\n}}\n", body(68)), 0),
            (format!("impl X {{\n    pub(crate) fn f() {{\n{}    }}\n}}\n", body(69)), 1),
            (format!("fn f(\n    a: A,\n) -> B {{\n{}}}\n", body(68)), 1),
            (format!("const X: fn() = y;\nstruct S {{\n{}}}\n", body(100)), 0),
            (format!("trait T {{\n    fn f();\n{}}}\n", body(100)), 0),
        ];
        for (text, wanted) in rows {
            assert_eq!(found("a/src/x.rs", &text), wanted, "{text:.80}");
        }
    }
}
