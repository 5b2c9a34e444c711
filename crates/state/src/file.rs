//! The state file.
//!
//! ```text
//! 0    8   "kinwall", 0x1a
//! 8    4   version of what follows, lowest byte first
//! 12   8   length of the body, likewise
//! 20   8   checksum of the body (SipHash-1-3 without a key), likewise
//! 28       body: a Snapshot as postcard writes it
//! ```
//!
//! It is written under another name beside the old one, which it then replaces: whoever reads
//! finds the one or the other, whenever power fails. The checksum finds damage, not forgery: who
//! may write the file may open the gateway anyway, and so only its owner may.

use kinwall_engine::Snapshot;
use siphasher::sip::SipHasher13;
use std::fs::{self, File, OpenOptions};
use std::hash::Hasher;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What the file begins with.
const MAGIC: &[u8; 8] = b"kinwall\x1a";

/// The version of the body. It counts up whenever anything that a snapshot holds changes, be it
/// what a helper remembers.
pub const VERSION: u32 = 1;

/// Where the body begins.
const HEADER_BYTES: usize = 28;

/// The longest file that is read: more than the fullest table needs.
const FILE_MAX_BYTES: u64 = 4 << 30;

/// Why there is no state, or none was written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It does not begin as a state file.
    #[error("this is no state file of kinwall")]
    Foreign,
    /// Another version wrote it.
    #[error("the state is of version {0}, and only version {VERSION} is read")]
    Version(u32),
    /// It is shorter or longer than it says.
    #[error("the state is damaged: {there} bytes where there should be {stated}")]
    Length {
        /// What it says, in bytes.
        stated: u64,
        /// What it has, in bytes.
        there: u64,
    },
    /// Its checksum is wrong.
    #[error("the state is damaged: its checksum is wrong")]
    Checksum,
    /// The body cannot be read.
    #[error("the state cannot be read: {0}")]
    Body(postcard::Error),
    /// The system refuses.
    #[error("{}: {cause}", .path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// The whole file as bytes.
///
/// # Errors
///
/// The body cannot be written, which only a mistake of ours can bring about.
pub fn encode(snapshot: &Snapshot) -> Result<Vec<u8>, StateError> {
    let header = vec![0; HEADER_BYTES];
    let mut bytes = postcard::to_extend(snapshot, header).map_err(StateError::Body)?;
    let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let (length, sum) = (body.len() as u64, checksum(body));
    let fields = MAGIC
        .iter()
        .copied()
        .chain(VERSION.to_le_bytes())
        .chain(length.to_le_bytes())
        .chain(sum.to_le_bytes());
    for (place, byte) in bytes.iter_mut().zip(fields) {
        *place = byte;
    }
    Ok(bytes)
}

/// Reads a whole file.
///
/// # Errors
///
/// It is no state file, of another version, or damaged.
pub fn decode(bytes: &[u8]) -> Result<Snapshot, StateError> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else { return Err(StateError::Foreign) };
    let cut = || StateError::Length { stated: HEADER_BYTES as u64, there: bytes.len() as u64 };
    let (version, rest) = rest.split_first_chunk().ok_or_else(cut)?;
    match u32::from_le_bytes(*version) {
        VERSION => {}
        version => return Err(StateError::Version(version)),
    }
    let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
    let (sum, body) = rest.split_first_chunk().ok_or_else(cut)?;
    let (stated, there) = (u64::from_le_bytes(*length), body.len() as u64);
    if stated != there {
        return Err(StateError::Length { stated, there });
    }
    if u64::from_le_bytes(*sum) != checksum(body) {
        return Err(StateError::Checksum);
    }
    decode_body(body)
}

/// Reads a body alone.
///
/// # Errors
///
/// It holds something else, or more.
pub fn decode_body(body: &[u8]) -> Result<Snapshot, StateError> {
    match postcard::take_from_bytes(body) {
        Ok((snapshot, [])) => Ok(snapshot),
        Ok((_, rest)) => {
            let there = body.len() as u64;
            Err(StateError::Length { stated: there - rest.len() as u64, there })
        }
        Err(error) => Err(StateError::Body(error)),
    }
}

fn checksum(body: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(body);
    hasher.finish()
}

/// Reads the state that was left behind; `None` when there is none.
///
/// # Errors
///
/// As [`decode`], or the file cannot be read.
pub fn read(path: &Path) -> Result<Option<Snapshot>, StateError> {
    let system = |cause| StateError::System { path: path.to_owned(), cause };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(system(error)),
    };
    let mut bytes = Vec::new();
    let limit = FILE_MAX_BYTES + 1;
    let there = file.take(limit).read_to_end(&mut bytes).map_err(system)? as u64;
    if there == limit {
        return Err(StateError::Length { stated: FILE_MAX_BYTES, there });
    }
    decode(&bytes).map(Some)
}

/// Writes the state, whole or not at all, for nobody but its owner to read.
///
/// # Errors
///
/// The file cannot be written; an older one is as it was.
pub fn write(path: &Path, snapshot: &Snapshot) -> Result<(), StateError> {
    let bytes = encode(snapshot)?;
    let system = |cause| StateError::System { path: path.to_owned(), cause };
    replace(path, &bytes).map_err(system)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    // What an attempt that was cut short has left.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&new, path));
    if let Err(error) = written {
        // Nothing is lost with it, and it may not even be there.
        _ = fs::remove_file(&new);
        return Err(error);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kinwall_terms::Time;

    fn sample() -> Vec<u8> {
        encode(&Snapshot::empty(Time(5))).unwrap()
    }

    #[test]
    fn what_is_no_state_is_refused_by_name() {
        let good = sample();
        assert_eq!(decode(&good).unwrap().table.taken, Time(5));
        let changed = |at: usize, to: u8| {
            let mut bytes = good.clone();
            bytes[at] = to;
            bytes
        };
        let rows: [(&str, Vec<u8>, &str); 8] = [
            ("nothing", Vec::new(), "no state file"),
            ("another file", b"[sysctl]\nkey = 1\n".to_vec(), "no state file"),
            ("a later version", changed(8, 9), "of version 9"),
            ("no header", good[..10].to_vec(), "10 bytes where there should be 28"),
            ("no body", good[..HEADER_BYTES].to_vec(), "0 bytes where there should be"),
            ("cut short", good[..good.len() - 1].to_vec(), "damaged"),
            ("more behind it", [&good[..], b"x"].concat(), "damaged"),
            ("another byte", changed(good.len() - 1, 0x55), "checksum"),
        ];
        for (what, bytes, why) in rows {
            let error = decode(&bytes).expect_err(what).to_string();
            assert!(error.contains(why), "{what}: {error}");
        }
    }

    #[test]
    fn a_body_that_goes_on_or_stops_is_refused() {
        let body = &sample()[HEADER_BYTES..];
        assert!(decode_body(body).is_ok());
        assert!(matches!(decode_body(&[body, b"x"].concat()), Err(StateError::Length { .. })));
        for length in 0..body.len() {
            let cut = decode_body(&body[..length]);
            assert!(matches!(cut, Err(StateError::Body(_))), "{length}");
        }
    }

    #[test]
    fn a_file_replaces_the_old_one_whole() {
        let folder = std::env::temp_dir().join(format!("kinwall-state-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("state");
        assert!(read(&path).unwrap().is_none());
        fs::write(folder.join("state.new"), "left behind").unwrap();
        for taken in [1, 2] {
            write(&path, &Snapshot::empty(Time(taken))).unwrap();
            assert_eq!(read(&path).unwrap().unwrap().table.taken, Time(taken));
        }
        let names = fs::read_dir(&folder).unwrap().count();
        assert_eq!(names, 1, "nothing is left beside it");
        let missing = folder.join("no such folder/state");
        let error = write(&missing, &Snapshot::empty(Time(3))).unwrap_err().to_string();
        assert!(error.contains("no such folder/state: No such file"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
