//! Compressed captures: gzip and zstd, by their first bytes, one within the other up to a limit.

use super::window::Window;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use std::error::Error;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};

/// How many times a capture may be compressed.
pub(crate) const NESTING_MAX: usize = 4;

/// Bytes read at once from what is compressed.
const BUFFER_BYTES: usize = 64 * 1024;

/// The decompressed stream behind `stream`, which is left as it is when it is not compressed.
pub(crate) fn decompress(mut stream: Box<dyn Read + Send>) -> io::Result<Window> {
    for _ in 0..=NESTING_MAX {
        let mut magic = Vec::with_capacity(4);
        stream.by_ref().take(4).read_to_end(&mut magic)?;
        let rest = Cursor::new(magic.clone()).chain(stream);
        stream = match magic.as_slice() {
            [0x1f, 0x8b, ..] => Box::new(Gzip(MultiGzDecoder::new(rest))),
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                Box::new(Zstd::new(Box::new(BufReader::with_capacity(BUFFER_BYTES, rest))))
            }
            _ => return Ok(Window::new(Box::new(rest))),
        };
    }
    let message = format!("it is compressed more than {NESTING_MAX} times");
    Err(io::Error::new(ErrorKind::InvalidData, message))
}

/// All members of a gzip stream, with errors in plain words.
struct Gzip<R>(MultiGzDecoder<R>);

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the gzip data end too early"),
            ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                io::Error::new(error.kind(), "the gzip data are damaged")
            }
            _ => error,
        })
    }
}

/// All frames of a zstd stream, one after the other (RFC 8878, section 3).
struct Zstd {
    state: State,
}

type Compressed = Box<dyn BufRead + Send>;

enum State {
    /// Between two frames.
    Between(Compressed),
    Frame(Box<StreamingDecoder<Compressed, ruzstd::decoding::FrameDecoder>>),
    Finished,
}

impl Zstd {
    fn new(stream: Compressed) -> Zstd {
        Zstd { state: State::Between(stream) }
    }
}

impl Read for Zstd {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::Finished) {
                State::Finished => return Ok(0),
                State::Between(mut stream) => {
                    if stream.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    self.state = begin(stream)?;
                }
                State::Frame(mut frame) => {
                    let read = frame.read(into).map_err(broken_frame)?;
                    if read > 0 || into.is_empty() {
                        self.state = State::Frame(frame);
                        return Ok(read);
                    }
                    self.state = State::Between(frame.into_inner());
                }
            }
        }
    }
}

/// Begins the next frame, or skips one that holds no data.
fn begin(mut stream: Compressed) -> io::Result<State> {
    let magic = stream.fill_buf()?;
    if let [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] = magic {
        let mut header = [0; 8];
        stream.read_exact(&mut header)?;
        let [.., a, b, c, d] = header;
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        io::copy(&mut stream.by_ref().take(length), &mut io::sink())?;
        return Ok(State::Between(stream));
    }
    match StreamingDecoder::new(stream) {
        Ok(frame) => Ok(State::Frame(Box::new(frame))),
        Err(error) => Err(io::Error::new(ErrorKind::InvalidData, describe(&error))),
    }
}

/// An error within a frame, in plain words.
fn broken_frame(error: io::Error) -> io::Error {
    let mut cause: Option<&(dyn Error + 'static)> = error.get_ref().map(|inner| inner as _);
    if cause.is_none() {
        return error;
    }
    while let Some(inner) = cause {
        let ends = |io: &io::Error| io.kind() == ErrorKind::UnexpectedEof;
        if inner.downcast_ref::<io::Error>().is_some_and(ends) {
            return io::Error::new(ErrorKind::UnexpectedEof, "the zstd data end too early");
        }
        cause = inner.source();
    }
    io::Error::new(ErrorKind::InvalidData, "the zstd data are damaged")
}

fn describe(error: &FrameDecoderError) -> &'static str {
    match error {
        FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::BadMagicNumber(_)) => {
            "what follows the zstd frame is none"
        }
        FrameDecoderError::WindowSizeTooBig { .. } => {
            "its zstd window is larger than 100 MiB: compress it without --long or --ultra"
        }
        _ => "the header of a zstd frame is damaged",
    }
}
