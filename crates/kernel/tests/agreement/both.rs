//! One case through both engines.

use super::ours::Ours;
use super::peers::Peers;
use kinwall_kernel::{
    Agreement, Case, Change, Gateway, Ingress, KernelError, Observed, Scenario, tier,
};
use kinwall_terms::InterfaceName;
use kinwall_terms::expectation::ExpectationFlags;
use kinwall_topology::Topology;
use kinwall_wire::{Headers, LinkFacts};

/// The kernel's gateway, kept from case to case.
#[derive(Default)]
pub(crate) struct Both {
    gateway: Option<Gateway>,
}

/// Why a case could not be compared.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The kernel's tools do not accept it.
    Kernel(String),
    /// kinwall does not accept it.
    Ours(String),
}

impl Both {
    /// Compares the answers to every packet of `case`. An error of the harness is a panic: the
    /// test cannot say anything.
    pub(crate) fn compare(&mut self, case: &Case) -> Result<Agreement, Refusal> {
        self.compare_and(case, &mut |_, _, _| {})
    }

    /// The same; `also` is called before the first packet, and after each, with how many there
    /// were.
    pub(crate) fn compare_and(
        &mut self,
        case: &Case,
        also: &mut dyn FnMut(usize, &Gateway, &mut Ours),
    ) -> Result<Agreement, Refusal> {
        let topology = Topology::from_toml(&case.topology, &case.name).expect("a topology");
        let scenario = Scenario {
            rules4: case.rules4.as_deref(),
            rules6: case.rules6.as_deref(),
            nft: case.nft.as_deref(),
            sysctls: case.sysctls.clone(),
            ipsets: case.ipsets.as_deref(),
            ..Scenario::new(&topology)
        };
        let mut ours = Ours::new(case).map_err(Refusal::Ours)?;
        let loaded = match &mut self.gateway {
            Some(gateway) => gateway.reset(&scenario),
            None => Gateway::new(&scenario).map(|gateway| self.gateway = Some(gateway)),
        };
        match loaded {
            Ok(()) => {}
            Err(refused @ KernelError::Refused { .. }) => {
                return Err(Refusal::Kernel(refused.to_string()));
            }
            Err(error) => panic!("{}\n{error}", tier::NOTICE),
        }
        let gateway = self.gateway.as_mut().expect("a gateway");
        let mut agreement = Agreement::default();
        let mut peers = Peers::default();
        also(0, gateway, &mut ours);
        for (at, (ingress, bytes)) in case.packets.iter().enumerate() {
            let (ingress, bytes) = peers.answer(*ingress, bytes);
            let (ingress, bytes) = (&ingress, &*bytes);
            let link = match ingress {
                Ingress::Interface(name) => gateway.link_facts(*name, bytes).expect("an interface"),
                Ingress::Local => LinkFacts::default(),
            };
            let theirs = gateway.send(*ingress, bytes).unwrap_or_else(|error| panic!("{error}"));
            let left = theirs.out.and_then(|out| {
                theirs.emitted.iter().find(|(name, _)| *name == out).map(|(_, left)| left)
            });
            if let (Some(out), Some(left)) = (theirs.out, left) {
                peers.note(bytes, out, left);
                ours.wish(left);
            }
            ours.wish_born(&theirs);
            let answer = ours.send(*ingress, link, bytes);
            also(at + 1, gateway, &mut ours);
            let ours = answer;
            if theirs.last_seen.is_none() {
                agreement.skip("packets that the IP layer refuses before netfilter");
                continue;
            }
            let mut theirs = Observed::from(&theirs);
            // What is for the gateway after all, where it is sent, leaves for nowhere.
            theirs.out = theirs.out.filter(|name| *name != InterfaceName::LOOPBACK);
            if renews_by_chance(&theirs, &ours) {
                agreement.skip("broadcast questions repeated, which the kernel renews by chance");
                continue;
            }
            let about = format!("{ingress} {}", about(bytes));
            agreement.add(&case.name, at + 1, about, &theirs, &ours);
        }
        Ok(agreement)
    }
}

/// Whether only kinwall renewed the expectation of a broadcast question. The kernel does so by
/// chance: it looks as if it compared bytes of the mask that nobody has set.
fn renews_by_chance(theirs: &Observed, ours: &Observed) -> bool {
    let [(Change::Destroy, old), (Change::New, new)] = ours.expectations.as_slice() else {
        return false;
    };
    let permanent = new.flags == ExpectationFlags::PERMANENT;
    let renewed = (old.tuple, old.mask, &old.helper) == (new.tuple, new.mask, &new.helper);
    let is_broadcast = ["netbios-ns", "snmp"].contains(&new.helper.as_str());
    theirs.expectations.is_empty() && renewed && permanent && is_broadcast
}

/// A few words about a packet.
fn about(bytes: &[u8]) -> String {
    match Headers::parse(bytes) {
        Ok(headers) => format!(
            "{} -> {} {} {:?} {} bytes{}",
            headers.src,
            headers.dst,
            headers.proto,
            headers.l4,
            bytes.len(),
            headers.fragment.map_or(String::new(), |f| format!(" {f:?}")),
        ),
        Err(error) => error.to_string(),
    }
}
