//! How does a source look from outside, so that a change of it shows without reading it?
//!
//! By the names, sizes and times of the files that count, and by where they lead. Not by inode:
//! some file systems over a network number anew what has not changed, and such a source would never
//! rest.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use manifests::source;

use super::settle::Look;

/// The link through which the kubelet replaces all files of a volume at once.
const VOLUME_LINK: &str = "..data";

/// How a source looks from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    /// Where it leads; `None` if nowhere.
    root: Option<PathBuf>,
    /// Where the one link leads through which all of it goes, if it is a volume of the kubelet's.
    volume: Option<PathBuf>,
    /// Sorted.
    files: Vec<File>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct File {
    path: PathBuf,
    leads_to: Option<PathBuf>,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Trace {
    /// How the source at `path` looks. What cannot be looked at shows as a file without size and
    /// time, and reading tells why. It blocks.
    pub(super) fn of(path: &Path) -> Self {
        let mut files = vec![File::of(path)];
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let counted: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| source::counts(path))
            .collect();
        files.extend(counted.iter().map(|path| File::of(path)));
        files.sort();
        let link = path.join(VOLUME_LINK);
        let volume = fs::read_link(&link)
            .ok()
            .and_then(|_| fs::canonicalize(&link).ok());
        let within = |volume: &PathBuf| {
            counted
                .iter()
                .all(|path| fs::canonicalize(path).is_ok_and(|file| file.starts_with(volume)))
        };
        Self {
            root: fs::canonicalize(path).ok(),
            volume: volume.filter(within),
            files,
        }
    }
}

impl File {
    fn of(path: &Path) -> Self {
        // A directory's times change with what does not count.
        let metadata = fs::metadata(path).ok().filter(|metadata| !metadata.is_dir());
        let metadata = metadata.as_ref();
        Self {
            path: path.to_owned(),
            leads_to: fs::canonicalize(path).ok(),
            size: metadata.map_or(0, fs::Metadata::len),
            modified: metadata.map_or((0, 0), |metadata| (metadata.mtime(), metadata.mtime_nsec())),
            changed: metadata.map_or((0, 0), |metadata| (metadata.ctime(), metadata.ctime_nsec())),
        }
    }
}

impl Look for Trace {
    fn is_replaced_at_once(&self, before: Option<&Self>) -> bool {
        let leads_elsewhere = |now: Option<&PathBuf>, before: Option<&PathBuf>| match (now, before) {
            (Some(now), Some(before)) => now != before,
            _ => false,
        };
        before.is_some_and(|before| {
            leads_elsewhere(self.root.as_ref(), before.root.as_ref())
                || leads_elsewhere(self.volume.as_ref(), before.volume.as_ref())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn lead(link: &Path, target: &str) {
        let draft = link.with_file_name("draft");
        symlink(target, &draft).unwrap();
        fs::rename(draft, link).unwrap();
    }

    fn write(folder: &Path, name: &str, text: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }

    #[test]
    fn every_step_of_a_change_shows_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        write(path, "a.yaml", "one");
        let first = Trace::of(path);
        for name in [".a.yaml.swp", "a.yaml~", "README.md"] {
            write(path, name, "x");
            assert_eq!(Trace::of(path), first, "{name}");
        }
        let mut seen = vec![Trace::of(path)];
        for step in 0..4 {
            match step {
                0 => write(path, "a.yaml", ""),
                1 => write(path, "a.yaml", "longer"),
                2 => fs::rename(path.join("a.yaml"), path.join("b.yaml")).unwrap(),
                _ => fs::remove_file(path.join("b.yaml")).unwrap(),
            }
            let now = Trace::of(path);
            assert!(!seen.contains(&now), "step {step}");
            seen.push(now);
        }
    }

    #[test]
    fn a_volume_of_the_kubelet_is_replaced_at_once() {
        let volume = tempfile::tempdir().unwrap();
        let path = volume.path();
        for (version, text) in [("..1", "one"), ("..2", "two")] {
            write(&path.join(version), "a.yaml", text);
        }
        lead(&path.join(VOLUME_LINK), "..1");
        symlink("..data/a.yaml", path.join("a.yaml")).unwrap();
        let first = Trace::of(path);
        assert!(!first.is_replaced_at_once(None), "nobody knows how it came about");
        lead(&path.join(VOLUME_LINK), "..2");
        let second = Trace::of(path);
        assert_ne!(first, second);
        assert!(second.is_replaced_at_once(Some(&first)));
        write(&path.join("..2"), "a.yaml", "written in its place");
        let third = Trace::of(path);
        assert_ne!(second, third);
        assert!(!third.is_replaced_at_once(Some(&second)));

        // One file that was put there by hand is written in steps.
        write(path, "b.yaml", "three");
        assert!(!Trace::of(path).is_replaced_at_once(Some(&second)));
    }

    #[test]
    fn a_link_is_replaced_at_once_and_what_it_leads_to_is_not() {
        let folder = tempfile::tempdir().unwrap();
        for (version, text) in [("v1", "one"), ("v2", "two")] {
            write(&folder.path().join(version), "a.yaml", text);
        }
        let link = folder.path().join("current");
        lead(&link, "v1");
        let first = Trace::of(&link);
        assert!(!first.is_replaced_at_once(None), "nobody knows how it came about");
        lead(&link, "v2");
        let second = Trace::of(&link);
        assert!(second.is_replaced_at_once(Some(&first)));
        write(&folder.path().join("v2"), "a.yaml", "more");
        assert!(!Trace::of(&link).is_replaced_at_once(Some(&second)));
        fs::remove_file(&link).unwrap();
        assert!(
            !Trace::of(&link).is_replaced_at_once(Some(&second)),
            "it leads nowhere"
        );
    }
}
