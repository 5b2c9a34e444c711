//! The figure that two engines agree by, and what is needed to see each difference again.

use crate::event::Change;
use crate::gateway::Ingress;
use crate::observed::{Difference, Observed};
use kinwall_terms::{CtState, Verdict};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::Path;

/// Everything that one comparison starts from.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// What it is called, and how it is made again: a seed, or a file.
    pub name: String,
    /// The topology file.
    pub topology: String,
    /// IPv4 rules.
    pub rules4: Option<String>,
    /// IPv6 rules.
    pub rules6: Option<String>,
    /// Rules of nftables, as `nft -f` reads them.
    pub nft: Option<String>,
    /// The same, as `nft -j list ruleset` prints them.
    pub listing: Option<String>,
    /// Further sysctls.
    pub sysctls: Vec<(String, String)>,
    /// Sets.
    pub ipsets: Option<String>,
    /// The packets, each from its network header on.
    pub packets: Vec<(Ingress, Vec<u8>)>,
}

impl Case {
    /// Writes the case into `directory`, so that it can be looked at and replayed: rules,
    /// topology, and one capture (raw IP) with the ingress of each packet listed beside it.
    pub fn write(&self, directory: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(directory)?;
        let file = |name: &str, text: &str| std::fs::write(directory.join(name), text);
        file("topology.toml", &self.topology)?;
        for (name, text) in [
            ("rules.v4", &self.rules4),
            ("rules.v6", &self.rules6),
            ("rules.nft", &self.nft),
            ("rules.json", &self.listing),
            ("sets", &self.ipsets),
        ] {
            text.iter().try_for_each(|text| file(name, text))?;
        }
        let mut sysctls = String::new();
        for (name, value) in &self.sysctls {
            let _ = writeln!(sysctls, "{name}={value}");
        }
        file("sysctls", &sysctls)?;
        let mut ingress = String::new();
        for (at, (from, _)) in self.packets.iter().enumerate() {
            let _ = writeln!(ingress, "{} {from}", at + 1);
        }
        file("ingress", &ingress)?;
        std::fs::write(directory.join("capture.pcap"), self.pcap())
    }

    /// The packets as a capture file: raw IP, one millisecond apart.
    fn pcap(&self) -> Vec<u8> {
        const LINK_TYPE_RAW: u32 = 101;
        let mut bytes = Vec::new();
        for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, LINK_TYPE_RAW] {
            bytes.extend(u32::to_le_bytes(word));
        }
        for (at, (_, packet)) in self.packets.iter().enumerate() {
            let ms = at as u32;
            let length = packet.len() as u32;
            for word in [ms / 1000, ms % 1000 * 1000, length, length] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend_from_slice(packet);
        }
        bytes
    }
}

/// A packet on which two engines differ.
#[derive(Clone, Debug)]
pub struct Disagreement {
    /// Name of the case.
    pub case: String,
    /// Number of the packet within it, from 1.
    pub packet: usize,
    /// A few words about the packet.
    pub about: String,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// How far two engines agree.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    /// Packets compared.
    pub packets: u64,
    /// What the kernel did in them that agreeing is not trivial for, by a few words each.
    pub seen: BTreeMap<String, u64>,
    /// Packets that were not compared, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Packets on which they differ.
    pub disagreements: Vec<Disagreement>,
}

impl Agreement {
    /// Compares the answers to one packet.
    pub fn add(
        &mut self,
        case: &str,
        packet: usize,
        about: String,
        kernel: &Observed,
        ours: &Observed,
    ) {
        // The kernel does not tell a fragment that it keeps from one that it drops.
        let kept = matches!(ours.verdict, Verdict::Consume | Verdict::Drop);
        if kernel.verdict == Verdict::Consume && kept && ours.ct_state.is_none() {
            self.skip("fragments of an incomplete datagram");
            return;
        }
        self.packets += 1;
        for (change, expectation) in &kernel.expectations {
            let what = if *change == Change::New { "made" } else { "ended" };
            self.see(format!("expectations of {} {what}", expectation.helper));
        }
        if let (Some(CtState::Related), Some(helper)) = (kernel.ct_state, &kernel.helper) {
            self.see(format!("packets RELATED by {helper}"));
        }
        let differences = kernel.differences(ours);
        if !differences.is_empty() {
            let case = case.to_string();
            self.disagreements.push(Disagreement { case, packet, about, differences });
        }
    }

    fn see(&mut self, what: String) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Leaves a packet out of the comparison.
    pub fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// Takes the results of another comparison in.
    pub fn merge(&mut self, other: Agreement) {
        self.packets += other.packets;
        for (what, count) in other.seen {
            *self.seen.entry(what).or_default() += count;
        }
        for (reason, count) in other.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
        self.disagreements.extend(other.disagreements);
    }

    /// Share of packets on which both agree in everything, 0 to 1.
    pub fn figure(&self) -> f64 {
        if self.packets == 0 {
            return 1.0;
        }
        1.0 - self.disagreements.len() as f64 / self.packets as f64
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (packets, differ) = (self.packets, self.disagreements.len());
        let percent = self.figure() * 100.0;
        writeln!(f, "agreement {percent:.4} % of {packets} packets, {differ} differ")?;
        for (what, count) in &self.seen {
            writeln!(f, "  seen: {count} {what}")?;
        }
        for (reason, count) in &self.skipped {
            writeln!(f, "  not compared: {count} {reason}")?;
        }
        for disagreement in self.disagreements.iter().take(SHOWN_MAX) {
            let Disagreement { case, packet, about, differences } = disagreement;
            writeln!(f, "{case} packet {packet}: {about}")?;
            for difference in differences {
                writeln!(f, "  {difference}")?;
            }
        }
        if differ > SHOWN_MAX {
            writeln!(f, "and {} more", differ - SHOWN_MAX)?;
        }
        Ok(())
    }
}

/// Disagreements that are printed; all are counted.
const SHOWN_MAX: usize = 40;
