//! The state of a gateway, kept and shown: a file that a restart goes on from.
//!
//! ```text
//! file.rs     the state file: written whole or not at all, refused when it is not one
//! show.rs     connections, expectations and events as `conntrack` prints them
//! listed.rs   what it prints, read
//! import.rs   the kernel's live connections, taken over
//! ```
//!
//! ```no_run
//! # use kinwall_engine::Engine;
//! # use kinwall_terms::Time;
//! # fn gateway(engine: &mut Engine, now: Time) -> Result<(), Box<dyn std::error::Error>> {
//! let path = std::path::Path::new("/var/lib/kinwall/state");
//! if let Some(snapshot) = kinwall_state::read(path)? {
//!     engine.restore(now, snapshot)?;
//! }
//! kinwall_state::write(path, &engine.snapshot(now))?;
//! # Ok(())
//! # }
//! ```

mod file;
pub mod import;
pub mod listed;
pub mod show;

pub use file::{StateError, VERSION, decode, decode_body, encode, read, write};
