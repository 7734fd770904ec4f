//! The C and C++ programs that are run under preload: one file, one situation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use crate::{root, target};

/// tests/programs/NAME.c or .cpp, compiled. A line `// flags: ...` in the file adds compiler flags
/// (libraries too), one `// sources: ...` what else it is to be newer than, one `// link: NAME.c` a shared library
/// beside it to be linked with.
pub fn program(name: &str) -> PathBuf {
    in_directory("tests/programs", name)
}

/// tests/servers/NAME.c or .cpp, compiled likewise.
pub fn server(name: &str) -> PathBuf {
    in_directory("tests/servers", name)
}

fn in_directory(directory: &str, name: &str) -> PathBuf {
    let stem = root().join(directory).join(name);
    let with = |extension: &str| PathBuf::from(format!("{}.{extension}", stem.display()));
    let source = [with("c"), with("cpp")].into_iter().find(|path| path.exists());
    compile(&source.unwrap_or_else(|| panic!("no {name}.c or {name}.cpp in {directory}")), &[])
}

/// Compiles one source file with more flags, unless a binary newer than the source is there.
pub fn compile(source: &Path, flags: &[&str]) -> PathBuf {
    let text = fs::read_to_string(source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    let wanted = |key: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.strip_prefix(key))
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect()
    };
    let (mut own_flags, mut sources) = (wanted("// flags:"), wanted("// sources:"));
    for name in wanted("// link:") {
        let library = compile(&source.with_file_name(&name), flags);
        own_flags.extend([library.display().to_string(), "-Wl,-rpath,$ORIGIN".into()]);
        sources.push(name);
    }

    // The flags are part of the name: the same source may be wanted in several ways.
    let directory =
        target().join("programs").join(source.parent().and_then(Path::file_name).expect("a source is in a directory"));
    fs::create_dir_all(&directory).expect("target can be written to");
    let mut name = source.file_stem().expect("a source has a name").to_owned();
    name.push(
        flags.iter().flat_map(|flag| flag.chars()).filter(|c| c.is_alphanumeric() || *c == '-').collect::<String>(),
    );
    let binary = directory.join(name);

    let age = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let newest = sources
        .iter()
        .map(|name| source.with_file_name(name))
        .chain([source.to_owned()])
        .filter_map(|path| age(&path))
        .max();
    if age(&binary) > newest.or(Some(SystemTime::now())) {
        return binary;
    }

    // Tests run at once: compile beside it and rename, so that nobody ever runs half a binary.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let unfinished = binary.with_extension(format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let compiler = if source.extension().is_some_and(|extension| extension == "c") { "gcc" } else { "g++" };
    let output = Command::new(compiler)
        .args(["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-pthread", "-o"])
        .arg(&unfinished)
        .arg(source)
        .args(flags)
        .args(own_flags)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error}"));
    assert!(
        output.status.success(),
        "{} does not compile:\n{}",
        source.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&unfinished, &binary).expect("the binary can be renamed");
    binary
}
