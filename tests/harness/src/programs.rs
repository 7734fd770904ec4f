//! The C and C++ programs that are run under preload: one file, one situation.
//!
//! What a file needs beyond its compiler is said in the file itself, in lines that begin with
//!
//! ```text
//! // flags: -lssl                        flags for the compiler and linker
//! // packages: grpc++                    what pkg-config knows the flags of
//! // sources: echo.proto                 what else the binary is made from
//! // generate: thrift --gen cpp "$1"     a command to run first, in a directory of generated files ($1: the
//! //                                     directory of the source), which is in the include path
//! // with: Echo.cpp                      generated files to compile with it
//! // link: library.c                     a shared library beside it to be linked with
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::SystemTime;

use crate::{root, target};

/// tests/programs/NAME.c or .cpp, compiled.
pub fn program(name: &str) -> PathBuf {
    in_directory("tests/programs", name)
}

/// tests/servers/NAME.c or .cpp, compiled.
pub fn server(name: &str) -> PathBuf {
    in_directory("tests/servers", name)
}

fn in_directory(directory: &str, name: &str) -> PathBuf {
    let directory = root().join(directory);
    let candidates = ["c", "cpp"].map(|extension| directory.join(format!("{name}.{extension}")));
    let source = candidates.iter().find(|path| path.exists());
    compile(source.unwrap_or_else(|| panic!("no source of {name} in {}", directory.display())), &[])
}

/// Compiles one source file with more flags, unless a binary newer than the source is there.
pub fn compile(source: &Path, flags: &[&str]) -> PathBuf {
    let text = fs::read_to_string(source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    let directives = Directives { text: &text };
    let here = source.parent().expect("a source is in a directory");

    // The flags are part of the name: the same source may be wanted in several ways.
    let directory = target().join("programs").join(here.file_name().expect("that directory has a name"));
    fs::create_dir_all(&directory).expect("target can be written to");
    let mut name = source.file_stem().expect("a source has a name").to_owned();
    name.push(
        flags.iter().flat_map(|flag| flag.chars()).filter(|c| c.is_alphanumeric() || *c == '-').collect::<String>(),
    );
    let binary = directory.join(&name);

    let linked = directives.words("link");
    let libraries: Vec<PathBuf> = linked.iter().map(|name| compile(&here.join(name), flags)).collect();

    // Tests are threads and processes at once: one thread compiles at a time here, and other processes only ever see
    // a finished binary, by its renaming.
    static COMPILING: Mutex<()> = Mutex::new(());
    let _compiling = COMPILING.lock();
    let age = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let others = directives.words("sources").into_iter().chain(linked).map(|name| here.join(name));
    let newest: Option<SystemTime> = others.chain([source.to_owned()]).filter_map(|path| age(&path)).max();
    if age(&binary) > newest {
        return binary;
    }

    let mut suffix = name;
    suffix.push(format!(".{}", std::process::id()));
    let unfinished = directory.join(&suffix);
    let generated = directory.join({
        suffix.push(".generated");
        suffix
    });
    fs::create_dir_all(&generated).expect("target can be written to");
    for command in directives.lines("generate") {
        output(Command::new("sh").args(["-c", command, "sh"]).arg(here).current_dir(&generated));
    }
    let mut compiler = compiler(source);
    compiler.arg("-o").arg(&unfinished).arg(source).args(flags).current_dir(&generated);
    compiler.args(directives.words("with")).args(directives.words("flags"));
    if !libraries.is_empty() {
        // By their names alone, so that the files can be run in another place.
        compiler.arg("-L").arg(&directory).arg("-Wl,-rpath,$ORIGIN");
        for library in &libraries {
            compiler.arg(format!("-l:{}", library.file_name().expect("a library has a name").display()));
        }
    }
    let packages = directives.words("packages");
    if !packages.is_empty() {
        let flags = output(Command::new("pkg-config").args(["--cflags", "--libs"]).args(packages));
        compiler.args(flags.split_whitespace());
    }
    output(&mut compiler);
    fs::rename(&unfinished, &binary).expect("the binary can be renamed");
    fs::remove_dir_all(&generated).expect("what was generated can be removed");
    binary
}

fn compiler(source: &Path) -> Command {
    let extension = source.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let (compiler, flags): (&str, &[&str]) = match extension {
        "c" => ("gcc", &["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-pthread", "-I."]),
        "cpp" => ("g++", &["-g", "-O1", "-std=c++17", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-pthread", "-I."]),
        _ => panic!("no compiler for {}", source.display()),
    };
    let mut command = Command::new(compiler);
    command.args(flags);
    command
}

/// Runs a tool that must succeed, and gives back what it printed.
fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("a tool prints UTF-8")
}

struct Directives<'a> {
    text: &'a str,
}

impl<'a> Directives<'a> {
    fn lines(&self, key: &str) -> Vec<&'a str> {
        let rest = |line: &'a str| line.strip_prefix("// ")?.strip_prefix(key)?.strip_prefix(": ");
        self.text.lines().filter_map(rest).collect()
    }

    fn words(&self, key: &str) -> Vec<&'a str> {
        self.lines(key).into_iter().flat_map(str::split_whitespace).collect()
    }
}
