//! Finding the program, and finding the library.

use std::fs;
use std::os::unix::fs::symlink;

use harness::{bare, launched, launcher, library};

use crate::scratch::{Scratch, assert_refused, hello, nosigpipe};

#[test]
fn a_program_is_found_as_execvp_finds_it() {
    let scratch = Scratch::new();
    scratch.file("first/prog", "not executable\n", 0o644);
    scratch.file("second/prog/a-directory-of-that-name", "", 0o644);
    scratch.script("third/prog", "#!/bin/sh\necho third $0\n");
    scratch.script("fourth/prog", "#!/bin/sh\necho fourth\n");
    let path = ["first", "none", "second", "third", "fourth"].map(|name| scratch.path(name).display().to_string());
    let outcome = launched(&[], "prog").env("PATH", path.join(":")).run();
    outcome.assert_silent_success().assert_stdout(&format!("third {}\n", scratch.path("third/prog").display()));
}

#[test]
fn an_empty_entry_of_path_is_the_current_directory() {
    let scratch = Scratch::new();
    scratch.script("prog", "#!/bin/sh\necho here\n");
    for path in ["", ":/nowhere", "/nowhere:", "/nowhere::/nowhere"] {
        let outcome = launched(&[], "prog").env("PATH", path).current_dir(scratch.path("")).run();
        outcome.assert_silent_success().assert_stdout("here\n");
    }
    assert_refused(
        launched(&[], "prog").env("PATH", "/nowhere").current_dir(scratch.path("")),
        127,
        "prog: not found in PATH",
    );
}

#[test]
fn without_path_the_system_directories_are_searched() {
    let outcome = launched(&[], "echo").arg("found").command(|command| {
        command.env_remove("PATH");
    });
    outcome.run().assert_silent_success().assert_stdout("found\n");
}

#[test]
fn not_found_is_127_and_not_executable_126() {
    let scratch = Scratch::new();
    let plain = scratch.file("plain", "text\n", 0o644);
    let missing = scratch.path("missing");
    assert_refused(launched(&[], &missing), 127, &format!("{}: not found", missing.display()));
    let line = format!("{}: a part of its path is not a directory", plain.join("x").display());
    assert_refused(launched(&[], plain.join("x")), 126, &line);
    assert_refused(launched(&[], "x").env("PATH", &plain), 127, "x: not found in PATH");
    assert_refused(launched(&[], ""), 127, "the program's name is empty");
    assert_refused(launched(&[], &plain), 126, &format!("{}: it is not executable", plain.display()));
    assert_refused(
        launched(&[], scratch.path("")),
        126,
        &format!("{}/: it is a directory", scratch.path("").display().to_string().trim_end_matches('/')),
    );
    let directory = scratch.path("").display().to_string();
    let line = format!("{}: it is not executable", plain.display());
    assert_refused(launched(&[], "plain").env("PATH", &directory), 126, &line);
}

#[test]
fn the_library_is_found_beside_the_launcher_and_in_an_installations_lib() {
    for (bin, lib) in [
        (".", "."),
        ("bin", "lib"),
        ("bin", "lib/nosigpipe"),
        ("bin", "lib/x86_64-linux-gnu/nosigpipe"),
        ("bin", "lib64/nosigpipe"),
    ] {
        let scratch = Scratch::new();
        let launcher = scratch.install(bin, lib);
        // Called by a symbolic link, too, as one in /usr/local/bin may be.
        let link = scratch.path("link");
        symlink(&launcher, &link).unwrap();
        for launcher in [&launcher, &link] {
            let outcome = bare(launcher).args(["run", "sh", "-c", "echo $LD_PRELOAD"]).run();
            let expected = fs::canonicalize(scratch.path(lib).join("libnosigpipe.so")).unwrap();
            outcome.assert_silent_success().assert_stdout(&format!("{}\n", expected.display()));
        }
    }
}

#[test]
fn the_library_can_be_named_by_flag_and_by_variable_and_the_flag_comes_first() {
    let scratch = Scratch::new();
    let copy = scratch.copy(library(), "renamed.so");
    let show = ["sh", "-c", "echo $LD_PRELOAD"];
    let expected = format!("{}\n", copy.display());
    let by_variable = nosigpipe().arg("run").args(show).env("NOSIGPIPE_LIBRARY", &copy).run();
    by_variable.assert_silent_success().assert_stdout(&expected);
    let by_flag = nosigpipe().args(["run", "--library", "renamed.so"]).args(show).current_dir(scratch.path(""));
    by_flag.env("NOSIGPIPE_LIBRARY", "/nowhere").run().assert_silent_success().assert_stdout(&expected);
}

/// Another library for each word size, as multilib systems have them: the loader of each program takes its own.
#[test]
fn the_loaders_words_are_taken_as_the_loader_takes_them() {
    let scratch = Scratch::new();
    for directory in ["lib/x86_64-linux-gnu", "lib64", "lib", "x86_64", "haswell", "xeon_phi"] {
        scratch.copy(library(), &format!("{directory}/libnosigpipe.so"));
    }
    let root = scratch.path("").display().to_string();
    let root = root.trim_end_matches('/');
    for words in ["$LIB", "${LIB}", "lib/../${LIB}", "$PLATFORM", "${PLATFORM}"] {
        let entry = format!("{root}/{words}/libnosigpipe.so");
        let script = "echo \"$LD_PRELOAD\"; sed -n 's/.* \\(.*libnosigpipe.so\\)$/\\1/p' /proc/self/maps | sort -u";
        let outcome = launched(&["--library", &entry], "sh").args(["-c", script]).run();
        outcome.assert_silent_success();
        let text = outcome.stdout();
        let (preload, loaded) = text.trim().split_once('\n').unwrap_or_else(|| panic!("{outcome}"));
        assert_eq!(preload, entry, "{outcome}");
        let check = nosigpipe().args(["check", "--json", "--library", &entry, "sh"]).run();
        let check: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
        assert_eq!(check["library"], loaded, "{outcome}");
        // And it is there once, when it is preloaded already.
        let again =
            launched(&["--library", &entry], "sh").args(["-c", "echo \"$LD_PRELOAD\""]).env("LD_PRELOAD", &entry);
        again.run().assert_silent_success().assert_stdout(&format!("{entry}\n"));
    }
    // What the loader does not know stays: these are names of files.
    for name in ["$LIBRARY", "$LIB_", "${LIB", "$X"] {
        let copy = scratch.copy(library(), &format!("{name}/libnosigpipe.so"));
        let line = format!(
            "{}: its path has a dollar sign in it, which LD_PRELOAD gives a meaning: move or copy it",
            copy.display()
        );
        assert_refused(nosigpipe().args(["run", "--library"]).arg(&copy).arg("true"), 125, &line);
    }
    let origin = "library $ORIGIN/x.so: $ORIGIN is the directory of each program, and the library is in one";
    assert_refused(nosigpipe().args(["run", "--library", "$ORIGIN/x.so", "true"]), 125, origin);
    let relative = "library $LIB/libnosigpipe.so: it must be an absolute path";
    assert_refused(nosigpipe().args(["run", "--library", "$LIB/libnosigpipe.so", "true"]), 125, relative);
}

#[test]
fn a_library_that_is_missing_or_is_none_is_one_line() {
    let scratch = Scratch::new();
    let alone = scratch.copy(launcher(), "bin/nosigpipe");
    let line = format!(
        "libnosigpipe.so was not found in {}, nor from there in ../lib, ../lib/nosigpipe, \
         ../lib/x86_64-linux-gnu/nosigpipe, ../lib64/nosigpipe: name it by --library or NOSIGPIPE_LIBRARY",
        scratch.path("bin").display()
    );
    assert_refused(bare(&alone).args(["run", "true"]), 125, &line);
    let missing = "library /nowhere/x.so: no such file or directory";
    assert_refused(nosigpipe().args(["run", "--library=/nowhere/x.so", "true"]), 125, missing);
    let text = scratch.file("text.so", "text", 0o644);
    let program = hello(&[]);
    for (file, problem) in
        [(&text, "it is not an ELF file"), (&program, "it is a program, which LD_PRELOAD can't load")]
    {
        let line = format!("{}: not the library: {problem}", file.display());
        assert_refused(nosigpipe().args(["run", "--library"]).arg(file).arg("true"), 125, &line);
    }
}

#[test]
fn a_path_that_ld_preload_cannot_carry_is_refused() {
    for (directory, what) in [
        ("with space", "a space in it, which separates entries of LD_PRELOAD"),
        ("with:colon", "a colon in it, which separates entries of LD_PRELOAD"),
        ("$LIB", "a dollar sign in it, which LD_PRELOAD gives a meaning"),
    ] {
        let scratch = Scratch::new();
        let launcher = scratch.install(directory, directory);
        let library = scratch.path(directory).join("libnosigpipe.so");
        let line = format!("{}: its path has {what}: move or copy it", library.display());
        assert_refused(bare(launcher).args(["run", "true"]), 125, &line);
    }
}
