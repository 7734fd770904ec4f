//! Finds the libraries that a program is linked with as dyld does (dyld(1)), without running anything.
//!
//! The system's own libraries are in dyld's cache and have no files: what they call is not looked at.

use std::fs;
use std::path::{Path, PathBuf};

use super::Image;

/// A program and what it is linked with.
pub struct Dependencies {
    /// The program first, then the libraries that have files.
    pub objects: Vec<Object>,
    /// Libraries that were not found.
    pub missing: Vec<String>,
}

/// The program or one of the libraries.
pub struct Object {
    pub path: PathBuf,
    pub image: Image,
    /// Index of the object that needs it and came first; `None` for the program.
    parent: Option<usize>,
}

/// Finds everything that `program`, whose image this is, is linked with.
pub fn dependencies(program: &Path, image: Image) -> Dependencies {
    let path = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    let mut found = Dependencies { objects: vec![Object { path, image, parent: None }], missing: Vec::new() };
    let mut index = 0;
    while let Some(object) = found.objects.get(index) {
        for name in object.image.needed.clone() {
            let file = found.candidates(index, &name).into_iter().find_map(|path| fs::canonicalize(path).ok());
            match file {
                Some(path) if found.objects.iter().any(|object| object.path == path) => {}
                Some(path) => {
                    if let Ok(Some(image)) = Image::read(&path) {
                        found.objects.push(Object { path, image, parent: Some(index) });
                    }
                }
                None if is_the_systems(&name) || found.missing.contains(&name) => {}
                None => found.missing.push(name),
            }
        }
        index += 1;
    }
    found
}

impl Dependencies {
    /// The files among which dyld would look for the library that the object with the index `from` needs by this name,
    /// in its order.
    fn candidates(&self, from: usize, name: &str) -> Vec<PathBuf> {
        let program = self.objects.first();
        let directory = |object: Option<&Object>| {
            object.and_then(|object| object.path.parent()).unwrap_or(Path::new("/")).to_owned()
        };
        let expand = |text: &str, loader: Option<&Object>| match text.split_once('/') {
            Some(("@executable_path", rest)) => directory(program).join(rest),
            Some(("@loader_path", rest)) => directory(loader).join(rest),
            _ if text == "@loader_path" => directory(loader),
            _ if text == "@executable_path" => directory(program),
            _ => PathBuf::from(text),
        };
        let Some(rest) = name.strip_prefix("@rpath/") else { return vec![expand(name, self.objects.get(from))] };
        // The LC_RPATHs of this object, of the one that needs it, and so on up to the program's.
        let mut found = Vec::new();
        let mut next = Some(from);
        while let Some(object) = next.and_then(|index| self.objects.get(index)) {
            found.extend(object.image.rpaths.iter().map(|rpath| expand(rpath, Some(object)).join(rest)));
            next = object.parent;
        }
        found
    }
}

/// Whether this is one of the system's own libraries, which need not have a file.
fn is_the_systems(name: &str) -> bool {
    ["/usr/lib/", "/System/"].iter().any(|directory| name.starts_with(directory))
}
