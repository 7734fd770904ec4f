"""The macOS launcher in the emulator, whole: it looks into other emulated processes, and at files that are not there."""

import json
import os
import re
import struct
import unittest

from models import *  # noqa: F403

LIBRARY = os.environ["NOSIGPIPE_TEST_LIBRARY"]
LAUNCHER = os.environ.get("NOSIGPIPE_TEST_LAUNCHER")
CLIENT = os.environ.get("NOSIGPIPE_TEST_CLIENT")
ESRCH, EPERM = 3, 1
KERN_FAILURE = 5
PID = PARENT


@api("i:pupppp", "_sysctl")
def _sysctl(w, name, length, old, room, new, size):
    """kern.proc.pid: a struct kinfo_proc, if there is such a process."""
    assert (w.u32(name), w.u32(name + 4), w.u32(name + 8), length) == (1, 14, 1, 4)
    target = w.processes.get(w.i32(name + 12))
    if target is None:
        w.put64(room, 0)
        return 0
    actions = target.kernel.actions
    mask = lambda wanted: sum(1 << (sig - 1) for sig, action in actions.items() if wanted(action[0]))  # noqa: E731
    body = bytearray(648)
    body[36] = 5 if target.has_ended else 2
    struct.pack_into("<II", body, 232, mask(lambda h: h == SIG_IGN), mask(lambda h: h not in (SIG_DFL, SIG_IGN)))
    body[243:243 + len(target.name)] = target.name
    assert w.u64(room) == len(body)
    w.wr(old, body)
    return 0


@api("i:uip", "_task_for_pid")
def _task_for_pid(w, own, pid, out):
    if not w.may_look or pid not in w.processes:
        w.put32(out, 0)
        return KERN_FAILURE
    w.put32(out, 0x1000 + pid)
    return 0


@api("l:ippl", "_pread")
def _pread(w, fd, place, size, offset):
    data = bytes(w.kernel.get(fd).data[offset:offset + size])
    w.wr(place, data)
    return len(data)


class Stat:
    """Files by their names: for them the launcher asks for modes, owners, flags and real paths."""

    def __init__(self, content, mode=0o100755, uid=501, gid=20, flags=0):
        self.content, self.mode, self.uid, self.gid, self.flags = bytearray(content), mode, uid, gid, flags


def stat(w, path, out):
    file = w.named.get(w.cstr(path).decode())
    if file is None:
        raise Errno(ENOENT)
    body = bytearray(144)
    struct.pack_into("<iHHQII", body, 0, 1, file.mode, 1, id(file) & 0xFFFF, file.uid, file.gid)
    struct.pack_into("<q", body, 96, len(file.content))
    struct.pack_into("<I", body, 116, file.flags)
    w.wr(out, body)
    return 0


@api("i:isii", "_faccessat")
def _faccessat(w, directory, path, mode, flags):
    if w.cstr(path).decode() not in w.named:
        raise Errno(ENOENT)
    return 0


@api("p:sp", "_realpath", "_realpath$DARWIN_EXTSN")
def _realpath(w, path, out):
    assert out == 0
    if w.cstr(path).decode() not in w.named:
        w.set_errno(ENOENT)
        return 0
    return w.string(w.cstr(path))


def task_info(w, task, flavor, info, count):
    target = w.processes[task - 0x1000]
    assert flavor == 17 and w.u32(count) == 5
    entries = b"".join(struct.pack("<QQQ", i.base, target.string(i.path.encode()), 0) for i in target.images)
    w.asked += 1
    place = target.buf(entries) if w.asked > w.changing else 0
    infos = target.buf(struct.pack("<IIQ", 17, len(target.images), place) + bytes(64))
    w.wr(info, struct.pack("<QQi", infos, 80, 1))
    return 0


def mach_vm_read_overwrite(w, task, address, size, data, done):
    """All or nothing, as the kernel does it."""
    try:
        content = bytes(w.processes[task - 0x1000].uc.mem_read(address, size))
    except UcError:
        return 1
    w.wr(data, content)
    w.put64(done, size)
    return 0


def proc_pidinfo(w, pid, flavor, address, buffer, size):
    """The next region that has a file (PROC_PIDREGIONPATHINFO2)."""
    target = w.processes[pid]
    assert (flavor, size) == (22, 1272)
    if not w.is_owner:
        raise Errno(EPERM)
    for image in target.images:
        if address < image.base + image.size:
            region = bytearray(size)
            struct.pack_into("<QQ", region, 80, image.base, image.size)
            region[248:248 + len(image.path)] = image.path.encode()
            w.wr(buffer, region)
            return size
    raise Errno(EINVAL)


class Launcher(World):
    """nosigpipe, among these processes."""

    def __init__(self, arch, processes, may_look=True, is_owner=True, is_root=False, changing=0, files=()):
        super().__init__(LAUNCHER, arch=arch)
        self.processes, self.may_look, self.is_owner = processes, may_look, is_owner
        self.asked, self.changing = 0, changing
        self.named = {path: file if isinstance(file, Stat) else Stat(file) for path, file in files}
        self.kernel.files = {path: file.content for path, file in self.named.items()}
        self.overrides.update({
            "_stat": stat, "_stat$INODE64": stat, "_lstat": stat, "_lstat$INODE64": stat,
            "_task_info": task_info, "_mach_vm_read_overwrite": mach_vm_read_overwrite, "_proc_pidinfo": proc_pidinfo,
            "_mach_port_deallocate": lambda w, own, port: 0, "_geteuid": lambda w: 0 if is_root else 501,
        })

    def nosigpipe(self, *arguments):
        code = self.run_main(self.images[0], "nosigpipe", *arguments)
        return code, self.stdout.decode(), self.stderr.decode()


@unittest.skipUnless(LAUNCHER, "no launcher was built")
class Status(unittest.TestCase):
    arch = None

    def process(self, *paths, name=b"server", path="/usr/local/lib/libnosigpipe.dylib", **rest):
        target = Machine(*(paths or (LIBRARY, CLIENT)), arch=self.arch, env=rest.pop("env", {}), **rest)
        target.name, target.has_ended = name, False
        for image in target.images:
            image.path = path if image.path == LIBRARY else "/opt/server/bin/server"
        return target

    def status(self, target, *flags, **rest):
        return Launcher(self.arch, {PID: target}, **rest).nosigpipe("status", *flags, str(PID))

    def assert_refused(self, outcome, code, *parts):
        self.assertEqual((outcome[0], outcome[1]), (code, ""))
        self.assertEqual(outcome[2].count("\n"), 1, outcome[2])
        for part in ("nosigpipe: ", *parts):
            self.assertIn(part, outcome[2])

    def test_a_library_in_force_is_shown_with_its_counters_and_what_the_kernel_has(self):
        target = self.process()
        broken = target.broken_socket()
        target.call_hook("write", broken, target.buf(b"x"), 1)
        code, text, errors = self.status(target)
        self.assertEqual((code, errors), (0, ""))
        for line in ("process   4242 (server)", "library   /usr/local/lib/libnosigpipe.dylib, in force",
                     "scope     process: ", "program   believes that SIGPIPE is ignored",
                     "kernel    ignores SIGPIPE\n", "sockets   2 made, 0 accepted", "survived  1 broken pipes: write 1",
                     "          not counted: pwrite, ", "crashes   0 reported"):
            self.assertIn("\n" + line, "\n" + text)

    def test_json_says_null_where_the_kernel_does_not_tell(self):
        code, text, _ = self.status(self.process(env={"NOSIGPIPE_SCOPE": "sockets"}), "--json")
        state = json.loads(text)
        self.assertEqual((code, state["stage"], state["scope"]), (0, "active", "sockets"))
        self.assertEqual(state["kernel"], {"sigpipe": "default", "blocked": None})
        self.assertEqual((state["pid"], state["name"]), (PID, "server"))
        self.assertNotIn("write", state["counters"]["not_counted"])

    def test_the_programs_handler_is_told_with_its_image(self):
        target = self.process()
        image = target.images[1]
        target.sigaction(SIGPIPE, handler=image.base + 0x123)
        code, text, _ = self.status(target)
        self.assertEqual(code, 0)
        self.assertIn(f"has SIGPIPE: {image.base + 0x123:#x} in /opt/server/bin/server+0x123\n", text)
        self.assertIn("kernel    has a handler for SIGPIPE: the program's", text)
        # In no image: before all of them, and behind the last one's code.
        for nowhere in (0x4141, image.base + (1 << 24)):
            target.sigaction(SIGPIPE, handler=nowhere)
            self.assertIn(f"has SIGPIPE: {nowhere:#x}\n", self.status(target)[1])

    def test_an_inert_library_has_a_code_of_its_own(self):
        code, text, _ = self.status(self.process(env={"NOSIGPIPE_ONLY": "another"}))
        self.assertEqual(code, 1)
        self.assertIn("inert: NOSIGPIPE_ONLY names other programs", text)

    def test_a_library_that_may_not_interpose_is_told_from_an_active_one(self):
        code, text, _ = self.status(self.process(may_interpose=False))
        self.assertEqual(code, 1)
        self.assertIn("loaded, but the program's calls bypass it", text)

    def test_a_process_without_the_library(self):
        self.assert_refused(self.status(self.process(CLIENT)), 2, "the library is not loaded in process 4242 (server)\n")

    def test_no_such_process_and_one_that_has_ended(self):
        launcher = Launcher(self.arch, {})
        self.assert_refused(launcher.nosigpipe("status", "4194305"), 3, "no process 4194305\n")
        self.assert_refused(Launcher(self.arch, {}).nosigpipe("status", "2147483647"), 3, "no process 2147483647\n")
        target = self.process()
        target.has_ended = True
        self.assert_refused(self.status(target), 3, "process 4242 has ended")

    def test_the_library_is_found_under_another_name_and_its_file_is_not_needed(self):
        code, text, _ = self.status(self.process(path="/tmp/quite different.dylib"))
        self.assertEqual(code, 0)
        self.assertIn("library   /tmp/quite different.dylib, in force", text)

    def test_an_unknown_version_is_not_misread(self):
        target = self.process()
        target._poke(target.images[0].exports["_nosigpipe_state"] + 8, 99 | 152 << 32)
        self.assert_refused(self.status(target), 5, "its state has version 99 and this launcher knows version")

    def test_a_list_that_dyld_is_changing_is_waited_for_but_not_for_ever(self):
        self.assertEqual(self.status(self.process(), changing=3)[0], 0)
        self.assert_refused(self.status(self.process(), changing=10**6), 125, "process 4242: the list of what it has loaded")

    def test_without_the_right_it_is_said_what_is_known_and_what_helps(self):
        files = [("/usr/local/lib/libnosigpipe.dylib", open(LIBRARY, "rb").read()),
                 ("/opt/server/bin/server", open(CLIENT, "rb").read())]
        target = self.process()
        outcome = self.status(target, may_look=False, files=files)
        self.assert_refused(outcome, 4, "process 4242 (server) has /usr/local/lib/libnosigpipe.dylib mapped and ignores "
                            "SIGPIPE, but only root may look into it: use sudo; or start it with --log summary")
        outcome = self.status(target, may_look=False, files=files, is_root=True)
        self.assert_refused(outcome, 4, "not even root", "hardened or guarded by System Integrity Protection: start it")
        self.assertNotIn("sudo", outcome[2])
        # Another user's process: not even its files are told.
        outcome = self.status(target, may_look=False, files=files, is_owner=False)
        self.assert_refused(outcome, 4, "process 4242 (server): only root may look into it")

    def test_without_the_right_it_is_known_that_the_library_is_not_there(self):
        files = [("/opt/server/bin/server", open(CLIENT, "rb").read())]
        target = self.process(CLIENT)
        self.assert_refused(self.status(target, may_look=False, files=files), 2, "is not loaded in process 4242")
        # A file that can't be looked into may be it.
        self.assert_refused(self.status(target, may_look=False), 4, "only root may look into it")


@unittest.skipUnless(LAUNCHER, "no launcher was built")
class Check(unittest.TestCase):
    arch = None
    SF_RESTRICTED = 0x80000

    def check(self, *words, **files):
        found = [("/usr/local/lib/libnosigpipe.dylib", open(LIBRARY, "rb").read()),
                 ("/opt/server", open(CLIENT, "rb").read())]
        found += [(path, file) for path, file in files.pop("files", [])]
        launcher = Launcher(self.arch, {}, files=found)
        library = "--library=/usr/local/lib/libnosigpipe.dylib"
        return launcher.nosigpipe("check", library, *words)

    def assert_refused(self, outcome, code, line):
        self.assertEqual(outcome, (code, "", f"nosigpipe: {line}\n"))

    def test_a_program_that_takes_the_library_and_how_its_calls_are_covered(self):
        code, text, errors = self.check("--json", "/opt/server")
        self.assertEqual((code, errors), (0, ""))
        report = json.loads(text)
        self.assertEqual((report["verdict"], report["missing"]), ("works", []))
        covered = {call["call"]: call["covered"] for call in report["calls"]}
        for call, way in (("socketpair", "option"), ("send", "flag"), ("write", "counted"), ("signal", "action")):
            self.assertEqual(covered[call], way)
        self.assertNotIn("none", covered.values())
        # std's client imports these, and they are nobody's business.
        self.assertFalse({"memcpy", "close", "pipe"} & set(covered))

    def test_every_role_of_the_hook_table_has_a_way_and_what_is_named_besides_is_hooked(self):
        from artefact import table
        text = (ROOT / "src/bin/nosigpipe/platform/macos/coverage.rs").read_text()
        self.assertEqual(set(re.findall(r"\bRole::(\w+)", text)), {"Socket", "Send", "Write", "Action", "Child"})
        wanted = [name for part in text.split("needs_hook: true,")[1:]
                  for name in part.split("calls: &[")[1].split("]")[0].replace('"', "").replace(",", " ").split()]
        self.assertEqual(set(wanted), {"execl", "execle", "execlp"})
        self.assertEqual(set(wanted) - set(table()), set())

    def test_programs_that_the_system_guards_are_refused_for_that(self):
        guarded = " guarded by System Integrity Protection, and DYLD_INSERT_LIBRARIES has no effect on such a program"
        program = open(CLIENT, "rb").read()
        self.assert_refused(self.check("/bin/sh", files=[("/bin/sh", program)]), 125, "/bin/sh: it is" + guarded)
        self.assert_refused(self.check("/opt/apple", files=[("/opt/apple", Stat(program, flags=self.SF_RESTRICTED))]),
                            125, "/opt/apple: it is" + guarded)
        # Apple's own are for arm64e, which is not what keeps the library out of them.
        arm64e = struct.pack("<IIIIIIII", 0xFEEDFACF, 0x0100000C, 2, 2, 0, 0, 0, 0)
        self.assert_refused(self.check("/usr/bin/true", files=[("/usr/bin/true", arm64e)]), 125,
                            "/usr/bin/true: it is" + guarded)
        self.assertEqual(self.check("/usr/local/bin/x", files=[("/usr/local/bin/x", program)])[0], 0)

    def test_scripts_are_refused_for_their_guarded_interpreters_and_what_helps_is_said(self):
        program = open(CLIENT, "rb").read()
        for interpreter in ("/bin/sh", "/usr/bin/env"):
            script = f"#!{interpreter} python3 -u\n".encode()
            self.assert_refused(
                self.check("/opt/start", files=[("/opt/start", script), (interpreter, program)]), 125,
                f"/opt/start, run by {interpreter}: the latter is guarded by System Integrity Protection, and "
                "DYLD_INSERT_LIBRARIES has no effect on such a program; name another interpreter: "
                "nosigpipe run -- INTERPRETER /opt/start")
        # A text without such a line is the shell's.
        text = [("/opt/start", b": text\n"), ("/bin/sh", program)]
        self.assertIn("/opt/start, run by /bin/sh: the latter is guarded", self.check("/opt/start", files=text)[2])

    def test_interpreter_lines_are_read_as_the_kernel_reads_them(self):
        program = open(CLIENT, "rb").read()
        files = [("/opt/env", program), ("/opt/python", program)]
        for line in ("#!/opt/env A=b /opt/python -u\n", "#! /opt/env  /opt/python # comment\n",
                     "#!/opt/python#comment\n"):
            code, text, errors = self.check("/opt/start", files=[("/opt/start", line.encode()), *files])
            self.assertEqual((code, errors), (0, ""), line)
            self.assertIn("/opt/python", text.splitlines()[0], line)
        # No interpreters of interpreters.
        files += [("/opt/one", b"#!/opt/python\n"), ("/opt/two", b"#!/opt/one\n")]
        self.assert_refused(self.check("/opt/two", files=files), 126,
                            "/opt/two, run by /opt/one: too many interpreters of interpreters")

    def test_set_user_id_programs_are_refused(self):
        program = open(CLIENT, "rb").read()
        for mode, uid, gid, what in ((0o104755, 0, 20, "set-user-ID to uid 0"), (0o102755, 501, 0, "set-group-ID to gid 0")):
            files = [("/opt/setuid", Stat(program, mode, uid, gid))]
            self.assert_refused(self.check("/opt/setuid", files=files), 125,
                                f"/opt/setuid: it is {what}, and DYLD_INSERT_LIBRARIES has no effect on such a program")
        self.assertEqual(self.check("/opt/own", files=[("/opt/own", Stat(program, 0o104755))])[0], 0)


KINDS = (Status, Check)
