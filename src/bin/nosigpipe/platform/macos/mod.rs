//! macOS: Mach-O, dyld, code signatures, System Integrity Protection.

mod coverage;
mod dependencies;
mod facts;
pub mod family;
mod loaded;
mod macho;
pub mod process;
mod rights;
mod signature;
pub mod stacks;

pub use coverage::WAYS;
pub use dependencies::{Dependencies, dependencies};
pub use facts::{ALWAYS, facts};
pub use macho::Image;
pub use rights::gained_rights;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use macho::{Cpu, Kind};

/// Calls whose broken pipes no hook counts. stdio calls write(2) within the system's libraries, where hooks don't see
/// it.
pub const UNCOUNTED_CALLS: &[&str] = &["pwrite", "pwritev", "sendfile", "aio_write", "stdio"];
/// Whether that is so only while the kernel ignores SIGPIPE.
pub const UNCOUNTED_ONLY_WHILE_IGNORED: bool = false;
/// Whose handler for SIGPIPE the kernel has, while the library answers when the program asks.
pub const SIGPIPE_HANDLER_OWNER: &str = "the program's, or the library's for as long as something is being started";

/// How many interpreters of interpreters the kernel follows, the first one included: an interpreter must not be a
/// script itself. This and the next two are as exec_shell_imgact in xnu's bsd/kern/kern_exec.c has them.
pub const MAX_INTERPRETERS: usize = 1;
/// Bytes that the kernel reads to see what a file is.
pub const SHEBANG_MAX: usize = 512;
/// Whether the kernel splits the rest of a #! line into arguments, up to the next `#`.
pub const SPLITS_SHEBANG_ARGUMENTS: bool = true;

/// Why a process does not have the library: nothing tells that on macOS, so this is always `None`.
pub fn why_not_loaded(_pid: u32) -> Option<String> {
    None
}

/// The same, where the nearest process above it that has the library is known.
pub fn why_not_loaded_below(_pid: u32, covered: Option<(u32, String)>) -> Option<String> {
    covered.map(|(ancestor, name)| {
        format!("process {ancestor} ({}), from which it comes, has the library", crate::output::name(&name))
    })
}

/// Directories that may have the library besides those of all systems: none.
pub const NEAR: &[&str] = &[];

/// The library's file name.
pub const LIBRARY: &str = "libnosigpipe.dylib";
/// The variable that has it loaded, dyld(1).
pub const PRELOAD: &str = "DYLD_INSERT_LIBRARIES";

/// The processor that this launcher runs on.
const HOST: Cpu = if cfg!(target_arch = "aarch64") { Cpu::Arm64 } else { Cpu::X86_64 };

impl Image {
    /// What the file is; `None` when it is not Mach-O.
    pub fn read(path: &Path) -> Result<Option<Self>, String> {
        let file = File::open(path).map_err(|error| crate::exit::reason(&error))?;
        let read = |offset: u64, size: usize| {
            // A damaged file may ask for any size.
            let length = file.metadata().ok()?.len();
            (offset.checked_add(size as u64)? <= length).then_some(())?;
            let mut bytes = vec![0; size];
            file.read_exact_at(&mut bytes, offset).ok().map(|()| bytes)
        };
        Self::parse(&read, HOST)
    }
}

/// Names that a library exports.
pub fn exports(path: &Path) -> Result<Vec<String>, String> {
    let image = Image::read(path)?.ok_or("it is not a Mach-O file")?;
    match image.kind {
        Kind::Library => Ok(image.exports),
        _ => Err(format!("it is a program, which {PRELOAD} can't load")),
    }
}

/// The functions that a library stands in front of. It does not export them: it imports them for its `__interpose`
/// section, and it imports no others of those that matter here.
pub fn hooks(library: &Path) -> Result<Vec<String>, String> {
    let image = Image::read(library)?.ok_or("it is not a Mach-O file")?;
    Ok(image.imports.into_iter().filter(|name| crate::coverage::is_hook(name)).collect())
}

/// Why this library and this program don't go together, though each could be used with others; `None` when they do.
pub fn mismatch(program: &Image, library: &Path) -> Option<String> {
    let library = Image::read(library).ok()??;
    (!library.has_slice_for(program))
        .then(|| format!("it will run as {}, and the library is for {}", program.cpu_name(), library.slices_in_words()))
}

/// Always `None`: dyld takes a name that is given to it for every program as it is.
pub fn expand(_name: &OsStr) -> Result<Option<OsString>, String> {
    Ok(None)
}

/// Why the file can't be inserted by this entry; `None` when it can.
pub fn unable_to_preload(entry: &OsStr, _path: &Path) -> Option<String> {
    entry
        .as_bytes()
        .contains(&b':')
        .then(|| format!("its path has a colon in it, which separates entries of {PRELOAD}: move or copy it"))
}

/// The value of [`PRELOAD`] with the library in front and everything else that was there. Entries with the library's
/// file name, or for the same file, are left out: two copies in one process would both set SIGPIPE's action.
pub fn preload_list(entry: &OsStr, library: &Path, inherited: Option<&OsStr>) -> OsString {
    let identity = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let ours = identity(library);
    let mut list = entry.as_bytes().to_vec();
    let inherited = inherited.unwrap_or_default().as_bytes();
    for entry in inherited.split(|&byte| byte == b':').filter(|entry| !entry.is_empty()) {
        let path = Path::new(OsStr::from_bytes(entry));
        let is_us = path.file_name() == library.file_name() || ours.is_some() && identity(path) == ours;
        if !is_us {
            list.push(b':');
            list.extend_from_slice(entry);
        }
    }
    OsString::from_vec(list)
}
