//! Makes libraries for the linker to use in place of the C library's: with the same names, each in the newest version
//! that is old enough.
//!
//! A linker binds a reference to the newest version of a function that it sees, and the loader of an older machine then
//! refuses the file, though an older version would almost always do. The libraries made here have no code, only the
//! names and versions that the real ones have. A name that has no version old enough is left out: then linking fails,
//! rather than the start on some machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use object::Endianness;
use object::elf::{FileHeader64, STB_LOCAL, STB_WEAK, STT_OBJECT, STT_TLS};
use object::read::elf::{FileHeader, Sym};

/// The newest version of glibc that may be needed: 2.17, of 2012.
const FLOOR: [u32; 2] = [2, 17];
/// The libraries of glibc that have had the functions which we need. From glibc 2.34 on, all but libm's are in the
/// first.
const PARTS: [&str; 5] = ["libc.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libm.so.6"];

/// Functions to which the library has weak references, since it can do without them. libc.so.6 has them since 2.34;
/// before, other libraries had. If a reference says that they are in libc.so.6 with some version, and libc.so.6 lacks
/// them, loaders before 2.30 refuse to start the program, even though the reference is weak (glibc's bug 24741). So the
/// references have no version. A loader then takes the oldest version of a function, which is the right one for each of
/// these.
const OF_NO_VERSION: [&str; 2] = ["dlsym", "pthread_setspecific"];

type Failure = Box<dyn std::error::Error>;

/// What the linker needs to know of a name.
struct Symbol {
    version: String,
    number: Vec<u32>,
    size: u64,
    /// For a variable: the index of its library and its address there. Names with the same address must stay names of
    /// one variable, since a linker may have the program keep a copy of it.
    location: Option<(usize, u64)>,
    is_weak: bool,
}

/// Makes the libraries in `folder`, under the names by which linkers look for them.
pub fn make(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    let compiler = compiler();
    let mut symbols = BTreeMap::new();
    for (index, part) in PARTS.into_iter().enumerate() {
        if let Some(path) = path_of(&compiler, part)? {
            println!("cargo::rerun-if-changed={}", path.display());
            collect(index, &fs::read(&path)?, &mut symbols).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    if symbols.is_empty() {
        return Err(format!("{} does not know where libc.so.6 is", compiler.display()).into());
    }
    build(&compiler, &folder.join("libc.so"), "libc.so.6", &symbols)?;
    // Before 2.34 some of these names are in libraries that a program has only if it asks for them.
    for (name, soname) in [("libpthread.so", "libpthread.so.0"), ("libdl.so", "libdl.so.2")] {
        build(&compiler, &folder.join(name), soname, &BTreeMap::new())?;
    }
    for name in ["librt.so", "libutil.so", "libm.so"] {
        fs::write(folder.join(name), "/* all is in libc.so */\n")?;
    }
    Ok(())
}

/// The C compiler that links for the target.
fn compiler() -> PathBuf {
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        return linker.into();
    }
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let words: Vec<&str> = flags.split('\x1f').collect();
    let mut named = words.iter().enumerate().filter_map(|(index, word)| {
        let option = if *word == "-C" { words.get(index + 1).copied() } else { word.strip_prefix("-C") };
        option?.strip_prefix("linker=")
    });
    if let Some(linker) = named.next_back() {
        return linker.into();
    }
    let (target, host) = (env::var("TARGET").unwrap_or_default(), env::var("HOST").unwrap_or_default());
    // As Debian and most others call it: aarch64-linux-gnu-gcc.
    if target == host { "cc".into() } else { format!("{}-gcc", target.replace("-unknown", "")).into() }
}

/// Where the compiler finds a library; `None` if it does not.
fn path_of(compiler: &Path, library: &str) -> Result<Option<PathBuf>, Failure> {
    let answer = Command::new(compiler)
        .arg(format!("-print-file-name={library}"))
        .output()
        .map_err(|error| format!("{}: {error}", compiler.display()))?;
    // A compiler that does not know repeats the name.
    let path = PathBuf::from(String::from_utf8(answer.stdout)?.trim());
    Ok(path.is_absolute().then_some(path))
}

/// The loader. On arm64 it defines `__stack_chk_guard`, the value by which functions notice that their stack was
/// overwritten.
pub fn loader_of_arm64() -> Option<PathBuf> {
    path_of(&compiler(), "ld-linux-aarch64.so.1").ok().flatten()
}

/// `GLIBC_2.3.4` as numbers; `None` for what belongs to glibc alone.
fn version_number(version: &str) -> Option<Vec<u32>> {
    version.strip_prefix("GLIBC_")?.split('.').map(|part| part.parse().ok()).collect()
}

/// Adds what a library defines, unless a newer version that is old enough is known.
fn collect(part: usize, file: &[u8], symbols: &mut BTreeMap<String, Symbol>) -> Result<(), Failure> {
    let header = FileHeader64::<Endianness>::parse(file)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, file)?;
    let table = sections.symbols(endian, file, object::elf::SHT_DYNSYM)?;
    let Some(versions) = sections.versions(endian, file)? else { return Ok(()) };
    for (index, symbol) in table.enumerate() {
        let version = versions.version(versions.version_index(endian, index).index())?;
        let Some(version) = version.and_then(|version| core::str::from_utf8(version.name()).ok()) else { continue };
        let Some(number) = version_number(version) else { continue };
        if symbol.is_undefined(endian)
            || symbol.st_bind() == STB_LOCAL
            || symbol.st_type() == STT_TLS
            || number.as_slice() > FLOOR.as_slice()
        {
            continue;
        }
        let name = core::str::from_utf8(table.symbol_name(endian, symbol)?)?.to_owned();
        if symbols.get(&name).is_none_or(|known: &Symbol| known.number < number) {
            let location = (symbol.st_type() == STT_OBJECT).then(|| (part, symbol.st_value(endian)));
            let size = symbol.st_size(endian);
            let is_weak = symbol.st_bind() == STB_WEAK;
            symbols.insert(name, Symbol { version: version.to_owned(), number, size, location, is_weak });
        }
    }
    Ok(())
}

/// Makes a library that has these symbols, and nothing behind them.
fn build(compiler: &Path, path: &Path, soname: &str, symbols: &BTreeMap<String, Symbol>) -> Result<(), Failure> {
    let mut functions = String::from(".text\n");
    let mut objects: BTreeMap<(usize, u64), (u64, String)> = BTreeMap::new();
    let mut by_version: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, symbol) in symbols {
        // For each version a library also has a symbol with the version's name.
        if name.starts_with("GLIBC_") {
            continue;
        }
        let size = symbol.size.max(1);
        let binding = if symbol.is_weak { "weak" } else { "globl" };
        let line = |kind| format!(".{binding} {name}\n.type {name}, %{kind}\n.size {name}, {size}\n{name}:\n");
        match symbol.location {
            Some(location) => {
                let (largest, names) = objects.entry(location).or_default();
                *largest = size.max(*largest);
                *names += &line("object");
            }
            None => functions += &(line("function") + ".zero 4\n"),
        }
        if !OF_NO_VERSION.contains(&name.as_str()) {
            by_version.entry(&symbol.version).or_default().push(name);
        }
    }
    let objects = objects.values().map(|(size, names)| format!(".balign 32\n{names}.zero {size}\n"));
    let assembly = functions + ".data\n" + &objects.collect::<String>();
    let mut script = String::new();
    for (version, names) in &by_version {
        script += &format!("{version} {{ global: {}; }};\n", names.join("; "));
    }
    let (source, versions) = (path.with_extension("s"), path.with_extension("map"));
    fs::write(&source, assembly)?;
    fs::write(&versions, script)?;
    let mut command = Command::new(compiler);
    command.args(["-shared", "-nostdlib", "-o"]).arg(path).arg(&source).arg(format!("-Wl,-soname,{soname}"));
    // The linker refuses an empty script.
    if !by_version.is_empty() {
        command.arg(format!("-Wl,--version-script={}", versions.display()));
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{}: {}", compiler.display(), String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(())
}
