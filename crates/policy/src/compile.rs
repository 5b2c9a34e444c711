//! From a plan to the files of a tool.

mod explain;
mod iptables;
mod nftables;
mod settings;
mod topology;

use crate::intent::Policy;
use crate::plan::{Plan, Rule};

/// The tool that loads the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// iptables-restore and ip6tables-restore.
    Iptables,
    /// nft.
    Nftables,
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, without a folder.
    pub name: &'static str,
    /// What is in it.
    pub text: String,
}

/// Everything that `policy`, read from a file called `source`, comes to.
pub fn compile(policy: &Policy, target: Target, source: &str) -> Vec<File> {
    let plan = Plan::of(policy);
    let written = match target {
        Target::Iptables => iptables::write(&plan, policy, source),
        Target::Nftables => nftables::write(&plan, policy, source),
    };
    let explained = explain::write(policy, &written, source);
    let mut files: Vec<File> = written.into_iter().map(|rules| rules.file).collect();
    files.push(File { name: "sysctl.conf", text: settings::sysctl(policy, source) });
    files.push(File { name: "modprobe.conf", text: settings::modprobe(policy, source) });
    files.push(File { name: "topology.toml", text: topology::write(policy, source) });
    files.push(File { name: "explain.md", text: explained });
    files
}

/// A file of rules, and which of its lines come from which rule of the plan.
struct Written<'a> {
    file: File,
    lines: Vec<Line<'a>>,
}

/// One line of a rule file.
struct Line<'a> {
    /// From 1.
    number: usize,
    rule: &'a Rule,
}

/// The first line of every file.
fn heading(source: &str) -> String {
    format!("# Written by `kinwall policy compile {source}`: changes belong there.\n")
}
