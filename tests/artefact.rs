//! The release library itself.

#![expect(clippy::panic, reason = "a test says what went wrong by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use harness::{bare, launcher, library, root};

/// First words of the lines of a tool's output that `keep` keeps.
fn names(tool: &str, arguments: &[&str], keep: impl Fn(&str) -> Option<String>) -> BTreeSet<String> {
    let outcome = bare(tool).args(arguments).arg(library()).run();
    outcome.assert_code(0);
    outcome.stdout().lines().filter_map(keep).collect()
}

/// A line of the hook table that Linux's library has: name, and the glibc that brought it, if that is told.
struct Line {
    name: String,
    since: Option<String>,
    /// Whether the hook has that version.
    has_version: bool,
}

fn table() -> Vec<Line> {
    let text = fs::read_to_string(root().join("crates/hooktable/src/lib.rs")).unwrap_or_else(|error| panic!("{error}"));
    let mac_only = "cfg(target_os = \"macos\")";
    let lines = text.lines().zip(text.lines().skip(1)).filter(|(before, _)| !before.contains(mac_only));
    let lines = lines.filter_map(|(_, line)| {
        let (kind, line) = line.trim_start().split_once(' ')?;
        let is_line = ["wraps", "wraps_later", "wraps_for_caller", "wraps_version", "replaces"].contains(&kind);
        let (head, name) = line.split_once('(')?.0.split_once("::").filter(|_| is_line)?;
        let since = head.split('"').nth(1).map(str::to_owned);
        Some(Line { name: name.to_owned(), since, has_version: kind == "wraps_version" })
    });
    let lines: Vec<Line> = lines.collect();
    assert!(lines.len() > 30, "the table could not be read");
    lines
}

/// What the library exports: names, with `@` and the version where they have one.
fn exported() -> BTreeSet<String> {
    names("nm", &["-D", "--defined-only"], |line| line.split_whitespace().last().map(str::to_owned))
        .into_iter()
        // The versions themselves.
        .filter(|name| !name.starts_with("GLIBC_") && !name.starts_with("NOSIGPIPE_"))
        .collect()
}

/// Whether the linker that made the library gives functions versions.
fn has_versions() -> bool {
    let comment = bare("readelf").args(["-p", ".comment"]).arg(library()).run().stdout();
    comment.contains("Linker: LLD")
}

#[test]
fn it_exports_the_hook_table_and_its_own_names_and_nothing_else() {
    let has_versions = has_versions();
    let hooked = table().into_iter().filter(|line| !line.has_version || has_versions).map(|line| match line.since {
        Some(since) if line.has_version => format!("{}@{since}", line.name),
        _ => line.name,
    });
    let own = ["execl", "execlp", "execle", "nosigpipe_configure_socket", "nosigpipe_send", "nosigpipe_state"];
    // Beside the table, since a line can't say their signatures, or looked up by their first call alone.
    let calls = [
        "vfork",
        "__vfork",
        "clone",
        "__clone",
        "prctl",
        "syscall",
        "sigaltstack",
        "mlockall",
        "abort",
        "__assert_fail",
        "__assert_perror_fail",
        "__assert",
        "__stack_chk_fail",
    ];
    let expected: BTreeSet<String> = hooked.chain(own.map(str::to_owned)).chain(calls.map(str::to_owned)).collect();
    assert_eq!(exported(), expected);
}

/// The oldest version of each function that this machine's libc has.
fn oldest_versions() -> BTreeMap<String, Vec<u32>> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_else(|error| panic!("{error}"));
    let libc = maps.lines().find_map(|line| line.split_whitespace().last().filter(|path| path.ends_with("/libc.so.6")));
    let Some(libc) = libc else { panic!("which file is libc's?\n{maps}") };
    let outcome = bare("objdump").args(["-T", libc]).run();
    outcome.assert_code(0);
    let mut oldest = BTreeMap::<String, Vec<u32>>::new();
    for line in outcome.stdout().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [.., version, name] = words.as_slice() else { continue };
        let Some(version) = version_number(version.trim_matches(['(', ')'])) else { continue };
        let known = oldest.entry((*name).to_owned()).or_insert_with(|| version.clone());
        *known = version.min(known.clone());
    }
    oldest
}

/// `GLIBC_2.17` as numbers; `None` for what is no version of it, or belongs to it alone (`GLIBC_PRIVATE`).
fn version_number(version: &str) -> Option<Vec<u32>> {
    version.strip_prefix("GLIBC_")?.split('.').map(|part| part.parse().ok()).collect()
}

/// Programs ask by dlsym(3), or by a weak reference, whether a function is there. A hook would be found in both ways on a libc that
/// lacks the function. So what is younger than the oldest glibc that the library is for has a line that says so, by which its hook
/// has that version; the hooks named here have none, since they do no harm where the function is missing.
#[test]
fn what_is_younger_than_glibc_2_17_is_said_to_be_and_can_be_asked_for_by_its_version_alone() {
    let harmless = BTreeSet::from([
        // Ours asks the kernel, and so works everywhere.
        "execveat",
        // Ours say thrd_error where there are none, which is how these tell that a thread could not be made.
        "thrd_create",
        "tss_create",
    ]);
    let (oldest, table, floor) = (oldest_versions(), table(), vec![2, 17]);
    for line in &table {
        let told = line.since.as_deref().map(|since| version_number(since).unwrap_or_else(|| panic!("{since}")));
        // What this libc lacks may be younger than it.
        if let Some(version) = oldest.get(&line.name) {
            let young = Some(version).filter(|version| **version > floor);
            assert_eq!(told.as_ref(), young, "since when is there {}?", line.name);
        } else {
            assert!(told.as_ref().is_some_and(|told| oldest.values().all(|known| known < told)), "{}", line.name);
        }
        let may_be_plain = told.is_none() || harmless.contains(line.name.as_str());
        assert_eq!(line.has_version, !may_be_plain, "is {} found where libc has none?", line.name);
    }
    // And so are those that have no line.
    let is_young = |name: &&String| oldest.get(*name).is_none_or(|version| *version > floor);
    let exported = exported();
    let plain = exported.iter().filter(|name| !name.contains('@') && !name.starts_with("nosigpipe_"));
    assert_eq!(plain.filter(is_young).map(String::as_str).collect::<BTreeSet<_>>(), harmless);
}

#[test]
fn it_depends_on_libc_alone() {
    let needed = names("readelf", &["-dW"], |line| {
        line.contains("(NEEDED)")
            .then(|| line.rsplit_once('[').map(|(_, name)| name.trim_end_matches(']').to_owned()))?
    });
    // musl's loader takes this name for itself, and has no other.
    assert_eq!(needed, BTreeSet::from(["libc.so.6".to_owned()]));
}

#[test]
fn it_and_the_launcher_ask_for_no_function_that_glibc_2_17_has_not() {
    for file in [library(), launcher()] {
        let outcome = bare("objdump").arg("-T").arg(file).run();
        outcome.assert_code(0);
        let text = outcome.stdout();
        // What they define may have any version.
        let versions: BTreeSet<Vec<u32>> = text
            .lines()
            .filter(|line| line.contains("*UND*"))
            .flat_map(str::split_whitespace)
            .filter_map(|word| version_number(word.trim_matches(['(', ')'])))
            .collect();
        assert!(versions.first().is_some(), "no versions at all: {text}");
        assert!(versions.last() <= Some(&vec![2, 17]), "{}: {versions:?}", file.display());
    }
}

#[test]
fn it_imports_little_since_each_name_is_looked_up_at_every_start() {
    let imported = names("nm", &["-D", "--undefined-only"], |line| line.split_whitespace().last().map(str::to_owned));
    assert!(imported.len() <= 24, "{} names: {imported:?}", imported.len());
}

#[test]
fn of_libc_it_calls_what_takes_no_lock_and_what_only_the_constructor_calls() {
    let imported = names("nm", &["-D", "--undefined-only"], |line| {
        line.split_whitespace().last().map(|name| name.split('@').next().unwrap_or_default().to_owned())
    });
    let allowed = BTreeSet::from(
        [
            // In handlers and hooks: addresses, and a thread's own data.
            "__errno_location",
            "__tls_get_addr",
            "environ",
            "program_invocation_name",
            "getauxval",
            "abort",
            // When a thread starts or ends; glibc's first keys need no memory.
            "pthread_setspecific",
            // At load, weak where not every process has it.
            "__cxa_atexit",
            "__register_atfork",
            "dlsym",
            "__sanitizer_get_heap_size",
            // The standard library's, in code that nothing reaches.
            "free",
        ]
        .map(str::to_owned),
    );
    let others: Vec<_> = imported.difference(&allowed).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn it_is_never_unloaded_and_binds_at_load() {
    let flags = bare("readelf").arg("-dW").arg(library()).run().stdout();
    assert!(flags.contains("NODELETE") && flags.contains("BIND_NOW"), "{flags}");
    let headers = bare("readelf").arg("-lW").arg(library()).run().stdout();
    assert!(headers.contains("GNU_RELRO") && !headers.contains("RWE"), "{headers}");
}

#[test]
fn it_is_small() {
    let size = fs::metadata(library()).map(|meta| meta.len()).unwrap_or(u64::MAX);
    assert!(size <= 1 << 20, "{size} bytes");
}
