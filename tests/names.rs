//! Names in reports are what the backtrace crate makes of them, which shares its demanglers with the library but not the
//! code around them.

use harness::bare;

/// Names that a library exports.
fn exported(library: &str) -> Vec<String> {
    let outcome = bare("nm").args(["-D", "--format=just-symbols", library]).run();
    outcome.assert_code(0);
    outcome.stdout().lines().filter_map(|line| line.split('@').next()).map(str::to_owned).collect()
}

fn compare(name: &str) {
    let theirs = format!("{:#}", backtrace::SymbolName::new(name.as_bytes()));
    assert_eq!(symbols::demangle(name.as_bytes()), theirs, "{name}");
}

#[test]
fn of_cpp_are_as_the_backtrace_crate_writes_them() {
    let names = exported("/usr/lib/x86_64-linux-gnu/libstdc++.so.6");
    assert!(names.len() > 4000, "{} names", names.len());
    names.iter().for_each(|name| compare(name));
}

#[test]
fn of_rust_are_as_the_backtrace_crate_writes_them() {
    for name in [
        "_ZN4core3ptr13drop_in_place17h0123456789abcdefE",
        "_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h930b740aa94f1d3aE",
        "_RNvC6_123foo3bar",
        "_RNvMsr_NtCs3ssYzQotkvD_3std4pathNtB5_7PathBuf3newCs15kBYyAo9fc_7mycrate",
    ] {
        compare(name);
    }
}

#[test]
fn that_nobody_mangled_stay_as_they_are() {
    for name in ["main", "_start", "", "_Z", "_R", "_ZN", "_Z1", "_Z99999999999999999999x", "caf\u{e9}"] {
        compare(name);
    }
}
