//! Interfaces that change while connections are tracked.
//!
//! A masqueraded connection shows an address of the interface it leaves by. When that interface
//! loses the address, or goes, the connection ends, as in Linux: what it would show is somebody
//! else's. When the way of its packets leads out by another interface, the first one that does
//! ends it, and is dropped.

use crate::engine::Engine;
use crate::path::{Passage, Stage, Stop};
use crate::settings::SettingError;
use kinwall_conntrack::PacketCt;
use kinwall_terms::{Direction, Hook, InterfaceName, Reason};
use kinwall_topology::Topology;

impl Engine {
    /// From now on the gateway has these interfaces, addresses and routes. Connections that are
    /// masqueraded by an interface that is no longer there end, and so do those that show an
    /// address which their interface no longer has. Settings of the topology are not applied.
    pub fn set_topology(&mut self, topology: Topology) {
        for old in self.topology.interfaces() {
            let Some(new) = topology.interface(old.name) else {
                self.conntrack.end_masqueraded(old.name, None);
                continue;
            };
            let has = |address| new.addresses.iter().any(|own| own.addr() == address);
            let lost = old.addresses.iter().map(|own| own.addr()).filter(|address| !has(*address));
            for address in lost {
                self.conntrack.end_masqueraded(old.name, Some(address));
            }
        }
        self.topology = topology;
        self.was_rewired = true;
        self.courses.forget();
    }

    /// Changes an interface: `NAME.addresses`, all it has from now on (`192.0.2.2/24,fd00::1/64`,
    /// or none), or `NAME.down=1`, which takes it away with its routes.
    pub(crate) fn set_interface(&mut self, key: &str, value: &str) -> Result<(), SettingError> {
        let wrong = || SettingError::Interface { key: key.to_owned(), value: value.to_owned() };
        let (name, what) = key.rsplit_once('.').ok_or_else(wrong)?;
        let mut parts = self.topology.parts().clone();
        let found = parts.interfaces.iter().position(|known| known.name.as_str() == name);
        let at = found.ok_or_else(|| SettingError::NoInterface(name.to_owned()))?;
        match (what, value) {
            ("addresses", list) => {
                let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
                let addresses: Result<_, _> = words.map(str::parse).collect();
                parts.interfaces[at].addresses = addresses.map_err(|_| wrong())?;
            }
            ("down", "1" | "true") => {
                let gone = parts.interfaces.remove(at).name;
                let is_left = |names: &Vec<InterfaceName>| names.iter().all(|name| *name != gone);
                parts.routes.retain(|route| is_left(&route.interfaces));
            }
            _ => return Err(wrong()),
        }
        let topology = Topology::new(parts).map_err(|_| wrong())?;
        self.set_topology(topology);
        Ok(())
    }

    /// Ends the connection of a packet that leaves by another interface than the one whose address
    /// it shows. That can only be when interfaces have changed.
    #[inline]
    pub(crate) fn stays_on_its_way(
        &mut self,
        p: &Passage<'_, '_, '_>,
        ct: PacketCt,
        hook: Hook,
    ) -> Stage {
        if !self.was_rewired || hook != Hook::Postrouting || ct.direction != Direction::Original {
            return Ok(());
        }
        let Some(id) = ct.conn else { return Ok(()) };
        match self.conntrack.masqueraded_by(id) {
            Some(by) if p.out_iface != Some(by) => {
                self.conntrack.end_strayed(id);
                Err(Stop::drop(Reason::NatInterface))
            }
            _ => Ok(()),
        }
    }
}
