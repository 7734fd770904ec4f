//! The tokens that ld.so replaces in names of libraries: $ORIGIN, $LIB and $PLATFORM (ld.so(8)). What the last two
//! stand for is built into the loader, and is found out from it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::Image;

/// What the loader makes of a name in LD_PRELOAD; `None` when it has no token in it.
///
/// # Errors
/// When it has $ORIGIN in it, with which it names another file for each program.
pub fn expand(name: &OsStr) -> Result<Option<OsString>, String> {
    let mut origin = false;
    let expanded = replace(name.as_bytes(), &mut |word| match word {
        Word::Origin => {
            origin = true;
            None
        }
        Word::Lib => Some(values().lib.clone()),
        Word::Platform => Some(values().platform.clone()),
    });
    if origin {
        return Err("$ORIGIN is the directory of each program, and the library is in one".into());
    }
    Ok((expanded != name.as_bytes()).then(|| OsString::from_vec(expanded)))
}

/// The same for a name in an ELF file whose directory is `origin`.
pub fn expand_in(name: &str, origin: &Path) -> String {
    let expanded = replace(name.as_bytes(), &mut |word| {
        Some(match word {
            Word::Origin => origin.as_os_str().as_bytes().to_vec(),
            Word::Lib => values().lib.clone(),
            Word::Platform => values().platform.clone(),
        })
    });
    String::from_utf8_lossy(&expanded).into_owned()
}

/// A token.
enum Word {
    Origin,
    Platform,
    Lib,
}

/// Replaces tokens, with or without braces, as is_dst in glibc's elf/dl-load.c finds them: `$LIBRARY` does not begin
/// with `$LIB`, and tokens that the loader does not know stay. So do those for which `value` is `None`.
fn replace(name: &[u8], value: &mut dyn FnMut(Word) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut result = Vec::new();
    let mut rest = name;
    while let Some((&first, after)) = rest.split_first() {
        let found = (first == b'$').then(|| word(after)).flatten();
        match found.and_then(|(word, rest)| Some((value(word)?, rest))) {
            Some((text, after_word)) => {
                result.extend(text);
                rest = after_word;
            }
            None => {
                result.push(first);
                rest = after;
            }
        }
    }
    result
}

/// The token at the beginning of a text that follows a dollar sign, and what follows it.
fn word(text: &[u8]) -> Option<(Word, &[u8])> {
    let (text, has_brace) = text.strip_prefix(b"{").map_or((text, false), |text| (text, true));
    let words = [(&b"ORIGIN"[..], Word::Origin), (b"PLATFORM", Word::Platform), (b"LIB", Word::Lib)];
    words.into_iter().find_map(|(name, word)| {
        let rest = text.strip_prefix(name)?;
        if has_brace {
            return rest.strip_prefix(b"}").map(|rest| (word, rest));
        }
        let goes_on = rest.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        (!goes_on).then_some((word, rest))
    })
}

/// What the tokens stand for in every program.
struct Values {
    lib: Vec<u8>,
    platform: Vec<u8>,
}

/// The values, which are found out once.
fn values() -> &'static Values {
    // Asking the loader takes a process, so it is done once, and only where a token is used.
    static VALUES: OnceLock<Values> = OnceLock::new();
    VALUES.get_or_init(|| {
        let loader = loader();
        let (lib, platform) = told(&loader).unwrap_or_default();
        Values {
            lib: lib.or_else(|| built_in(&loader)).unwrap_or_else(|| b"lib".to_vec()),
            platform: platform.or_else(from_kernel).unwrap_or_else(|| env::consts::ARCH.into()),
        }
    })
}

/// The loader's path: our own one, which programs have, too.
fn loader() -> PathBuf {
    let own = Image::read(Path::new("/proc/self/exe")).ok().flatten().and_then(|image| image.interpreter);
    let usual =
        if cfg!(target_arch = "aarch64") { "/lib/ld-linux-aarch64.so.1" } else { "/lib64/ld-linux-x86-64.so.2" };
    own.map_or_else(|| usual.into(), PathBuf::from)
}

/// The values of $LIB and of $PLATFORM, where the loader has told them.
type Told = (Option<Vec<u8>>, Option<Vec<u8>>);

/// What a loader of glibc 2.33 or newer says about itself, by --list-diagnostics.
fn told(loader: &Path) -> Option<Told> {
    // The loader is only asked something: what is preloaded into us should not act in it.
    let mut command = Command::new(loader);
    let command = command.arg("--list-diagnostics").env_remove(super::PRELOAD).stdin(Stdio::null());
    let output = command.stderr(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'));
        line.map(|value| value.as_bytes().to_vec())
    };
    Some((value("dl_dst_lib"), value("dl_platform")))
}

/// $LIB of an older loader, which has it as a string in its file.
fn built_in(loader: &Path) -> Option<Vec<u8>> {
    let content = fs::read(loader).ok()?;
    let triplet = format!("lib/{}-linux-gnu", env::consts::ARCH);
    [triplet.as_str(), "lib64", "lib"].into_iter().map(str::as_bytes).find_map(|name| {
        let string = [b"\0", name, b"\0"].concat();
        content.windows(string.len()).any(|window| window == string).then(|| name.to_vec())
    })
}

/// $PLATFORM of an older loader, which takes it from the kernel: AT_PLATFORM (getauxval(3)).
fn from_kernel() -> Option<Vec<u8>> {
    // SAFETY: the call takes a number and touches no memory.
    let text = unsafe { libc::getauxval(libc::AT_PLATFORM) } as *const libc::c_char;
    // SAFETY: the kernel has put a string there, which stays as long as the process.
    (!text.is_null()).then(|| unsafe { std::ffi::CStr::from_ptr(text) }.to_bytes().to_vec())
}
