//! Witnesses: written as captures, and confirmed.

use super::Found;
use crate::failure::Failure;
use crate::rule_files::Rules;
use kinwall_engine::Engine;
use kinwall_kernel::{Gateway, Ingress, Scenario};
use kinwall_prove::witness::{Confirmation, Line, Replayer, Witness};
use kinwall_replay::{Frame, Writer};
use kinwall_rules::print;
use kinwall_terms::{Family, InterfaceName, Time, Verdict};
use kinwall_topology::Topology;
use kinwall_wire::link::LinkType;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where witnesses go, and who confirms them.
pub(super) struct Witnesses {
    folder: PathBuf,
    replayer: Replayer,
    topology: Topology,
    kernel: Option<Kernel>,
    written: BTreeMap<String, u32>,
}

/// The real kernel with the rules that are proved.
struct Kernel {
    rules: [Option<String>; 2],
    gateway: Option<Gateway>,
}

/// A witness that was made, or not.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// The capture; `None` when no packets were found that do it.
    pub(super) file: Option<String>,
    /// Whether the engine does what was said.
    pub(super) confirmed: bool,
    /// Whether the kernel does, where it was asked.
    pub(super) in_kernel: Option<bool>,
    /// What happens instead, where one of them does not.
    pub(super) instead: Option<String>,
}

impl Witnesses {
    /// Into this folder, which is made; `engine` has seen nothing yet.
    pub(super) fn new(
        folder: &Path,
        engine: Engine,
        rules: &Rules,
        in_kernel: bool,
    ) -> Result<Witnesses, Failure> {
        std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, error))?;
        let saved = |family| {
            let ruleset = rules.loaded.ruleset(family);
            ruleset.map(|ruleset| print::ruleset(ruleset, print::Options::default()))
        };
        let kernel = in_kernel.then(|| Kernel { rules: Family::ALL.map(saved), gateway: None });
        let topology = engine.topology().clone();
        Ok(Witnesses {
            folder: folder.to_owned(),
            replayer: Replayer::new(engine),
            topology,
            kernel,
            written: BTreeMap::new(),
        })
    }

    /// Writes a witness under a name like `name`, and confirms it.
    pub(super) fn show(&mut self, name: &str, witness: Option<&Witness>) -> Result<Shown, Failure> {
        let Some(witness) = witness else { return Ok(Shown::default()) };
        let name = self.file_name(name);
        let path = self.folder.join(&name);
        write(&path, &witness.lines).map_err(|error| Failure::Failed(error.to_string()))?;
        let mut shown = Shown { file: Some(path.display().to_string()), ..Shown::default() };
        match self.replayer.confirm(witness) {
            Confirmation::Confirmed => shown.confirmed = true,
            Confirmation::Refuted { verdict, state } => {
                shown.instead = Some(instead("the engine", verdict, state.map(|s| s.to_string())));
            }
        }
        if let Some(kernel) = &mut self.kernel {
            let helper = witness.helper.and_then(|at| self.replayer.helper_name(at));
            let answer = kernel.last_answer(&self.topology, &witness.lines);
            let answer = answer.map_err(|error| Failure::Failed(error.to_string()))?;
            let (verdict, state, by) = answer;
            let announced = helper.is_none() || by == helper;
            let passes = verdict == Verdict::Accept && state == Some(witness.state) && announced;
            shown.in_kernel = Some(passes);
            if !passes && shown.instead.is_none() {
                shown.instead = Some(instead("the kernel", verdict, state.map(|s| s.to_string())));
            }
        }
        Ok(shown)
    }

    /// `NAME.pcapng`, with a number from the second of a name on.
    fn file_name(&mut self, name: &str) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let name: String = name.chars().map(|c| if plain(c) { c } else { '-' }).collect();
        let count = self.written.entry(name.clone()).or_default();
        *count += 1;
        match count {
            1 => format!("{name}.pcapng"),
            count => format!("{name}-{count}.pcapng"),
        }
    }
}

/// What becomes of the last packet instead.
fn instead(whose: &str, verdict: Verdict, state: Option<String>) -> String {
    format!("{whose} says {verdict}, {}", state.unwrap_or_else(|| "untracked".to_owned()))
}

impl Kernel {
    /// What the kernel does with the last of `lines`: verdict, state, helper of the master.
    fn last_answer(
        &mut self,
        topology: &Topology,
        lines: &[Line],
    ) -> Result<
        (Verdict, Option<kinwall_terms::CtState>, Option<String>),
        kinwall_kernel::KernelError,
    > {
        let mut scenario = Scenario::new(topology);
        scenario.rules4 = self.rules[Family::Ipv4.index()].as_deref();
        scenario.rules6 = self.rules[Family::Ipv6.index()].as_deref();
        match &mut self.gateway {
            Some(gateway) => gateway.reset(&scenario)?,
            None => self.gateway = Some(Gateway::new(&scenario)?),
        }
        let mut last = (Verdict::Drop, None, None);
        let Some(gateway) = &mut self.gateway else { return Ok(last) };
        for line in lines {
            let ingress = line.input.map_or(Ingress::Local, Ingress::Interface);
            let answer = gateway.send_as(ingress, Some(line.mac), &line.bytes)?;
            let helper = answer.helper_of_master.map(str::to_owned);
            last = (answer.verdict, answer.ct_state, helper);
        }
        Ok(last)
    }
}

/// Writes packets as a Linux cooked capture, which says of each where it came in.
fn write(path: &Path, lines: &[Line]) -> Result<(), kinwall_replay::WriteError> {
    let mut inputs: Vec<Option<InterfaceName>> = Vec::new();
    let mut writer = Writer::create(path, true)?;
    for (number, line) in (1u64..).zip(lines) {
        let described = inputs.iter().position(|known| *known == line.input);
        let described = described.unwrap_or_else(|| {
            inputs.push(line.input);
            inputs.len() - 1
        });
        let bytes = cooked(line);
        writer.write(&Frame {
            number,
            time: Time(number * 1_000_000),
            capture: 0,
            described: u32::try_from(described).unwrap_or(u32::MAX),
            interface: line.input,
            link_type: Some(LinkType::LinuxSll),
            link_number: LINKTYPE_LINUX_SLL,
            bytes: &bytes,
            original_length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        })?;
    }
    writer.finish()?;
    Ok(())
}

/// The number of Linux cooked captures among link types.
const LINKTYPE_LINUX_SLL: u32 = 113;

/// A Linux cooked header: to us or from us, Ethernet, the sender, the protocol; and the packet.
fn cooked(line: &Line) -> Vec<u8> {
    let kind: u16 = if line.input.is_some() { 0 } else { 4 };
    let version = line.bytes.first().map_or(0, |byte| byte >> 4);
    let protocol: u16 = if version == 6 { 0x86dd } else { 0x0800 };
    let mut bytes = Vec::new();
    for word in [kind, 1, 6] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend(line.mac);
    bytes.extend([0, 0]);
    bytes.extend(protocol.to_be_bytes());
    bytes.extend(&line.bytes);
    bytes
}

/// Shows everything found in a family.
pub(super) fn everything(witnesses: &mut Witnesses, found: &mut Found<'_>) -> Result<(), Failure> {
    let family = found.family;
    for spoofing in &found.spoofing {
        let shown = match spoofing.is_none() {
            true => Shown::default(),
            false => {
                let witness = found.reach.witness_of_spoofing(spoofing);
                let witness = witness.map_err(super::too_large)?;
                witnesses
                    .show(&format!("{family}-spoofing-{}", spoofing.input), witness.as_ref())?
            }
        };
        found.spoofing_shown.push(shown);
    }
    for exposure in &found.exposures {
        if !exposure.translated_by.is_empty() {
            let instead = Some("packets are not made up for translated connections".to_owned());
            found.exposures_shown.push(Shown { instead, ..Shown::default() });
            continue;
        }
        let witness = found.reach.witness(exposure).map_err(super::too_large)?;
        let instance = found.reach.given.instances.get(exposure.helper);
        let helper = instance.map_or("", |instance| instance.name.as_str());
        let name = format!("{family}-{helper}-{}", exposure.hostile.name());
        (found.reach.given.work)("witnesses");
        let shown = witnesses.show(&name, witness.as_ref())?;
        found.exposures_shown.push(shown);
    }
    Ok(())
}
