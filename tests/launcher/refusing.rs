//! Programs into which the library can't be loaded are not started, and the reason is said.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;

use harness::{bare, launched};

use crate::scratch::{Scratch, as_nobody, assert_refused, hello, is_root};

const STATIC: &str = "it is statically linked, so that nothing can be loaded into it";

#[test]
fn a_static_program_is_refused() {
    for flags in [&["-static"], &["-static-pie"]] {
        let program = hello(flags);
        bare(&program).run().assert_silent_success().assert_stdout("hello\n");
        assert_refused(launched(&[], &program), 125, &format!("{}: {STATIC}", program.display()));
    }
}

#[test]
fn a_program_for_another_machine_is_refused() {
    let scratch = Scratch::new();
    let original = fs::read(hello(&[])).unwrap();
    // Class, byte order and machine are all that counts: offsets 4, 5 and 18 of the ELF header.
    for (class, order, machine, name) in [
        (2, 1, 183, "aarch64"),
        (1, 1, 3, "32-bit x86"),
        (1, 1, 62, "x32"),
        (1, 1, 40, "32-bit arm"),
        (2, 2, 22, "s390"),
        (2, 1, 258, "another machine (ELF machine 258)"),
    ] {
        let mut bytes = original.clone();
        let machine_bytes = if order == 2 { u16::to_be_bytes(machine) } else { u16::to_le_bytes(machine) };
        bytes[4] = class;
        bytes[5] = order;
        bytes[18..20].copy_from_slice(&machine_bytes);
        let program = scratch.file(&format!("machine-{class}-{machine}"), bytes, 0o755);
        let line = format!("{}: it is for {name} and the library is for x86_64", program.display());
        assert_refused(launched(&[], &program), 125, &line);
    }
}

#[test]
fn a_program_whose_loader_is_missing_is_not_found() {
    let program = hello(&["-Wl,--dynamic-linker=/nowhere/ld-linux-x86-64.so.2"]);
    let line = format!("{}: its loader /nowhere/ld-linux-x86-64.so.2 does not exist", program.display());
    assert_refused(launched(&[], &program), 127, &line);
}

#[test]
fn a_setuid_program_is_refused_unless_the_bit_changes_nothing() {
    if !is_root() {
        eprintln!("left out: only root can make another user's setuid program");
        return;
    }
    let scratch = Scratch::new();
    let launcher = scratch.install("bin", "lib");
    let program = scratch.copy(hello(&[]), "setuid");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    let run = || bare(&launcher).arg("run").arg(&program);
    let line =
        format!("{}: it is set-user-ID to uid 0, and LD_PRELOAD has no effect on such a program", program.display());
    assert_refused(as_nobody(run()), 125, &line);
    // Root gains nothing by it, and with no_new_privs nobody does.
    run().run().assert_silent_success().assert_stdout("hello\n");
    let bounded = as_nobody(run()).command(|command| {
        // SAFETY: the closure makes one system call.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                Ok(())
            });
        }
    });
    bounded.run().assert_silent_success().assert_stdout("hello\n");
    // Of a script, the bit means nothing.
    let script = scratch.script("script", "#!/bin/sh\necho script\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o4755)).unwrap();
    let by_script = as_nobody(bare(&launcher).arg("run").arg(&script));
    by_script.run().assert_silent_success().assert_stdout("script\n");
}

#[test]
fn a_setgid_program_is_refused_unless_its_group_cannot_execute_it() {
    if !is_root() {
        eprintln!("left out: only root can make another group's setgid program");
        return;
    }
    let scratch = Scratch::new();
    let launcher = scratch.install("bin", "lib");
    let program = scratch.copy(hello(&[]), "setgid");
    chown(&program, None, Some(12)).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o2755)).unwrap();
    let run = || bare(&launcher).arg("run").arg(&program);
    let line =
        format!("{}: it is set-group-ID to gid 12, and LD_PRELOAD has no effect on such a program", program.display());
    assert_refused(as_nobody(run()), 125, &line);
    // Started by root it changes the group all the same.
    assert_refused(run(), 125, &line);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o2745)).unwrap();
    as_nobody(run()).run().assert_silent_success().assert_stdout("hello\n");
}

/// What setcap(8) writes: version 2, with the effective bit or without.
fn set_capabilities(file: &Path, effective: bool, permitted: u32) {
    let words = [0x0200_0000 | u32::from(effective), permitted, 0, 0, 0];
    let data: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let name = CString::new(file.as_os_str().as_bytes()).unwrap();
    // SAFETY: two strings, and the data with its length.
    let result =
        unsafe { libc::setxattr(name.as_ptr(), c"security.capability".as_ptr(), data.as_ptr().cast(), data.len(), 0) };
    assert_eq!(result, 0, "setxattr: {}", std::io::Error::last_os_error());
}

#[test]
fn a_program_with_file_capabilities_is_refused_but_to_root() {
    if !is_root() {
        eprintln!("left out: only root can set file capabilities");
        return;
    }
    const CAP_NET_BIND_SERVICE: u32 = 1 << 10;
    let scratch = Scratch::new();
    let launcher = scratch.install("bin", "lib");
    let program = scratch.copy(hello(&[]), "capable");
    let run = || bare(&launcher).arg("run").arg(&program);
    let line =
        format!("{}: it is given file capabilities, and LD_PRELOAD has no effect on such a program", program.display());
    for effective in [true, false] {
        set_capabilities(&program, effective, CAP_NET_BIND_SERVICE);
        assert_refused(as_nobody(run()), 125, &line);
        run().run().assert_silent_success().assert_stdout("hello\n");
    }
    // The attribute is there and gives nothing.
    set_capabilities(&program, false, 0);
    as_nobody(run()).run().assert_silent_success().assert_stdout("hello\n");
}

/// Whether the kernel's rule is what the tests above say: the library of a refused program would not have been loaded.
#[test]
fn what_is_refused_for_its_rights_would_not_have_loaded_the_library() {
    if !is_root() {
        eprintln!("left out: only root can make another user's setuid program");
        return;
    }
    let scratch = Scratch::new();
    scratch.install("bin", "lib");
    let program = scratch.copy(harness::program("sigpipe_state"), "state");
    let run = || as_nobody(bare(&program)).env("LD_PRELOAD", scratch.path("lib/libnosigpipe.so"));
    run().run().assert_stdout("believes ignored, kernel ignored\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    run().run().assert_stdout("believes default, kernel default\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    set_capabilities(&program, false, 1 << 10);
    run().run().assert_stdout("believes default, kernel default\n");
    set_capabilities(&program, false, 0);
    run().run().assert_stdout("believes ignored, kernel ignored\n");
}

#[test]
fn a_script_is_refused_for_its_interpreter() {
    let scratch = Scratch::new();
    let interpreter = scratch.copy(hello(&["-static"]), "bin/static-interpreter");
    let refusal = STATIC.replacen("it ", "the latter ", 1);
    let one = scratch.script("one", &format!("#!{}\n", interpreter.display()));
    let line = format!("{}, run by {}: {refusal}", one.display(), interpreter.display());
    assert_refused(launched(&[], &one), 125, &line);
    let two = scratch.script("two", &format!("#!{} argument\n", one.display()));
    let longer = format!("{}, run by {line}", two.display());
    assert_refused(launched(&[], &two), 125, &longer);
    let path = scratch.path("bin").display().to_string();
    for (name, first_line) in [
        ("env", "#!/usr/bin/env static-interpreter"),
        ("env-split", "#!/usr/bin/env -S A=b static-interpreter -x"),
        ("env-ignoring", "#!/usr/bin/env -S -u A static-interpreter"),
    ] {
        let script = scratch.script(name, &format!("{first_line}\n"));
        let line = format!("{}, run by /usr/bin/env, run by {}: {refusal}", script.display(), interpreter.display());
        assert_refused(launched(&[], &script).env("PATH", &path), 125, &line);
    }
}

#[test]
fn a_script_whose_interpreter_is_missing_or_endless_is_refused_as_the_kernel_does() {
    let scratch = Scratch::new();
    let orphan = scratch.script("orphan", "#!/nowhere/interpreter\n");
    let line = format!("{}: its interpreter /nowhere/interpreter: not found", orphan.display());
    assert_refused(launched(&[], &orphan), 127, &line);
    let nothing = scratch.script("nothing", "#!  \necho never\n");
    assert_refused(launched(&[], &nothing), 126, &format!("{}: its #! line is not valid", nothing.display()));
    let by_env = scratch.script("by-env", "#!/usr/bin/env no-such-program\n");
    let line = format!("{}, run by /usr/bin/env: no-such-program: not found in PATH", by_env.display());
    assert_refused(launched(&[], &by_env), 127, &line);
    let circle = scratch.path("circle");
    scratch.script("circle", &format!("#!{}\n", circle.display()));
    let outcome = launched(&[], &circle).run();
    outcome.assert_code(126);
    assert!(outcome.stderr().ends_with(": too many interpreters of interpreters\n"), "{outcome}");
}

#[test]
fn as_many_interpreters_as_the_kernel_follows_are_followed() {
    let scratch = Scratch::new();
    let mut interpreter = "/bin/sh".into();
    for depth in 1..=6 {
        let script = scratch.script(&format!("script{depth}"), &format!("#!{interpreter}\n"));
        let bare_works = std::process::Command::new(&script).status().is_ok_and(|status| status.success());
        let code = if bare_works { 0 } else { 126 };
        launched(&[], &script).run().assert_code(code);
        interpreter = script.display().to_string();
    }
}

#[test]
fn the_loader_as_the_program_is_judged_by_what_it_loads() {
    let loader = "/lib64/ld-linux-x86-64.so.2";
    launched(&[], loader).arg(hello(&[])).run().assert_silent_success().assert_stdout("hello\n");
    let other = hello(&["-static"]);
    assert_refused(
        launched(&[], loader).arg(&other),
        125,
        &format!(
            "{loader}, run by {}: the latter is statically linked, so that nothing can be loaded into it",
            other.display()
        ),
    );
}

#[test]
fn a_program_that_may_be_executed_and_not_read_is_started() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new();
    let launcher = scratch.install("bin", "lib");
    let program = scratch.copy(hello(&[]), "unreadable");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o711)).unwrap();
    as_nobody(bare(&launcher).arg("run").arg(&program)).run().assert_silent_success().assert_stdout("hello\n");
}
