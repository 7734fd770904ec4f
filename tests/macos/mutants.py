#!/usr/bin/env python3
"""mutants.py [NAME...]: plants mistakes into a copy of the sources, one at a time, and shows that a test notices each.

For one processor only: nearly all tests of both are the same.
"""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("NOSIGPIPE_MACOS_CACHE", ROOT / "target/macos")).resolve()
COPY = CACHE / "mutant"
ARCH = "x86_64"

# Name, file, what is there, what comes in its place; and the processor, if only one can notice.
MUTANTS = [
    ("entries are not kept", "crates/runtime/src/platform/macos/real.rs", "#[used]\n", ""),
    ("another section", "crates/runtime/src/platform/macos/real.rs", '"__DATA,__interpose"', '"__DATA,__interpos"'),
    ("no constructor", "src/start.rs", "#[ctor::ctor(unsafe)]", "#[expect(dead_code)]"),
    ("the wrong option", "crates/runtime/src/platform/macos/socket.rs", "libc::SO_NOSIGPIPE", "0x1023"),
    ("the wrong level", "crates/runtime/src/platform/macos/socket.rs", "libc::SOL_SOCKET, libc::SO_NOSIGPIPE", "6, libc::SO_NOSIGPIPE"),
    ("errno is not kept", "crates/runtime/src/platform/macos/socket.rs",
     "    keeping_errno(|| {\n        configure_socket_or_fail(fd);\n    });",
     "    keeping_errno(|| ());\n    configure_socket_or_fail(fd);"),
    ("only one end of a pair", "crates/runtime/src/hooks/socket.rs", "for end in 0..2", "for end in 0..1"),
    ("accepted sockets are forgotten", "crates/runtime/src/hooks/socket.rs",
     "State::count(&STATE.accepted);\n        configure_socket(fd);", "State::count(&STATE.accepted);"),
    ("open sockets are forgotten", "crates/runtime/src/sigpipe/mod.rs", "    platform::configure_open_sockets();\n", ""),
    ("a twin by its original's name", "crates/hooktable/src/lib.rs", '= "accept$NOCANCEL"', '= "accept"'),
    ("a twin calls its original", "crates/runtime/src/hooks/macos/socket.rs", "real::sendmsg_nocancel()(", "real::sendmsg()("),
    ("a twin is forgotten", "crates/hooktable/src/lib.rs",
     'macos::popen_extsn = "popen$DARWIN_EXTSN"(command: *const c_char, mode: *const c_char) -> *mut FILE;',
     'macos::popen_extsn = "popen"(command: *const c_char, mode: *const c_char) -> *mut FILE;'),
    ("sockets in Mach messages are forgotten", "crates/runtime/src/hooks/macos/socket.rs",
     "        sigpipe::configure_socket(fd);\n", "        sigpipe::flag();\n"),
    ("more of a siginfo than there is", "crates/runtime/src/crash/incident.rs",
     "(&raw mut (*incident).info).cast::<siginfo_t>().copy_from_nonoverlapping(info, 1);", "(*incident).info = *info.cast();"),
    ("execv changes nothing", "crates/runtime/src/hooks/exec.rs",
     "    let _exec = Spawn::begin();\n    // SAFETY: the caller's arguments, as the caller gave them.\n"
     "    unsafe { real::execv()", "    // SAFETY: the caller's arguments, as the caller gave them.\n    unsafe { real::execv()"),
    ("a word of a list is there twice", "crates/runtime/src/hooks/list.rs", '"push r9"', '"push r8"'),
    ("the stack is not put back", "crates/runtime/src/hooks/list.rs", '"add rsp, 40"', '"add rsp, 48"'),
    ("execle's environment is the list's end", "crates/runtime/src/hooks/list.rs", "*last.add(1).cast::<", "*last.cast::<"),
    ("execlp looks nowhere", "crates/runtime/src/hooks/macos/list.rs", "execlp => list::execlp", "execlp => list::execl"),
    ("execl has no entry", "crates/runtime/src/hooks/macos/list.rs", "interpose!(execl, libc::execl)",
     'const _: unsafe extern "C" fn() -> libc::c_int = execl'),
    ("signal goes by libc's", "crates/runtime/src/hooks/signal.rs", "set(signum, Some(requested)).map_or(SIG_ERR, |before| before.handler)",
     "unsafe { libc::signal(signum, requested.handler) }"),
    ("an inner start ends the outer one", "crates/runtime/src/sigpipe/children.rs", "SPAWNING.fetch_sub(1, Relaxed)",
     "SPAWNING.store(0, Relaxed)"),
    ("off is not off", "crates/runtime/src/sigpipe/mod.rs", "    if flag() != 0 {\n        platform::configure_socket(fd);",
     "    if flag() != 1 {\n        platform::configure_socket(fd);"),
    ("too long a write is sent", "crates/runtime/src/hooks/macos/write.rs",
     "c_int::try_from(length).is_ok(), send, || real::write()(", "true, send, || real::write()("),
    ("refusals are not noted", "crates/runtime/src/platform/macos/socket.rs", "        note_refusal(fd);\n", ""),
    ("refusals are never forgotten", "crates/runtime/src/platform/macos/socket.rs", "        forget_refusal(fd);\n", ""),
    ("what was a socket is taken for one", "crates/runtime/src/hooks/macos/write.rs", "libc::ENOTSOCK", "libc::EBADF"),
    ("errno of a vain send", "crates/runtime/src/hooks/macos/write.rs", "            set_errno(before);\n", ""),
    ("a refusal counts for every descriptor", "crates/runtime/src/platform/macos/refused.rs", "fd % 64", "fd % 1"),
    ("no flag at send", "crates/runtime/src/platform/macos/socket.rs", "NOSIGNAL: c_int = 0x80000", "NOSIGNAL: c_int = 0x40000"),
    ("descriptors are read beyond the message", "crates/runtime/src/hooks/macos/socket.rs",
     "if at.add(size_of::<c_int>()) <= end {", "if end > core::ptr::null_mut() {"),
    ("the mark is not told", "crates/runtime/src/platform/macos/action.rs", "Action { mask: MARK, ..*action }", "*action"),
    ("the attribute is not set", "crates/runtime/src/platform/macos/spawn.rs", "libc::POSIX_SPAWN_SETSIGDEF as c_short) == 0",
     "0) == 0"),
    ("attributes are not given back", "crates/runtime/src/platform/macos/spawn.rs",
     "        libc::posix_spawnattr_destroy(ours.as_mut_ptr());\n        result", "        result"),
    ("our own line may kill", "crates/runtime/src/platform/macos/process.rs", "fcntl(fd, F_SETNOSIGPIPE, on)", "fcntl(fd, F_GETNOSIGPIPE, on)"),
    ("the signal stays blocked", "crates/runtime/src/platform/macos/fault.rs", ".sigmask &= !(1 << (signal - 1))", ".sigmask &= !(1 << signal)"),
    ("the next function's name", "crates/runtime/src/platform/macos/images.rs", "value <= wanted &&", "value >= wanted &&"),
    ("threads are not resumed", "crates/capture/src/macos/threads.rs", "                thread_resume(port);\n", ""),
    ("threads are not suspended", "crates/capture/src/macos/threads.rs", " && unsafe { thread_suspend(*port) } == 0;", ";"),
    ("the crashed thread stops itself", "crates/capture/src/macos/threads.rs",
     "let stands = id.is_some_and(|id| id as pid_t != crashed)", "let stands = id.is_some()"),
    ("the wrong thread state", "crates/capture/src/macos/threads.rs", "{ 6 } else { 4 }", "{ 6 } else { 7 }"),
    ("Rosetta is not asked for", "crates/capture/src/macos/threads.rs", "result == 0 && translated == 1", "result > 0"),
    ("a child with its parent's memory stops its parent's threads", "crates/runtime/src/crash/copy.rs", " && is_own_process()", ""),
    ("another image's dSYM", "crates/symbols/src/macho.rs", "uuid.is_empty() || file.uuid()", "true || file.uuid()"),
    ("the name of the function before", "crates/symbols/src/macho.rs", "symbol.n_value(ENDIAN) <= address",
     "symbol.n_value(ENDIAN) + 64 <= address"),
    ("every fault is said to come again", "crates/runtime/src/platform/macos/thread.rs",
     "fault.access != Access::Unknown && !is_allowed(fault.address, fault.access)", "fault.access != Access::Unknown"),
    ("writing is taken for reading", "crates/runtime/src/platform/macos/fault.rs", "const WRITE: u64 = 2;", "const WRITE: u64 = 8;"),
    ("signatures stay in addresses", "crates/runtime/src/platform/macos/fault.rs", "pointer & 0x7fff_ffff_ffff", "pointer", "arm64"),
    ("return addresses in registers are forgotten", "crates/capture/src/macos/unwind.rs",
     "        self.is_return_address(memory, caller).then_some(caller)\n    }\n\n    /// On x86_64", "        None\n    }\n\n    /// On x86_64",
     "arm64"),
    ("a crash in the report is nobody's", "crates/runtime/src/crash/handler.rs",
     "                raw::write_after_crash();\n                death::now();\n", ""),
    ("a nameless fault is ignored for ever", "crates/runtime/src/crash/handler.rs", " || IGNORED.fetch_add(1, Relaxed) >= MOST", ""),
    ("what poll does not know is not there", "crates/runtime/src/platform/macos/process.rs", "poll.revents & libc::POLLNVAL != 0", "poll.revents & libc::POLLNVAL > 0x20"),
    ("JSON goes nowhere", "crates/capture/src/collect/mod.rs", "_ => output.say(&text),", "_ => {}"),
    ("one region is all", "crates/capture/src/process/map.rs", "end = mapping.end.min(wanted);", "end = mapping.end.min(wanted);\n            break;"),
    ("names take all the time", "crates/capture/src/collect/mod.rs", "platform::nanoseconds() < self.deadline", "self.deadline > 0"),
    ("any two words are a signal's context", "crates/capture/src/macos/unwind.rs",
     "is_context.then_some((context, machine))", "is_near.then_some((context, machine))"),
    ("dyld's settings are a message", "crates/capture/src/macos/message.rs", ' && !is_configuration(text)', ""),
    ("interposing is taken for granted", "crates/runtime/src/platform/macos/real.rs", "bound.cast_const() != ", "core::ptr::null() != "),
]


def copy_tree():
    """All that a build reads; build output stays, so that only what a mutant changes is compiled."""
    for name in ("src", "scripts", "tests/macos", "include"):
        shutil.rmtree(COPY / name, ignore_errors=True)
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, COPY / name)
    for name in ("Cargo.toml", "Cargo.lock", "build.rs", "README.md"):
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, COPY / name)
    manifest = (COPY / "Cargo.toml").read_text()
    # The copy is built without its tests.
    kept, skip = [], False
    for line in manifest.splitlines():
        if line.startswith("["):
            skip = line.strip("[]").startswith(("dev-dependencies", "workspace", "test", "bench"))
        kept += [] if skip else [line]
    (COPY / "Cargo.toml").write_text("\n".join(kept) + "\n\n[workspace]\n")


def build_and_test(arch=ARCH):
    # What is put back is older than what was built of a mistake in its place: cargo would take that for up to date.
    (COPY / "src/lib.rs").touch()
    out = COPY / "out"
    environment = dict(os.environ, NOSIGPIPE_MACOS_CACHE=str(CACHE), NOSIGPIPE_TEST_ARCH=arch,
                       NOSIGPIPE_TEST_LIBRARY=str(out / "libnosigpipe.dylib"), NOSIGPIPE_TEST_CLIENT=str(out / "client"))
    more = os.environ.get("NOSIGPIPE_BUILD_MACOS", "").split()
    build = subprocess.run([COPY / "scripts/build-macos", *more, "--library", "--client", "--arch", arch, "--out", out],
                           env=environment, capture_output=True, text=True, timeout=900)
    if build.returncode:
        return None, build.stderr
    tests = subprocess.run([sys.executable, COPY / "tests/macos/run.py"], env=environment, capture_output=True,
                           text=True, timeout=600)
    return tests.returncode == 0, tests.stdout


def red(output):
    return [line.split()[1] for line in output.splitlines() if line.startswith(("FAIL:", "ERROR:"))]


def main():
    only = sys.argv[1:]
    COPY.mkdir(parents=True, exist_ok=True)
    copy_tree()
    passed, output = build_and_test()
    if not passed:
        sys.exit(f"mutants.py: the sources as they are do not pass\n{output[-3000:]}")
    survived = tried = 0
    for name, file, old, new, *arch in MUTANTS:
        if only and not any(part in name for part in only):
            continue
        copy_tree()
        text = (COPY / file).read_text()
        if text.count(old) != 1:
            sys.exit(f"mutants.py: {name}: {file} has {old!r} {text.count(old)} times")
        (COPY / file).write_text(text.replace(old, new))
        tried += 1
        passed, output = build_and_test(*arch)
        if passed is None:
            sys.exit(f"mutants.py: {name}: does not build\n{output[-3000:]}")
        if passed:
            survived += 1
            print(f"SURVIVED: {name}", flush=True)
        else:
            tests = red(output)
            print(f"caught: {name}: {len(tests)} tests, such as {tests[0] if tests else '?'}", flush=True)
    print(f"mutants: {tried - survived} passed, {survived} failed")
    sys.exit(survived > 0 or tried == 0)


main()
