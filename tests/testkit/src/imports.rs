//! Which modules of a folder import each other, as their `use` lines say.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

/// Modules of a folder that import each other in a circle, in their order; none when there is none.
/// A module is a file; what `mod.rs` imports does not count, since it stands above them. Fails when
/// the folder cannot be read.
pub fn circle(folder: &Path) -> io::Result<Option<Vec<String>>> {
    let mut sources = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(stem) = name.and_then(|name| name.strip_suffix(".rs"))
            && !matches!(stem, "mod" | "lib")
        {
            sources.insert(stem.to_owned(), fs::read_to_string(&path)?);
        }
    }
    let imports: BTreeMap<&str, BTreeSet<&str>> = sources
        .iter()
        .map(|(module, source)| {
            let others = sources.keys().map(String::as_str).filter(|other| other != module);
            let imported = named(source);
            (
                module.as_str(),
                others.filter(|other| imported.contains(*other)).collect(),
            )
        })
        .collect();
    Ok(imports.keys().find_map(|start| way_back(start, &imports)))
}

/// A way from a module to itself.
fn way_back(start: &str, imports: &BTreeMap<&str, BTreeSet<&str>>) -> Option<Vec<String>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        for next in &imports[way[way.len() - 1]] {
            if *next == start {
                return Some(way.iter().map(|module| (*module).to_owned()).collect());
            }
            if seen.insert(*next) {
                ways.push([&way[..], &[next]].concat());
            }
        }
    }
    None
}

/// The first names after `super::`, also those in braces.
fn named(source: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for rest in source.split("super::").skip(1) {
        let Some(list) = rest.strip_prefix('{') else {
            names.insert(first_name(rest));
            continue;
        };
        let (mut depth, mut item) = (0_usize, String::new());
        for character in list.chars() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    names.insert(first_name(item.trim()));
                    item.clear();
                    continue;
                }
                _ => {}
            }
            item.push(character);
        }
        names.insert(first_name(item.trim()));
    }
    names
}

fn first_name(path: &str) -> String {
    path.chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, source) in files {
            fs::write(folder.path().join(name), source).unwrap();
        }
        folder
    }

    #[test]
    fn a_circle_is_found_through_braces_and_inline_paths() {
        let files = [
            ("mod.rs", "mod a;\nuse self::a::A;"),
            ("a.rs", "use super::{\n    b::{self, B},\n    d,\n};"),
            ("b.rs", "fn f() { super::c::g() }"),
            ("c.rs", "use super::a::A;"),
            ("d.rs", "use crate::a;"),
        ];
        let found = circle(folder(&files).path()).unwrap().unwrap();
        assert_eq!(found, ["a", "b", "c"]);
    }

    #[test]
    fn a_tree_has_none() {
        let files = [
            ("a.rs", "use super::{b, c};"),
            ("b.rs", "use super::c;"),
            ("c.rs", "use crate::{a, b};"),
        ];
        assert_eq!(circle(folder(&files).path()).unwrap(), None);
    }
}
