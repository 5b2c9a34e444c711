//! Whether the kernel tier is to run.
//!
//! It runs wherever tests run, and fails loudly where it cannot. Only who says so leaves it
//! out: `KINWALL_TIERS` holds the names of the tiers that are wanted, with commas.

/// The name of this tier in `KINWALL_TIERS`.
pub const NAME: &str = "kernel";

/// What to say when it cannot run.
pub const NOTICE: &str = "the kernel tier cannot run here; to leave it out, set KINWALL_TIERS \
    to the names of the tiers you want (this one is called \"kernel\")";

/// Whether the tier is wanted. When it is not, that is said on the standard error.
pub fn is_wanted() -> bool {
    let wanted = match std::env::var("KINWALL_TIERS") {
        Ok(names) => names.split(',').any(|name| name.trim() == NAME),
        Err(_) => true,
    };
    if !wanted {
        eprintln!("#### the kernel tier is left out: KINWALL_TIERS does not name it");
    }
    wanted
}
