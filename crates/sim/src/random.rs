//! The one source of chance.

/// A small generator (SplitMix64: Steele, Lea, Flood, 2014). Fast, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A generator of its own for one part, so that changes in other parts do not touch it.
    pub fn fork(&mut self) -> Random {
        Random::new(self.bits())
    }

    /// A number below `limit`; 0 when `limit` is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.bits() % limit as u64) as usize }
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        low + (self.bits() % (u64::from(high - low) + 1)) as u32
    }

    /// True `percent` times out of a hundred.
    pub fn percent(&mut self, percent: u32) -> bool {
        self.bits() % 100 < u64::from(percent)
    }

    /// One of `items`, which must not be empty.
    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// A port: well known, high or any.
    pub fn port(&mut self) -> u16 {
        match self.below(4) {
            0 => self.pick(&[21, 22, 53, 69, 80, 443, 6667, 2121]),
            1 => self.between(1, 65535) as u16,
            _ => self.between(1024, 65535) as u16,
        }
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        self.bits() as u8
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn a_seed_is_a_sequence() {
        let mut random = Random::new(1);
        let first: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        assert_eq!(first, [10451216379200822465, 13757245211066428519, 17911839290282890590]);
        assert!((0..1000).all(|_| (5..=9).contains(&random.between(5, 9))));
    }
}
