"""What children start with."""

import itertools
import struct

from models import *  # noqa: F403

from .process import Process, TOLD


class Children(Process):
    def execve(self, w, name="execve", count=3):
        arguments = (w.string(b"/bin/ls"), w.string(b"/bin"), w.buf(bytes(8)))[-count:]
        self.assertEqual(w.call_hook(name, *arguments), -1)
        self.assertEqual(w.errno, ENOENT)
        return w.log("_" + name)[-1].notes["child"]

    def execv(self, w):
        return self.execve(w, "execv", 2)

    def execvp(self, w):
        return self.execve(w, "execvp", 2)

    def execvp_in(self, w):
        return self.execve(w, "execvP")

    LISTS = {"execl": "execv", "execlp": "execvp", "execle": "execve"}
    """What takes a list, and what is called in its place."""

    def execl(self, w, name="execl"):
        self.assertEqual(w.call_hook(name, w.string(b"/bin/ls"), w.string(b"ls"), 0, w.buf(bytes(8))), -1)
        self.assertEqual(w.errno, ENOENT)
        return w.log("_" + self.LISTS[name])[-1].notes["child"]

    def execlp(self, w):
        return self.execl(w, "execlp")

    def execle(self, w):
        return self.execl(w, "execle")

    def posix_spawn(self, w, name="posix_spawn", attributes=0):
        pid = w.buf(bytes(4))
        w.errno = 5
        self.assertEqual(w.call_hook(name, pid, w.string(b"/bin/ls"), 0, attributes, 0, 0), 0)
        self.assertEqual((w.i32(pid), w.errno), (777, 5))
        return w.log("_" + name)[-1].notes["child"]

    def posix_spawnp(self, w):
        return self.posix_spawn(w, "posix_spawnp")

    def system(self, w, name="system"):
        self.assertEqual(w.call_hook(name, w.string(b"ls")), 0x1700)
        return w.log("_" + name)[-1].notes["child"]

    def system_nocancel(self, w):
        return self.system(w, "system$NOCANCEL")

    def popen(self, w, name="popen"):
        self.assertEqual(w.call_hook(name, w.string(b"ls"), w.string(b"r")), 0x50F1)
        return w.log("_" + name)[-1].notes["child"]

    def popen_extsn(self, w):
        return self.popen(w, "popen$DARWIN_EXTSN")

    def each(self):
        return (self.execve, self.execv, self.execvp, self.execvp_in, self.execl, self.execlp, self.execle,
                self.posix_spawn, self.posix_spawnp, self.system, self.system_nocancel, self.popen, self.popen_extsn)

    def test_a_list_of_any_length_arrives_as_the_array_that_it_means(self):
        # The emulator looks at the stack pointer and the registers that a function must leave alone.
        for name, real in self.LISTS.items():
            for count in (*range(9), 12, 300):
                w = self.start()
                got = []

                def begin(w, path, arguments, environment=None):
                    length = next(i for i in itertools.count() if not w.u64(arguments + 8 * i))
                    words = [w.cstr(w.u64(arguments + 8 * i)) for i in range(length)]
                    got.append((w.cstr(path), words, environment, inherited(w)))
                    raise Errno(13)
                w.overrides["_" + real] = begin
                words = [b"word %d" % i for i in range(count)]
                environment = w.buf(bytes(8)) if name == "execle" else None
                w.errno = 5
                result = w.call_hook(name, w.string(b"/bin/ls"), *map(w.string, words), 0, environment or 0xBAD)
                self.assertEqual((result, w.errno, w.disposition()), (-1, 13, SIG_IGN), (name, count))
                self.assertEqual(got, [(b"/bin/ls", words, environment, SIG_DFL)], (name, count))

    def expect(self, scope, started, child, prepare=lambda w: None):
        for start in self.each():
            w = self.scope(scope, started_with=started)
            prepare(w)
            before = w.kernel.action(SIGPIPE)
            self.assertEqual(start(w), child, (scope, started, start.__name__))
            self.assertEqual(w.kernel.action(SIGPIPE), before, start.__name__)
            self.assertEqual(w.attributes, {})

    def test_children_start_with_the_default_action_in_scope_process(self):
        self.expect("process", SIG_DFL, SIG_DFL)

    def test_children_start_with_what_the_program_was_started_with(self):
        self.expect("process", SIG_IGN, SIG_IGN)
        self.expect("sockets", SIG_IGN, SIG_IGN)
        self.expect("sockets", SIG_DFL, SIG_DFL)

    def test_children_ignore_sigpipe_in_scope_tree(self):
        self.expect("tree", SIG_DFL, SIG_IGN)

    def test_children_get_what_the_program_asked_for(self):
        self.expect("process", SIG_DFL, SIG_IGN, lambda w: w.sigaction(SIGPIPE, SIG_IGN))
        self.expect("process", SIG_IGN, SIG_DFL, lambda w: w.sigaction(SIGPIPE, SIG_DFL))

    def attributes(self, w, flags=0, defaults=0):
        block = w.malloc(256)
        w.attributes[block] = [flags, defaults]
        return w.buf(struct.pack("<Q", block)), block

    def test_posix_spawn_says_it_by_an_attribute_and_leaves_the_process_alone(self):
        w = self.start()
        mark = w.mark()
        self.assertEqual(self.posix_spawn(w), SIG_DFL)
        self.assertEqual(w.log("_sigaction", since=mark), [])

    def test_attributes_of_the_program_are_not_changed(self):
        w = self.start()
        attributes, block = self.attributes(w, SPAWN_SETSIGDEF, 1 << 2)
        self.assertEqual(self.posix_spawn(w, attributes=attributes), SIG_DFL)
        self.assertEqual(w.attributes[block], [SPAWN_SETSIGDEF, 1 << 2])
        self.assertEqual(w.disposition(), SIG_IGN)

    def test_attributes_that_say_it_themselves_are_enough(self):
        w = self.start()
        mark = w.mark()
        attributes, _ = self.attributes(w, SPAWN_SETSIGDEF, 1 << (SIGPIPE - 1))
        self.assertEqual(self.posix_spawn(w, attributes=attributes), SIG_DFL)
        self.assertEqual(w.log("_sigaction", since=mark), [])

    def test_without_memory_for_attributes_the_child_starts_all_the_same(self):
        w = self.start()
        w.overrides["_posix_spawnattr_init"] = lambda w, a: ENOMEM
        self.assertEqual(self.posix_spawn(w), SIG_DFL)
        self.assertEqual(w.disposition(), SIG_IGN)

    def test_a_failed_start_returns_its_error(self):
        for name, result in (("posix_spawn", 2), ("posix_spawnp", 13)):
            w = self.start()
            w.overrides["_" + name] = lambda w, *a: result
            self.assertEqual(w.call_hook(name, 0, w.string(b"x"), 0, 0, 0, 0), result)
            self.assertEqual(w.disposition(), SIG_IGN)

    def test_a_start_that_fails_leaves_its_errno_and_the_process_as_it_was(self):
        for name in ("execv", "execvp", "execvP", "system", "system$NOCANCEL", "popen", "popen$DARWIN_EXTSN"):
            w = self.start()
            w.inject("_" + name, errno=12, ret=0 if "popen" in name else -1)
            w.call_hook(name, 0, 0, 0)
            self.assertEqual((w.errno, w.disposition()), (12, SIG_IGN), name)

    def test_what_libc_does_itself_to_start_a_program_may_come_by_the_hooks_again(self):
        # system(3) ignores SIGINT and starts a shell with attributes of its own.
        for name in ("system", "popen$DARWIN_EXTSN"):
            w = self.start()

            def libc(w, *rest):
                w.sigaction(SIGINT, SIG_IGN)
                attributes, _ = self.attributes(w, SPAWN_SETSIGDEF, 1 << (SIGINT - 1))
                self.assertEqual(self.posix_spawn(w, attributes=attributes), SIG_DFL)
                # The outer call may start another one yet.
                self.assertNotEqual(w.disposition(), SIG_IGN)
                w.sigaction(SIGINT, SIG_DFL)
                return 0
            w.overrides["_" + name] = libc
            self.assertEqual(w.call_hook(name, w.string(b"ls"), w.string(b"r")), 0)
            self.assertEqual((w.disposition(), w.sigaction(SIGPIPE)), (SIG_IGN, (SIG_IGN, TOLD, 0)), name)

    def test_a_forked_child_has_scope_sockets(self):
        w = self.start()
        w.fork_child()
        self.assertEqual(w.disposition(), SIG_DFL)
        self.assertEqual(w.state()["pid"], PARENT + 1)
        self.assertTrue(w.kernel.fds[w.call_hook("socket", AF_INET, SOCK_STREAM, 0)].nosigpipe)

    def test_a_forked_child_keeps_what_the_program_asked_for(self):
        w = self.start()
        w.sigaction(SIGPIPE, SIG_IGN)
        w.fork_child()
        self.assertEqual(w.disposition(), SIG_IGN)

    def test_a_vforked_child_that_resets_sigpipe_leaves_no_trace_in_the_parent(self):
        # As libuv and CPython do between vfork and exec.
        w = self.start()
        parent, table = w.overrides.get("_getpid"), dict(w.kernel.actions)
        w.vfork_child()
        self.assertEqual(w.sigaction(SIGPIPE, SIG_DFL)[0], SIG_IGN)
        self.assertEqual(self.execve(w), SIG_DFL)
        w.kernel.actions = table                     # the child had its own
        w.overrides["_getpid"] = parent or (lambda w: PARENT)
        self.assertEqual(w.sigaction(SIGPIPE)[0], SIG_IGN)

    def test_a_vforked_child_that_does_nothing_starts_with_the_default_action(self):
        w = self.start()
        w.vfork_child()
        self.assertEqual(self.execve(w), SIG_DFL)
