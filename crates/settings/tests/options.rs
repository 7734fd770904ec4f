//! What each setting takes and what it refuses, without a process.

#![expect(clippy::expect_used, reason = "a test says what went wrong by panicking")]

use settings::options::{Core, Options, SETTINGS, TO_JOURNAL, TO_STDERR, TO_SYSLOG};

fn set(options: &mut Options, variable: &str, value: &'static str) -> bool {
    let setting = SETTINGS.iter().find(|setting| setting.variable == variable).expect("a setting of that name");
    options.set(setting, value.as_bytes()).is_some()
}

/// What is left of the default options after this value, if it is allowed.
fn with(variable: &str, value: &'static str) -> Option<Options> {
    let mut options = Options::DEFAULT;
    set(&mut options, variable, value).then_some(options)
}

#[test]
fn the_default_in_the_table_is_the_one_that_holds() {
    for setting in &SETTINGS {
        let mut options = Options::DEFAULT;
        assert!(options.set(setting, setting.default.as_bytes()).is_some(), "{}", setting.variable);
        // Standard error has its own bit where it is named, and none where it is what nothing else is.
        assert!(options.is_on_stderr(), "{}", setting.variable);
        options.targets = Options::DEFAULT.targets;
        assert_eq!(options, Options::DEFAULT, "{}={} is not the default", setting.variable, setting.default);
    }
}

#[test]
fn an_empty_value_is_no_value() {
    for setting in &SETTINGS {
        let mut options = Options::DEFAULT;
        assert!(options.set(setting, b"").is_some(), "{}", setting.variable);
        assert_eq!(options, Options::DEFAULT, "{}", setting.variable);
    }
}

#[test]
fn a_refused_value_changes_nothing() {
    let mut options = Options::DEFAULT;
    assert!(set(&mut options, "NOSIGPIPE_REPORT", "/var/crash,syslog"));
    for wrong in ["crash", "syslog,", ",syslog", "stderr,crash", "syslog,relative/path"] {
        assert!(!set(&mut options, "NOSIGPIPE_REPORT", wrong), "{wrong}");
        assert_eq!((options.report, options.targets), (Some(b"/var/crash".as_slice()), TO_SYSLOG), "{wrong}");
    }
}

#[test]
fn numbers_end_where_the_table_says() {
    for (variable, allowed, refused) in [
        ("NOSIGPIPE_CRASH_TIMEOUT", ["1", "3600"], ["0", "3601"]),
        ("NOSIGPIPE_REPORT_KEEP", ["1", "1000000"], ["0", "1000001"]),
        ("NOSIGPIPE_CORE", ["0", "18446744073709551615"], ["18446744073709551616", "-1"]),
    ] {
        for value in allowed {
            assert!(with(variable, value).is_some(), "{variable}={value}");
        }
        for value in refused.into_iter().chain(["+1", "1 ", "0x10", "1e3", "99999999999999999999999"]) {
            assert!(with(variable, value).is_none(), "{variable}={value}");
        }
    }
    assert_eq!(with("NOSIGPIPE_CORE", "4096").map(|options| options.core), Some(Core::Bytes(4096)));
}

#[test]
fn targets_may_stand_on_both_sides_of_a_directory_with_commas_in_its_name() {
    let read = |value| with("NOSIGPIPE_REPORT", value).map(|options| (options.report, options.targets));
    assert_eq!(read("stderr"), Some((None, TO_STDERR)));
    assert_eq!(read("journal,/a,b,stderr"), Some((Some(b"/a,b".as_slice()), TO_JOURNAL | TO_STDERR)));
    assert_eq!(read("/a,stderr,b"), Some((Some(b"/a,stderr,b".as_slice()), 0)));
    assert_eq!(read("syslog,syslog"), Some((None, TO_SYSLOG)));
}

#[test]
fn a_list_of_programs_names_whole_names() {
    let options = with("NOSIGPIPE_ONLY", "tritonserver,server").expect("a list");
    assert!(options.acts_in(b"server") && options.acts_in(b"tritonserver"));
    assert!(!options.acts_in(b"triton") && !options.acts_in(b"") && !options.acts_in(b"server,"));
    assert!(Options::DEFAULT.acts_in(b"whatever"));
    for wrong in ["/usr/bin/server", "a,,b", ",", "a,"] {
        assert!(with("NOSIGPIPE_ONLY", wrong).is_none(), "{wrong}");
    }
}
