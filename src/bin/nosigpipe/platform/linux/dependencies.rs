//! Finds the libraries that a program is linked with as ld.so does (ld.so(8)), without running anything.
//!
//! One thing is left out: of a library that has variants for newer processors (glibc-hwcaps), the plain one is read.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::loader_cache::Cache;
use super::{Image, words};

/// Where ld.so looks last: Debian's directories and those of other distributions.
const DEFAULT_DIRECTORIES: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// Beginnings of the names for which musl's loader takes itself, since it contains all these libraries (`reserved` in
/// its ldso/dynlink.c).
const PARTS_OF_MUSL: [&str; 7] = ["libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet."];
/// Where musl's loader looks last, unless /etc/ld-musl-MACHINE.path says otherwise.
const DIRECTORIES_OF_MUSL: &str = "/lib:/usr/local/lib:/usr/lib";

/// A program and what it is linked with.
pub struct Dependencies {
    /// The program first, then the libraries in the order in which ld.so loads them.
    pub objects: Vec<Object>,
    /// Libraries that were not found.
    pub missing: Vec<String>,
}

/// The program or one of the libraries.
pub struct Object {
    /// Its file, by which $ORIGIN is known.
    pub path: PathBuf,
    pub image: Image,
    /// Device and inode: one file under two names is loaded once.
    identity: Option<(u64, u64)>,
    /// Index of the object that needs it and came first; `None` for the program.
    parent: Option<usize>,
}

/// Finds everything that `program`, whose image this is, is linked with.
pub fn dependencies(program: &Path, image: Image) -> Dependencies {
    let cache = Cache::read();
    // $ORIGIN of the program is the directory of its real file, behind all symbolic links.
    let path = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    let program = Object { identity: identity(&path), path, image, parent: None };
    let mut found = Dependencies { objects: vec![program], missing: Vec::new() };
    let mut names: Vec<String> = Vec::new();
    let mut index = 0;
    while let Some(object) = found.objects.get(index) {
        for name in object.image.needed.clone() {
            if names.contains(&name) {
                continue;
            }
            match found.search(index, &name, &cache) {
                Some((path, image)) => {
                    let identity = identity(&path);
                    let is_new = found.objects.iter().all(|object| object.identity != identity);
                    if is_new {
                        found.objects.push(Object { path, image, identity, parent: Some(index) });
                    }
                }
                None => found.missing.push(name.clone()),
            }
            names.push(name);
        }
        index += 1;
    }
    found
}

impl Dependencies {
    /// Where ld.so finds the library that the object with the index `from` needs by this name.
    fn search(&self, from: usize, name: &str, cache: &Cache) -> Option<(PathBuf, Image)> {
        let object = self.objects.get(from)?;
        let name = &expand(name, &object.path);
        if name.contains('/') {
            return load(PathBuf::from(name));
        }
        let in_list = |list: &str, origin: &Path| {
            list.split(':')
                .filter(|entry| !entry.is_empty())
                .find_map(|entry| load(Path::new(&expand(entry, origin)).join(name)))
        };
        let by_rpath = || {
            if object.image.runpath.is_some() {
                return None;
            }
            // The DT_RPATH of this object, of the one that needs it, and so on up to the program's. One that has a
            // DT_RUNPATH, too, is passed over.
            let mut next = Some(from);
            while let Some(object) = next.and_then(|index| self.objects.get(index)) {
                let rpath = object.image.rpath.as_ref().filter(|_| object.image.runpath.is_none());
                if let Some(found) = rpath.and_then(|list| in_list(list, &object.path)) {
                    return Some(found);
                }
                next = object.parent;
            }
            None
        };
        let by_environment = || {
            let list = env::var_os("LD_LIBRARY_PATH")?;
            in_list(&list.to_string_lossy().replace(';', ":"), &self.objects.first()?.path)
        };
        let named =
            || by_rpath().or_else(by_environment).or_else(|| in_list(object.image.runpath.as_ref()?, &object.path));
        if let Some(loader) = self.objects.first().and_then(|program| program.image.musl()) {
            if PARTS_OF_MUSL.iter().any(|part| name.starts_with(part)) {
                return load(PathBuf::from(loader));
            }
            let machine = Path::new(loader).file_stem()?.to_string_lossy();
            let machine = machine.trim_end_matches(".so");
            let list = fs::read_to_string(format!("/etc/{machine}.path"));
            let list = list.map_or_else(|_| DIRECTORIES_OF_MUSL.to_owned(), |list| list.replace('\n', ":"));
            return named().or_else(|| in_list(&list, &object.path));
        }
        named()
            .or_else(|| cache.find(name).find_map(|path| load(path.clone())))
            .or_else(|| DEFAULT_DIRECTORIES.iter().find_map(|directory| load(Path::new(directory).join(name))))
    }
}

/// Reads a library that ld.so would take: one for another machine is passed over.
fn load(path: PathBuf) -> Option<(PathBuf, Image)> {
    let image = Image::read(&path).ok()??;
    image.is_native().then_some((path, image))
}

/// Device and inode of a file.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// A name that this object has in it, with ld.so's tokens replaced.
fn expand(text: &str, object: &Path) -> String {
    words::expand_in(text, object.parent().unwrap_or(Path::new("/")))
}
