//! One file as text, within its bounds.
//!
//! Only a regular one: it is read again whenever it changes, and to wait for somebody to write into
//! a pipe would hold up all that is read after it. (`edge-config-server manifests apply` takes
//! pipes, once.)

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::OFlags;

use crate::text::MAX_BYTES;

/// Why a file is no text that can be read.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// It cannot be read.
    Io(io::Error),
    /// It is something else: the rest of a sentence that begins with its name.
    Other(String),
}

impl From<io::Error> for Unfit {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What a file says.
pub(crate) fn text(path: &Path) -> Result<String, Unfit> {
    let mut bytes = Vec::new();
    // One byte more than is taken, so that what is too large is seen to be.
    open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_BYTES {
        return Err(Unfit::Other(format!(
            "is larger than {} MiB; split it",
            MAX_BYTES >> 20
        )));
    }
    decoded(bytes).map_err(|reason| Unfit::Other(reason.to_owned()))
}

/// Looked at before, since opening can wait or do something, and after, since it may have been
/// replaced meanwhile.
fn open(path: &Path) -> Result<File, Unfit> {
    let is_regular = |metadata: &fs::Metadata| {
        if metadata.is_file() {
            Ok(())
        } else {
            Err(Unfit::Other(
                "is no regular file, and a pipe or a device cannot be read again when it changes; name a file, or a directory of files"
                    .to_owned(),
            ))
        }
    };
    is_regular(&fs::metadata(path)?)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    is_regular(&file.metadata()?)?;
    Ok(file)
}

/// The text that the bytes of a file are; else the rest of a sentence that begins with its name.
pub fn decoded(bytes: Vec<u8>) -> Result<String, &'static str> {
    match *bytes {
        // With a mark, or with an ASCII letter at its beginning.
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=255, ..] | [1..=255, 0, ..] => {
            Err("is UTF-16 or UTF-32, and manifests are UTF-8; save it as UTF-8")
        }
        _ => String::from_utf8(bytes).map_err(|_| "is no UTF-8 text; save it as UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_apart() {
        assert_eq!(decoded("é".into()).as_deref(), Ok("é"));
        for bytes in [
            &b"\xff\xfea\0"[..],
            b"\xfe\xff\0a",
            b"a\0\xe9\0",
            b"\0a\0\xe9",
            b"a\0b\0",
        ] {
            assert!(decoded(bytes.into()).unwrap_err().contains("UTF-16"), "{bytes:?}");
        }
        assert!(decoded(b"a\xe9".into()).unwrap_err().starts_with("is no UTF-8"));
    }
}
