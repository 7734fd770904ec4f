//! The release library itself.

use std::collections::BTreeSet;
use std::fs;

use harness::{bare, launcher, library, root};

/// First words of the lines of a tool's output that `keep` keeps.
fn names(tool: &str, arguments: &[&str], keep: impl Fn(&str) -> Option<String>) -> BTreeSet<String> {
    let outcome = bare(tool).args(arguments).arg(library()).run();
    outcome.assert_code(0);
    outcome.stdout().lines().filter_map(keep).collect()
}

#[test]
fn it_exports_the_hook_table_and_its_own_names_and_nothing_else() {
    let exported = names("nm", &["-D", "--defined-only"], |line| line.split_whitespace().last().map(str::to_owned));
    let table =
        fs::read_to_string(root().join("crates/hooktable/src/lib.rs")).unwrap_or_else(|error| panic!("{error}"));
    let mac_only = "cfg(target_os = \"macos\")";
    let hooked = table.lines().zip(table.lines().skip(1)).filter(|(before, _)| !before.contains(mac_only)).filter_map(
        |(_, line)| {
            let line = ["wraps ", "wraps_later ", "wraps_for_caller ", "replaces "]
                .iter()
                .find_map(|kind| line.trim_start().strip_prefix(kind))?;
            Some(line.split_once("::")?.1.split_once('(')?.0.to_owned())
        },
    );
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
        "thrd_create",
        "tss_create",
        "abort",
        "__assert_fail",
        "__assert_perror_fail",
        "__assert",
        "__stack_chk_fail",
    ];
    let expected: BTreeSet<String> = hooked.chain(own.map(str::to_owned)).chain(calls.map(str::to_owned)).collect();
    assert!(expected.len() > 30, "the table could not be read: {expected:?}");
    assert_eq!(exported, expected);
}

/// Programs ask by dlsym(3), or by a weak reference, whether a function is there. A hook would be found in both ways on a libc that
/// lacks the function, so what is younger than the oldest glibc that the library is for may only be hooked where that does no harm.
#[test]
fn it_stands_in_front_of_nothing_that_glibc_2_17_lacks() {
    let younger = BTreeSet::from([
        // 2.34: ours asks the kernel, and so works everywhere.
        "execveat",
        // 2.28: ours say thrd_error where there are none, which is how these tell that a thread could not be made.
        "thrd_create",
        "tss_create",
    ]);
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_else(|error| panic!("{error}"));
    let libc = maps.lines().find_map(|line| line.split_whitespace().last().filter(|path| path.ends_with("/libc.so.6")));
    let Some(libc) = libc else { panic!("which file is libc's?\n{maps}") };
    let outcome = bare("objdump").args(["-T", libc]).run();
    outcome.assert_code(0);
    let text = outcome.stdout();
    let mut oldest = std::collections::BTreeMap::<&str, Vec<u32>>::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [.., version, name] = words.as_slice() else { continue };
        let Some(version) = version.trim_matches(['(', ')']).strip_prefix("GLIBC_") else { continue };
        let version: Vec<u32> = version.split('.').map(|part| part.parse().unwrap_or(u32::MAX)).collect();
        let known = oldest.entry(name).or_insert_with(|| version.clone());
        *known = version.min(known.clone());
    }
    let exported = names("nm", &["-D", "--defined-only"], |line| line.split_whitespace().last().map(str::to_owned));
    let is_young = |name: &&str| oldest.get(name).is_none_or(|version| version.as_slice() > [2, 17].as_slice());
    let hooks = exported.iter().map(String::as_str).filter(|name| !name.starts_with("nosigpipe_"));
    assert_eq!(hooks.filter(is_young).collect::<BTreeSet<_>>(), younger);
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
        let versions: BTreeSet<Vec<u32>> = text
            .split_whitespace()
            .filter_map(|word| word.trim_matches(['(', ')']).strip_prefix("GLIBC_"))
            .map(|version| version.split('.').map(|part| part.parse().unwrap_or(u32::MAX)).collect())
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
