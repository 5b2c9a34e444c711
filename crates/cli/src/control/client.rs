//! Who asks a running gateway.

use crate::control::Request;
use crate::failure::Failure;
use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Asks, and hands every line of the answer to `take` but the last.
pub(crate) fn ask(
    socket: &Path,
    request: &Request,
    mut take: impl FnMut(Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut stream = connect(socket)?;
    let question = serde_json::to_string(request).map_err(|e| Failure::Failed(e.to_string()))?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    for line in BufReader::new(stream).lines() {
        let value: Value = serde_json::from_str(&line?)
            .map_err(|error| Failure::Failed(format!("the gateway's answer: {error}")))?;
        match value["type"].as_str() {
            Some("done") => return Ok(()),
            Some("error") => {
                let message = value["message"].as_str().unwrap_or_default();
                return Err(Failure::Failed(message.to_owned()));
            }
            _ => take(value)?,
        }
    }
    Err(Failure::Failed(String::from("the gateway ended before its answer did")))
}

fn connect(socket: &Path) -> Result<UnixStream, Failure> {
    UnixStream::connect(socket).map_err(|error| {
        let path = socket.display();
        Failure::Failed(match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!(
                "{path}: no gateway answers there: `kinwall run` starts one, and --socket says \
                 where it listens"
            ),
            ErrorKind::PermissionDenied => {
                format!("{path}: not permitted: the socket is for its owner, who runs the gateway")
            }
            _ => format!("{path}: {error}"),
        })
    })
}
