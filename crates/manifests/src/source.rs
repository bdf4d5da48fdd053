//! A source: a file or a directory that is read as one unit, whole or not at all.
//!
//! Of a directory the files of its first level count, as for `kubectl apply -f`: `.yaml`, `.yml`,
//! `.json`, and none that is hidden. The volume of a ConfigMap is read of one version: its files
//! are links through `..data`, which is replaced at once; that link is looked at before and after.

use std::{collections::BTreeMap, fmt, fs, io, path};

use sha256::Hashing;

use crate::{
    Fault, Key, Object, Place, UnknownFields, Warning,
    fault::{Path, and_more, tell},
    file::{self, Unfit},
};

const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];
/// All files of a source are at most so many bytes together.
const MAX_SOURCE: usize = 64 << 20;
/// How often it is read again because it was replaced meanwhile.
const MAX_READS: usize = 5;
/// The link through which the kubelet replaces all files of a volume at once.
const VOLUME_LINK: &str = "..data";

/// What a source says.
#[derive(Clone, Debug)]
pub struct SourceReading {
    /// Its objects, in the order of files and of what is in them.
    pub objects: Vec<Object>,
    /// What was left out without being refused: the first of it.
    pub warnings: Vec<Warning>,
    /// How many more warnings there are.
    pub more_warnings: usize,
    /// SHA-256 of what the objects say, as 64 hexadecimal digits: it changes neither with comments
    /// and order nor with the distribution over files.
    pub digest: String,
}

impl SourceReading {
    /// That of a source that holds nothing.
    pub fn empty() -> Self {
        Self {
            objects: Vec::new(),
            warnings: Vec::new(),
            more_warnings: 0,
            digest: digest([]),
        }
    }

    /// Whether there is no object in it.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The warnings, one sentence each.
    pub fn warned(&self) -> Vec<String> {
        let warnings = self.warnings.iter().map(ToString::to_string);
        warnings.chain(and_more(self.more_warnings, "warnings")).collect()
    }
}

/// Why a source is refused. `Display` is all of it, a sentence a line.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be read.
    #[error("{path} cannot be read: {error}; check that it exists and may be read")]
    Io {
        /// The file or directory.
        path: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It was replaced again and again while it was read.
    #[error(
        "{path} changes all the time; it was read {MAX_READS} times, and no two files were of one version"
    )]
    Unsteady {
        /// The directory.
        path: String,
    },
    /// It can be read, and is no text that can be.
    #[error("{path} {reason}")]
    Unfit {
        /// The file.
        path: String,
        /// What it is, and what to do.
        reason: String,
    },
    /// What is wrong with its objects.
    #[error("{}", Lines(.told, *.more))]
    Faults {
        /// The first of it.
        told: Vec<Fault>,
        /// How many more faults there are.
        more: usize,
    },
}

impl SourceError {
    /// What is wrong with its objects, the first of it; nothing, if it could not be read.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::Faults { told, .. } => told,
            Self::Io { .. } | Self::Unsteady { .. } | Self::Unfit { .. } => &[],
        }
    }

    /// All of it, one sentence each.
    pub fn sentences(&self) -> Vec<String> {
        self.to_string().lines().map(str::to_owned).collect()
    }
}

struct Lines<'a>(&'a [Fault], usize);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(told, more) = self;
        let sentences = told.iter().map(ToString::to_string);
        for (index, sentence) in sentences.chain(and_more(*more, "faults")).enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{sentence}")?;
        }
        Ok(())
    }
}

/// Reads a file or directory. It blocks.
pub fn read(path: &path::Path, unknown_fields: UnknownFields) -> Result<SourceReading, SourceError> {
    of_texts(&texts(path)?, unknown_fields)
}

/// The source that these texts are, each with the name of where it comes from.
pub fn of_texts(
    texts: &[(String, String)],
    unknown_fields: UnknownFields,
) -> Result<SourceReading, SourceError> {
    let (mut objects, mut faults, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let (mut more_faults, mut more_warnings) = (0, 0);
    let mut places: BTreeMap<Key, Place> = BTreeMap::new();
    for (origin, text) in texts {
        let reading = crate::read_with(text, origin, unknown_fields);
        for fault in reading.faults {
            tell(&mut faults, &mut more_faults, fault);
        }
        for warning in reading.warnings {
            tell(&mut warnings, &mut more_warnings, warning);
        }
        more_faults += reading.more_faults;
        more_warnings += reading.more_warnings;
        for (object, place) in reading.objects.into_iter().zip(reading.places) {
            if let Some(first) = places.get(&object.key) {
                let reason = format!("is there already, at {}; take one of them out", here(first));
                tell(&mut faults, &mut more_faults, Fault { place, reason });
            } else {
                places.insert(object.key.clone(), place);
                objects.push(object);
            }
        }
    }
    if !faults.is_empty() {
        return Err(SourceError::Faults {
            told: faults,
            more: more_faults,
        });
    }
    let digest = digest(&objects);
    Ok(SourceReading {
        objects,
        warnings,
        more_warnings,
        digest,
    })
}

/// A place without its object, which the sentence has named.
fn here(place: &Place) -> Place {
    Place {
        object: String::new(),
        path: Path::root(),
        ..place.clone()
    }
}

/// The digest of a source with these objects, as in [`SourceReading`].
pub fn digest<'a>(objects: impl IntoIterator<Item = &'a Object>) -> String {
    let mut sorted: Vec<_> = objects.into_iter().collect();
    sorted.sort_by(|one, other| one.key.cmp(&other.key));
    let mut hash = Hashing::default();
    for object in sorted {
        // Maps are sorted, and JSON needs no escaping between lines: two lists have the same text
        // only if they are equal.
        hash.update(serde_json::to_vec(object).unwrap_or_default());
        hash.update(b"\n");
    }
    hash.finish().to_string()
}

/// The texts of a file or directory, with their names. A directory's are of one version.
fn texts(path: &path::Path) -> Result<Vec<(String, String)>, SourceError> {
    if !fs::metadata(path)
        .map_err(|error| io_error(path, error))?
        .is_dir()
    {
        return Ok(vec![(path.display().to_string(), text(path)?)]);
    }
    steady(path, || directory(path))
}

/// Reads until no other version came meanwhile.
fn steady<T>(path: &path::Path, mut read: impl FnMut() -> Result<T, SourceError>) -> Result<T, SourceError> {
    for _ in 0..MAX_READS {
        let before = version(path)?;
        let found = read();
        if version(path)? == before {
            return found;
        }
    }
    Err(SourceError::Unsteady {
        path: path.display().to_string(),
    })
}

/// Where `..data` leads, if this is a volume.
fn version(directory: &path::Path) -> Result<Option<path::PathBuf>, SourceError> {
    let link = directory.join(VOLUME_LINK);
    match fs::read_link(&link) {
        Ok(target) => Ok(Some(target)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::InvalidInput
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(io_error(&link, error)),
    }
}

/// Whether an entry of a directory is part of the source by its name: it has one of the endings and
/// is not hidden.
pub fn counts(entry: &path::Path) -> bool {
    let hidden = entry
        .file_name()
        .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let ending = entry
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    !hidden && ENDINGS.contains(&ending)
}

fn directory(path: &path::Path) -> Result<Vec<(String, String)>, SourceError> {
    let entries = fs::read_dir(path).map_err(|error| io_error(path, error))?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.map_err(|error| io_error(path, error))?.path();
        if counts(&file) {
            let metadata = fs::metadata(&file).map_err(|error| io_error(&file, error))?;
            // What is neither is refused when it is read.
            if !metadata.is_dir() {
                files.push(file);
            }
        }
    }
    files.sort();
    let mut size = 0;
    let mut texts = Vec::with_capacity(files.len());
    for file in files {
        let text = text(&file)?;
        size += text.len();
        if size > MAX_SOURCE {
            return Err(SourceError::Unfit {
                path: path.display().to_string(),
                reason: format!(
                    "has files larger than {} MiB together; make several sources of it",
                    MAX_SOURCE >> 20
                ),
            });
        }
        texts.push((file.display().to_string(), text));
    }
    Ok(texts)
}

fn text(path: &path::Path) -> Result<String, SourceError> {
    file::text(path).map_err(|unfit| match unfit {
        Unfit::Io(error) => io_error(path, error),
        Unfit::Other(reason) => SourceError::Unfit {
            path: path.display().to_string(),
            reason,
        },
    })
}

fn io_error(path: &path::Path, error: io::Error) -> SourceError {
    SourceError::Io {
        path: path.display().to_string(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Makes `..data` lead elsewhere, at once, as the kubelet does.
    fn replace(volume: &path::Path, version: &str) {
        let link = volume.join("..data_tmp");
        symlink(version, &link).unwrap();
        fs::rename(link, volume.join(VOLUME_LINK)).unwrap();
    }

    #[test]
    fn a_volume_is_read_of_one_version() {
        let volume = tempfile::tempdir().unwrap();
        replace(volume.path(), "..1");
        let mut reads = 0;
        let found = steady(volume.path(), || {
            reads += 1;
            if reads == 1 {
                replace(volume.path(), "..2");
            }
            Ok(reads)
        });
        assert_eq!(found.unwrap(), 2);
    }

    #[test]
    fn a_volume_that_is_never_steady_is_given_up() {
        let volume = tempfile::tempdir().unwrap();
        let mut reads = 0;
        let found = steady(volume.path(), || {
            reads += 1;
            replace(volume.path(), &format!("..{reads}"));
            Ok(())
        });
        assert!(found.unwrap_err().to_string().contains("changes all the time"));
        assert_eq!(reads, MAX_READS);
    }
}
