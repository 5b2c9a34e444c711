//! Rules, sysctls and module options of the kernel: tested, loaded, saved and put back.

use super::state::{Tool, write};
use crate::failure::Failure;
use crate::settings_file;
use crate::tool;
use kinwall_policy::compile::File;
use std::io;
use std::path::Path;

/// The table of a policy's rules for nft.
const TABLE: &str = "table inet kinwall";

/// A family's tools, its name in nft, and its rule file.
struct Family {
    save: &'static str,
    restore: &'static str,
    nft: &'static str,
    file: &'static str,
}

const FAMILIES: [Family; 2] = [
    Family { save: "iptables-save", restore: "iptables-restore", nft: "ip", file: "rules.v4" },
    Family { save: "ip6tables-save", restore: "ip6tables-restore", nft: "ip6", file: "rules.v6" },
];

/// Named texts: what a policy comes to, or what was in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts(Vec<(String, String)>);

impl Texts {
    /// Those that `kinwall policy compile` writes.
    pub(crate) fn of(files: Vec<File>) -> Texts {
        Texts(files.into_iter().map(|file| (file.name.to_owned(), file.text)).collect())
    }

    /// Those in a directory.
    pub(crate) fn read(directory: &Path) -> Result<Texts, Failure> {
        let failed = |error| Failure::file(directory, error);
        let mut texts = Texts::default();
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_file() {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let text = std::fs::read_to_string(&path).map_err(|e| Failure::file(&path, e))?;
                texts.0.push((name, text));
            }
        }
        Ok(texts)
    }

    /// Under names in a folder.
    pub(crate) fn within(self, folder: &str) -> Texts {
        Texts(self.0.into_iter().map(|(name, text)| (format!("{folder}/{name}"), text)).collect())
    }

    /// These, then those.
    pub(crate) fn and(mut self, others: Texts) -> Vec<(String, String)> {
        self.0.extend(others.0);
        self.0
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    fn add(&mut self, name: &str, text: String) {
        self.0.push((name.to_owned(), text));
    }
}

/// Asks the tools whether they would take the rules; nothing is changed.
pub(crate) fn test(tool: Tool, texts: &Texts) -> Result<(), Failure> {
    match tool {
        Tool::Iptables => FAMILIES.iter().try_for_each(|family| {
            let rules = texts.get(family.file).unwrap_or_default();
            tool::run(family.restore, &["--test"], rules).map(drop)
        }),
        Tool::Nftables => {
            let rules = texts.get("rules.nft").unwrap_or_default();
            tool::run("nft", &["-c", "-f", "-"], rules).map(drop)
        }
    }
}

/// What is in force of all that `texts` would change: to be put back by [`put_back`].
pub(crate) fn save(tool: Tool, texts: &Texts, modprobe: &Path) -> Result<Texts, Failure> {
    let mut before = Texts::default();
    match tool {
        Tool::Iptables => {
            for family in &FAMILIES {
                before.add(family.file, tool::run(family.save, &["-c"], "")?);
            }
        }
        Tool::Nftables => before.add("rules.nft", own_table()?),
    }
    let wanted = settings_file::assignments(texts.get("sysctl.conf").unwrap_or_default());
    let found = wanted.into_iter().filter_map(|(name, _)| {
        let value = settings_file::in_force(&name)?;
        Some(format!("{name} = {value}\n"))
    });
    before.add("sysctl.conf", found.collect());
    let options = options(texts.get("modprobe.conf").unwrap_or_default());
    let found = options.iter().filter_map(|option| {
        let value = std::fs::read_to_string(option.path()).ok()?;
        Some(format!("options {} {}={}\n", option.module, option.name, value.trim()))
    });
    before.add("parameters.conf", found.collect());
    match std::fs::read_to_string(modprobe) {
        Ok(text) => before.add("modprobe.conf", text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::file(modprobe, error)),
    }
    Ok(before)
}

/// The policy's table as nft lists it; empty when there is none.
fn own_table() -> Result<String, Failure> {
    let all = tool::run("nft", &["list", "tables"], "")?;
    match all.lines().any(|line| line.trim() == TABLE) {
        true => tool::run("nft", &["list", "table", "inet", "kinwall"], ""),
        false => Ok(String::new()),
    }
}

/// Loads everything: module options, rules of both families, sysctls. Gives what could not be
/// set because this machine does not have it.
///
/// # Errors
///
/// The first thing that was refused. What came before it is in force: the caller puts back.
pub(crate) fn load(tool: Tool, texts: &Texts, modprobe: &Path) -> Result<Vec<String>, Failure> {
    let mut remarks = Vec::new();
    let wanted = texts.get("modprobe.conf").unwrap_or_default();
    // A module may be loaded by the rules that name its helper: its options come first.
    if modprobe.parent().is_some_and(Path::is_dir) {
        write(modprobe, wanted)?;
    } else {
        remarks.push(format!("{}: no such folder; not written", modprobe.display()));
    }
    match tool {
        Tool::Iptables => {
            for family in &FAMILIES {
                tool::run(family.restore, &[], texts.get(family.file).unwrap_or_default())?;
            }
        }
        Tool::Nftables => {
            let rules = texts.get("rules.nft").unwrap_or_default();
            tool::run("nft", &["-f", "-"], rules)?;
        }
    }
    set_options(wanted, &mut remarks);
    set_sysctls(texts.get("sysctl.conf").unwrap_or_default(), &mut remarks)?;
    Ok(remarks)
}

/// Puts back what [`save`] found. Everything is tried, whatever fails.
///
/// # Errors
///
/// All that failed, one line each.
pub(crate) fn put_back(
    tool: Tool,
    texts: &Texts,
    before: &Texts,
    modprobe: &Path,
) -> Result<(), Failure> {
    let mut failures: Vec<String> = Vec::new();
    let mut check = |outcome: Result<(), Failure>| {
        if let Err(Failure::Failed(text) | Failure::Usage(text)) = outcome {
            failures.push(text);
        }
    };
    // Forwarding ends before the rules go.
    let sysctls = before.get("sysctl.conf").unwrap_or_default();
    check(set_sysctls(sysctls, &mut Vec::new()));
    match tool {
        Tool::Iptables => {
            for family in &FAMILIES {
                check(put_back_family(family, texts, before));
            }
        }
        Tool::Nftables => {
            let rules = before.get("rules.nft").unwrap_or_default();
            let script = format!("{TABLE}\ndelete {TABLE}\n{rules}");
            check(tool::run("nft", &["-f", "-"], &script).map(drop));
        }
    }
    set_options(before.get("parameters.conf").unwrap_or_default(), &mut Vec::new());
    check(match before.get("modprobe.conf") {
        Some(text) => write(modprobe, text),
        None => match std::fs::remove_file(modprobe) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::file(modprobe, error))
            }
            _ => Ok(()),
        },
    });
    if failures.is_empty() { Ok(()) } else { Err(Failure::Failed(failures.join("\n"))) }
}

/// Tables that were not there before are emptied, and removed where nft can.
fn put_back_family(family: &Family, texts: &Texts, before: &Texts) -> Result<(), Failure> {
    let saved = before.get(family.file).unwrap_or_default();
    let ours = texts.get(family.file).unwrap_or_default();
    let is_new = |table: &&str| !tables(saved).any(|known| known == *table);
    let new: Vec<&str> = tables(ours).filter(is_new).collect();
    let empty = new.iter().map(|table| emptied(ours, table));
    let script = format!("{saved}\n{}", empty.collect::<String>());
    tool::run(family.restore, &["-c"], &script)?;
    let version = tool::run(family.restore, &["--version"], "").unwrap_or_default();
    if version.contains("nf_tables") {
        for table in new {
            // An empty table that accepts everything is as good as none.
            let _ = tool::run("nft", &["delete", "table", family.nft, table], "");
        }
    }
    Ok(())
}

/// A table without rules, whose chains accept.
fn emptied(rules: &str, table: &str) -> String {
    let lines = rules.lines().skip_while(|line| line.strip_prefix('*') != Some(table));
    let chains = lines.take_while(|line| *line != "COMMIT").filter_map(|line| {
        let mut words = line.strip_prefix(':')?.split_whitespace();
        let name = words.next()?;
        (words.next()? != "-").then(|| format!(":{name} ACCEPT [0:0]\n"))
    });
    format!("*{table}\n{}COMMIT\n", chains.collect::<String>())
}

fn tables(rules: &str) -> impl Iterator<Item = &str> {
    rules.lines().filter_map(|line| line.strip_prefix('*')).map(str::trim)
}

/// Sets sysctls. What this machine does not have (an interface that is not up yet) is a remark.
fn set_sysctls(text: &str, remarks: &mut Vec<String>) -> Result<(), Failure> {
    for (name, value) in settings_file::assignments(text) {
        if settings_file::in_force(&name).as_deref() == Some(value.as_str()) {
            continue;
        }
        match settings_file::set(&name, &value) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                remarks.push(format!("{name} = {value}: this machine has no such sysctl now"));
            }
            Err(error) => return Err(Failure::Failed(format!("{name} = {value}: {error}"))),
        }
    }
    Ok(())
}

/// An option of a module, as modprobe.conf has it.
struct ModuleOption<'a> {
    module: &'a str,
    name: &'a str,
    value: &'a str,
}

impl ModuleOption<'_> {
    fn path(&self) -> std::path::PathBuf {
        Path::new("/sys/module").join(self.module).join("parameters").join(self.name)
    }
}

fn options(text: &str) -> Vec<ModuleOption<'_>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("options "));
    let each = lines.flat_map(|line| {
        let mut words = line.split_whitespace();
        let module = words.next().unwrap_or_default();
        words.filter_map(|word| word.split_once('=')).map(move |(name, value)| ModuleOption {
            module,
            name,
            value,
        })
    });
    each.collect()
}

/// Sets options of modules that are loaded. One that can only be given at load time is a remark,
/// unless it has its value already.
fn set_options(text: &str, remarks: &mut Vec<String>) {
    for option in options(text) {
        let ModuleOption { module, name, value } = option;
        let Ok(found) = std::fs::read_to_string(option.path()) else { continue };
        let is_set = match found.trim() {
            "Y" => value == "1" || value == "Y",
            "N" => value == "0" || value == "N",
            found => found == value,
        };
        if !is_set && std::fs::write(option.path(), value).is_err() {
            let found = found.trim();
            remarks.push(format!(
                "{module} has {name}={found} until it is loaded again with {name}={value}"
            ));
        }
    }
}
