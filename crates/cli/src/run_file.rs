//! The file of `kinwall run`, read: every mistake in it with its place.

use crate::control::SOCKET;
use crate::failure::Failure;
use crate::render::Mistake;
use crate::source;
use ipnet::IpNet;
use kinwall_gateway::{Marks, Plan, WhileDown};
use kinwall_terms::Profile;
use kinwall_topology::Lines;
use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What the file says.
pub(crate) struct RunFile {
    /// The rules of each family, by its index.
    pub(crate) rules: [Option<PathBuf>; 2],
    /// Files of sets, as `ipset save` writes them.
    pub(crate) sets: Vec<PathBuf>,
    /// How packets come here.
    pub(crate) plan: Plan,
    /// Where questions are answered.
    pub(crate) control: PathBuf,
    /// Where connections are kept over a restart; `None`: nowhere.
    pub(crate) state: Option<PathBuf>,
    /// How often that is written, in seconds.
    pub(crate) state_every_s: u32,
    /// Whether it gives up what it does not need.
    pub(crate) sandbox: bool,
    /// How helpers read.
    pub(crate) profile: Profile,
    /// Sysctls, module options and guards, in order.
    pub(crate) settings: Vec<Setting>,
    /// Its name and text, to show mistakes in.
    name: String,
    text: String,
}

/// A setting, and where it stands.
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: String,
    span: Range<usize>,
}

/// Where connections are kept when the file does not say.
const STATE: &str = "/var/lib/kinwall/state";

/// How often, in seconds.
const STATE_EVERY_S: u32 = 60;

/// What may stand in the file.
const KEYS: &[&str] = &[
    "rules4",
    "rules6",
    "sets",
    "queue",
    "mark",
    "forward_while_down",
    "input_while_down",
    "management",
    "control",
    "state",
    "state_every",
    "sandbox",
    "profile",
    "sysctl",
    "modules",
    "guard",
];

type Node<'a> = Spanned<DeValue<'a>>;

impl RunFile {
    /// Reads the file, and shows every mistake in it.
    pub(crate) fn read(path: &Path) -> Result<RunFile, Failure> {
        let text = source::read(path)?;
        RunFile::parse(path, text)
    }

    fn parse(path: &Path, text: String) -> Result<RunFile, Failure> {
        let plan = Plan {
            queue: 0,
            marks: Marks::DEFAULT,
            forward: WhileDown::Closed,
            input: WhileDown::Closed,
            management: Vec::new(),
        };
        let mut file = RunFile {
            rules: [None, None],
            sets: Vec::new(),
            plan,
            control: PathBuf::from(SOCKET),
            state: Some(PathBuf::from(STATE)),
            state_every_s: STATE_EVERY_S,
            sandbox: true,
            profile: Profile::Strict,
            settings: Vec::new(),
            name: path.display().to_string(),
            text: text.clone(),
        };
        let mut wrong: Vec<Wrong> = Vec::new();
        let (document, errors) = DeTable::parse_recoverable(&text);
        for error in &errors {
            wrong.push(Wrong::new(error.span().unwrap_or(0..0), error.message(), ""));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        for (key, node) in document.get_ref() {
            let name = key.get_ref().as_ref();
            if let Err(mistake) = file.take(folder, (key.span(), name), node) {
                wrong.push(mistake);
            }
        }
        if errors.is_empty() && file.rules.iter().all(Option::is_none) {
            let help = "add `rules4 = \"/etc/kinwall/rules.v4\"`";
            wrong.push(Wrong::new(0..0, "neither rules4 nor rules6 is given", help));
        }
        wrong.sort_by_key(|mistake| mistake.span.start);
        wrong.iter().for_each(|mistake| file.show(mistake));
        if wrong.is_empty() { Ok(file) } else { Err(Failure::Reported) }
    }

    fn take(
        &mut self,
        folder: &Path,
        (span, key): (Range<usize>, &str),
        node: &Node<'_>,
    ) -> Result<(), Wrong> {
        match key {
            "rules4" => self.rules[0] = Some(folder.join(string(node, "rules4 = \"rules.v4\"")?)),
            "rules6" => self.rules[1] = Some(folder.join(string(node, "rules6 = \"rules.v6\"")?)),
            "sets" => {
                let names = strings(node, "sets = [\"sets.ipset\"]")?;
                self.sets = names.into_iter().map(|(_, name)| folder.join(name)).collect();
            }
            "queue" => self.plan.queue = integer(node, "queue = 0")?,
            "mark" => {
                let right = "mark = 0xfff00000: at least eight bits, side by side";
                let mask: u32 = integer(node, right)?;
                let marks = Marks::new(mask);
                self.plan.marks =
                    marks.ok_or_else(|| Wrong::new(node.span(), "not such a mask", right))?;
            }
            "forward_while_down" => self.plan.forward = while_down(key, node)?,
            "input_while_down" => self.plan.input = while_down(key, node)?,
            "management" => {
                let right = "management = [\"192.0.2.0/24\", \"2001:db8::5\"]";
                for (span, text) in strings(node, right)? {
                    let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
                    let wrong = |_| Wrong::new(span, "no address and no network", right);
                    self.plan.management.push(net.map_err(wrong)?);
                }
            }
            "control" => {
                let right = "control = \"/run/kinwall/control.sock\"";
                self.control = folder.join(string(node, right)?);
            }
            "state" => {
                let right = "state = \"/var/lib/kinwall/state\", or \"\" for none";
                let name = string(node, right)?;
                self.state = (!name.is_empty()).then(|| folder.join(name));
            }
            "sandbox" => {
                let right = "sandbox = false, where a kernel or a container refuses it";
                let DeValue::Boolean(on) = node.get_ref() else {
                    return Err(Wrong::new(node.span(), "neither true nor false", right));
                };
                self.sandbox = *on;
            }
            "state_every" => {
                let right = "state_every = 60, in seconds";
                let seconds: u32 = integer(node, right)?;
                let wrong = || Wrong::new(node.span(), "not so often", right);
                self.state_every_s = Some(seconds).filter(|one| *one > 0).ok_or_else(wrong)?;
            }
            "profile" => {
                let right = "profile = \"strict\", or \"linux\"";
                self.profile = match string(node, right)? {
                    "strict" => Profile::Strict,
                    "linux" => Profile::Linux,
                    _ => return Err(Wrong::new(node.span(), "there is no such profile", right)),
                };
            }
            "sysctl" | "modules" => self.settings(String::new(), node)?,
            "guard" => self.settings(String::from("guard"), node)?,
            _ => {
                let known = format!("there are {}", KEYS.join(", "));
                return Err(Wrong::new(span, "there is no such key", &known));
            }
        }
        Ok(())
    }

    /// Takes the settings of a table and the tables in it: their names joined by dots.
    fn settings(&mut self, prefix: String, node: &Node<'_>) -> Result<(), Wrong> {
        let DeValue::Table(table) = node.get_ref() else {
            let help = "write [sysctl] and below it nf_conntrack_tcp_loose = 0";
            return Err(Wrong::new(node.span(), "not a table", help));
        };
        for (key, node) in table {
            let name = key.get_ref();
            let key = match prefix.is_empty() {
                true => name.to_string(),
                false => format!("{prefix}.{name}"),
            };
            let value = match node.get_ref() {
                DeValue::Table(_) => {
                    self.settings(key, node)?;
                    continue;
                }
                DeValue::Boolean(on) => u8::from(*on).to_string(),
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(_) => integer::<i64>(node, "a number")?.to_string(),
                _ => return Err(Wrong::new(node.span(), "neither text nor number", "")),
            };
            self.settings.push(Setting { key, value, span: node.span() });
        }
        Ok(())
    }

    /// Shows that a setting is wrong.
    pub(crate) fn show_setting(&self, setting: &Setting, message: &str, help: Option<&str>) {
        self.show(&Wrong::new(setting.span.clone(), message, help.unwrap_or("")));
    }

    fn show(&self, wrong: &Wrong) {
        let (line, column, length) = Lines::new(&self.text).place(wrong.span.clone());
        let help = (!wrong.help.is_empty()).then_some(wrong.help.as_str());
        let (name, text, message) = (&self.name, &self.text, &wrong.message);
        Mistake { name, text, line, column, length, message, help }.show();
    }
}

struct Wrong {
    span: Range<usize>,
    message: String,
    /// What would be right, if that can be said.
    help: String,
}

impl Wrong {
    fn new(span: Range<usize>, message: &str, help: &str) -> Wrong {
        Wrong { span, message: message.to_owned(), help: help.to_owned() }
    }
}

fn string<'a>(node: &'a Node<'_>, right: &str) -> Result<&'a str, Wrong> {
    match node.get_ref() {
        DeValue::String(text) => Ok(text),
        _ => Err(Wrong::new(node.span(), "not a text in quotes", right)),
    }
}

fn strings<'a>(node: &'a Node<'_>, right: &str) -> Result<Vec<(Range<usize>, &'a str)>, Wrong> {
    let DeValue::Array(array) = node.get_ref() else {
        return Err(Wrong::new(node.span(), "not a list", right));
    };
    array.iter().map(|node| Ok((node.span(), string(node, right)?))).collect()
}

fn integer<T: TryFrom<i64>>(node: &Node<'_>, right: &str) -> Result<T, Wrong> {
    let number = match node.get_ref() {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => return Err(Wrong::new(node.span(), "not a number", right)),
    };
    let fits = number.and_then(|number| T::try_from(number).ok());
    fits.ok_or_else(|| Wrong::new(node.span(), "out of range", right))
}

fn while_down(key: &str, node: &Node<'_>) -> Result<WhileDown, Wrong> {
    let right = format!("{key} = \"closed\", or \"open\"");
    match string(node, &right)? {
        "closed" => Ok(WhileDown::Closed),
        "open" => Ok(WhileDown::Open),
        _ => Err(Wrong::new(node.span(), "neither closed nor open", &right)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RunFile, Failure> {
        RunFile::parse(Path::new("/etc/kinwall/kinwall.toml"), text.to_owned())
    }

    #[test]
    fn what_the_file_says_is_taken() {
        let text = "rules4 = \"rules.v4\"\nrules6 = \"/r6\"\nqueue = 7\nmark = 0xff00\n\
                    input_while_down = \"open\"\nmanagement = [\"192.0.2.5\", \"fd00::/8\"]\n\
                    profile = \"linux\"\n[sysctl]\nnet.netfilter.nf_conntrack_tcp_loose = 0\n\
                    [modules.nf_conntrack_ftp]\nloose = true\n";
        let file = parse(text).ok().unwrap();
        assert_eq!(file.rules[0].as_deref(), Some(Path::new("/etc/kinwall/rules.v4")));
        assert_eq!(file.rules[1].as_deref(), Some(Path::new("/r6")));
        assert_eq!((file.plan.queue, file.plan.marks.mask()), (7, 0xff00));
        assert_eq!((file.plan.forward, file.plan.input), (WhileDown::Closed, WhileDown::Open));
        assert_eq!(file.plan.management.len(), 2);
        assert_eq!(file.profile, Profile::Linux);
        let settings: Vec<(&str, &str)> =
            file.settings.iter().map(|set| (set.key.as_str(), set.value.as_str())).collect();
        let expected =
            [("nf_conntrack_ftp.loose", "1"), ("net.netfilter.nf_conntrack_tcp_loose", "0")];
        assert_eq!(settings.len(), 2);
        assert!(expected.iter().all(|set| settings.contains(set)), "{settings:?}");
    }

    #[test]
    fn mistakes_are_refused() {
        let rows = [
            "",
            "rules4 = 4",
            "rules4 = \"a\"\nqueue = 65536",
            "rules4 = \"a\"\nqueue = \"0\"",
            "rules4 = \"a\"\nmark = 0xf0f0",
            "rules4 = \"a\"\nmanagement = [\"home\"]",
            "rules4 = \"a\"\nforward_while_down = \"shut\"",
            "rules4 = \"a\"\nprofile = \"lax\"",
            "rules4 = \"a\"\nsysctl = 1",
            "rules4 = \"a\"\nrule6 = \"b\"",
            "rules4 = \"a\" b",
        ];
        for text in rows {
            assert!(matches!(parse(text), Err(Failure::Reported)), "{text}");
        }
    }
}
