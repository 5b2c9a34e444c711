//! What the flags of replay name: captures, interfaces, changes on the way, files to write.

use super::ReplayArgs;
use crate::failure::Failure;
use kinwall_engine::settings::split_assignment;
use kinwall_replay::{Change, Input, Source, Writer};
use kinwall_terms::InterfaceName;
use std::path::{Path, PathBuf};

/// Reads `PACKET:KEY=VALUE`.
pub(super) fn change(text: &str) -> Result<Change, Failure> {
    let wrong = |what: String| Failure::Usage(format!("--set-at {text}: {what}"));
    let (packet, assignment) = text
        .split_once(':')
        .ok_or_else(|| wrong("write PACKET:KEY=VALUE, such as 20:nf_conntrack_helper=1".into()))?;
    let number = packet.parse().ok().filter(|number| *number > 0);
    let packet = number
        .ok_or_else(|| wrong(format!("`{packet}` is no packet number: packets count from 1")))?;
    let (key, value) = split_assignment(assignment).map_err(|error| wrong(error.to_string()))?;
    Ok(Change { packet, key: key.to_owned(), value: value.to_owned() })
}

/// The captures, with the interfaces that `--ingress` names.
pub(super) fn captures(args: &ReplayArgs) -> Result<Vec<Input>, Failure> {
    if args.captures.iter().filter(|capture| capture.as_os_str() == "-").count() > 1 {
        return Err(Failure::Usage("the standard input can be read only once".to_owned()));
    }
    let mut inputs: Vec<Input> = args.captures.iter().map(Input::new).collect();
    for text in &args.ingress {
        let wrong = |what: &str| Failure::Usage(format!("--ingress {text}: {what}"));
        let (name, path) = text.split_once('=').ok_or_else(|| wrong("write NAME=CAPTURE"))?;
        let name = InterfaceName::new(name).ok_or_else(|| wrong("no interface has such a name"))?;
        let input = args.captures.iter().position(|capture| capture.as_os_str() == path);
        match input.and_then(|at| inputs.get_mut(at)) {
            Some(input) => input.ingress = Some(name),
            None => return Err(wrong("that capture is not among the arguments")),
        }
    }
    Ok(inputs)
}

/// Refuses to write where something is read, or twice to one place.
pub(super) fn check_written(args: &ReplayArgs) -> Result<(), Failure> {
    let same = |a: &Path, b: &Path| {
        a == b
            || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b && a.is_file())
    };
    for (flag, path) in [("--write", &args.write), ("--write-dropped", &args.write_dropped)] {
        let Some(path) = path else { continue };
        let wrong = |what: &str| Failure::Usage(format!("{flag} {}: {what}", path.display()));
        if path.as_os_str() == "-" {
            return Err(wrong("packets are kept in a file; give its name"));
        }
        if args.captures.iter().any(|capture| same(capture, path)) {
            return Err(wrong("that is the capture to be read; give another name"));
        }
    }
    match (&args.write, &args.write_dropped) {
        (Some(write), Some(dropped)) if same(write, dropped) => Err(Failure::Usage(
            "--write and --write-dropped name the same file; give two".to_owned(),
        )),
        _ => Ok(()),
    }
}

pub(super) fn keep(path: Option<&PathBuf>, source: &Source) -> Result<Option<Writer>, Failure> {
    let create = |path: &PathBuf| Writer::create(path, source.fine_time());
    path.map(create).transpose().map_err(|error| Failure::Failed(error.to_string()))
}
