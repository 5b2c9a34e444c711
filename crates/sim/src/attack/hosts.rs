//! Who is who around the gateway of the attacks.

use crate::traffic::Ingress;
use kinwall_topology::Topology;
use kinwall_wire::Headers;
use std::net::IpAddr;

/// Names and addresses, and the interfaces behind which they live.
#[derive(Clone, Debug)]
pub struct Hosts {
    names: Vec<(String, IpAddr)>,
    topology: Topology,
}

impl Hosts {
    /// Reads lines of `ADDRESS NAME`, as in `/etc/hosts`, and a topology file.
    pub fn read(hosts: &str, topology: &str) -> Result<Hosts, String> {
        let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let names: Option<Vec<_>> = lines
            .filter(|line| !line.is_empty())
            .map(|line| {
                let (address, name) = line.split_once(char::is_whitespace)?;
                Some((name.trim().to_owned(), address.parse().ok()?))
            })
            .collect();
        let topology = Topology::from_toml(topology, "topology.toml")
            .map_err(|problems| format!("{problems:?}"))?;
        Ok(Hosts { names: names.ok_or("a line of hosts is ADDRESS NAME")?, topology })
    }

    /// The topology.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The name of an address, or else the address.
    pub fn name(&self, address: IpAddr) -> String {
        let known = self.names.iter().find(|(_, known)| *known == address);
        match (known, address) {
            (Some((name, _)), _) => name.clone(),
            (None, IpAddr::V4(v4)) => v4.to_string(),
            (None, IpAddr::V6(v6)) => format!("[{v6}]"),
        }
    }

    /// The words of `text` with addresses where names stand, with or without a port.
    pub(super) fn addressed(&self, text: &str) -> String {
        let words = text.split_whitespace().map(|word| {
            let (name, port) = match word.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (word, None),
            };
            let known = self.names.iter().find(|(known, _)| known == name);
            match (known, port) {
                (None, _) => word.to_owned(),
                (Some((_, address)), None) => address.to_string(),
                (Some((_, IpAddr::V4(v4))), Some(port)) => format!("{v4}:{port}"),
                (Some((_, IpAddr::V6(v6))), Some(port)) => format!("[{v6}]:{port}"),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Where what `address` sends reaches the gateway.
    pub(super) fn ingress(&self, address: IpAddr) -> Result<Ingress, String> {
        if self.topology.is_local(address) {
            return Ok(Ingress::Local);
        }
        let name = self.topology.interface_behind(address);
        name.map(Ingress::Interface).ok_or_else(|| format!("{address} lives behind no interface"))
    }

    /// Where a packet reaches the gateway by its source.
    pub(super) fn ingress_of_packet(&self, bytes: &[u8]) -> Result<Ingress, String> {
        let headers = Headers::parse(bytes).map_err(|error| error.to_string())?;
        self.ingress(headers.src)
    }
}
