//! `--compare-profiles`: the same packets in both profiles, and where they differ.

use super::ReplayArgs;
use super::session::{self, Progress, WithoutRules};
use crate::failure::Failure;
use kinwall_replay::output::{Output, Record};
use kinwall_replay::{Profiles, Source};
use kinwall_terms::Profile;

/// Reads all of it.
pub(super) fn run<O: Output>(
    mut profiles: Profiles,
    source: Source,
    args: &ReplayArgs,
    sources: &[String],
    mut out: O,
) -> Result<(), Failure> {
    let mut without_rules = WithoutRules::default();
    let progress = Progress::new(&source, args);
    let mut count = 0_u64;
    let mut feed = profiles.side(Profile::Linux).feed(source, false);
    while let Some(batch) = feed.next_batch() {
        for (frame, seen) in batch.frames() {
            progress.show(count, || batch.progress());
            if count == 0 {
                out.start_at(frame.time);
            }
            count += 1;
            without_rules.look(&frame, profiles.side(Profile::Linux).engine());
            let compared = profiles.frame(&frame, seen).map_err(|error| {
                Failure::Usage(format!("--set-at, before packet {}: {error}", frame.number))
            })?;
            if let Some(compared) = compared.filter(|_| !args.summary) {
                let record = profiles.record(&frame, &compared, sources);
                out.record(&Record::Difference(Box::new(record)))?;
            }
        }
    }
    let source = feed.end();
    progress.end();
    let comparison = profiles.comparison(args.top, sources, source.damage_count());
    out.record(&Record::Comparison(Box::new(comparison)))?;
    out.flush()?;
    without_rules.tell();
    session::never_set(args, count);
    session::on_captures(profiles.side(Profile::Linux), &source)
}
