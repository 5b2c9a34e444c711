//! Test only: hosts that talk, networks that lose, and rules that somebody might write.
//!
//! Everything comes from a seed: the same seed and the same revision give the same packets and
//! the same rules. [`World`] is the network around the gateway, [`traffic`] what its hosts say,
//! [`faults`] what happens to it on the way, and [`rules`] what the gateway is told. [`attack`]
//! reads the attacks, which are written down word for word.

pub mod attack;
pub mod faults;
pub mod h323;
pub mod random;
pub mod rules;
pub mod traffic;
pub mod world;

pub use random::Random;
pub use world::World;
