"""The macOS library in the emulator: each test starts a process with it inserted and looks at what it does."""

import itertools
import json
import os
import pathlib
import re
import struct
import tempfile
import unittest

from made import CODE, DYLIB, dsym, dwarf, framed, macho
from models import *  # noqa: F403

LIBRARY = os.environ["NOSIGPIPE_TEST_LIBRARY"]
CLIENT = os.environ.get("NOSIGPIPE_TEST_CLIENT")
TOLD = 1 << (SIGPIPE - 1)
"""The mask of a SIG_IGN that nobody asked for, as the program is told it and as the kernel has it."""


class Process(unittest.TestCase):
    arch = None

    def start(self, *more, **rest):
        rest.setdefault("env", {})
        return Machine(LIBRARY, *more, arch=self.arch, **rest)

    def scope(self, scope, **rest):
        return self.start(env={"NOSIGPIPE_SCOPE": scope}, **rest)


class Constructor(Process):
    def test_process_scope_ignores_sigpipe_and_says_which_process_it_is(self):
        w = self.start()
        self.assertEqual(w.disposition(), SIG_IGN)
        self.assertIn(b"NOSIGPIPE_PROCESS=4242", [w.cstr(p) for p in w.environ()])
        state = w.state()
        self.assertEqual((state["magic"], state["size"], state["stage"], state["pid"]), (b"nosigpip", 152, 1, PARENT))
        self.assertEqual(w.stdout + w.stderr, b"")

    def test_the_environment_keeps_all_that_was_in_it(self):
        w = self.start(env={"A": "1", "B": "2"})
        self.assertEqual([w.cstr(p) for p in w.environ()], [b"A=1", b"B=2", b"NOSIGPIPE_PROCESS=4242"])

    def test_tree_scope_ignores_sigpipe(self):
        self.assertEqual(self.scope("tree").disposition(), SIG_IGN)

    def test_sockets_scope_leaves_sigpipe_alone(self):
        for started in (SIG_DFL, SIG_IGN):
            w = self.scope("sockets", started_with=started)
            self.assertEqual(w.disposition(), started)
            self.assertEqual(w.sigaction(SIGPIPE)[0], started)

    def test_scope_off_does_nothing_at_all(self):
        w = self.scope("off")
        self.assertEqual(w.disposition(), SIG_DFL)
        fd = w.call_hook("socket", AF_INET, SOCK_STREAM, 0)
        self.assertFalse(w.kernel.fds[fd].nosigpipe)
        self.assertEqual(w.log("_setsockopt"), [])

    def test_a_child_of_the_started_process_has_scope_sockets(self):
        w = self.start(env={"NOSIGPIPE_PROCESS": "41"})
        self.assertEqual(w.disposition(), SIG_DFL)
        self.assertTrue(w.kernel.fds[w.call_hook("socket", AF_INET, SOCK_STREAM, 0)].nosigpipe)

    def test_the_same_process_after_exec_has_scope_process(self):
        self.assertEqual(self.start(env={"NOSIGPIPE_PROCESS": str(PARENT)}).disposition(), SIG_IGN)

    def test_a_shell_has_scope_sockets(self):
        for name in ("/bin/zsh", "-bash", "sh"):
            self.assertEqual(self.start(argv=(name,)).disposition(), SIG_DFL, name)

    def test_a_program_that_only_leaves_out_is_left_alone(self):
        w = self.start(env={"NOSIGPIPE_ONLY": "tritonserver"})
        self.assertEqual(w.disposition(), SIG_DFL)
        self.assertEqual(w.state()["stage"], 2)
        w.call_hook("socket", AF_INET, SOCK_STREAM, 0)
        self.assertEqual(w.log("_setsockopt"), [])

    def test_a_wrong_setting_is_told_in_one_line_and_the_default_holds(self):
        w = self.scope("everything")
        self.assertEqual(w.disposition(), SIG_IGN)
        self.assertEqual(
            bytes(w.stderr),
            b"nosigpipe: NOSIGPIPE_SCOPE=everything is not allowed: it must be process, sockets, tree or off; "
            b"using process\n")

    def test_a_setuid_program_is_told_nothing_by_the_environment(self):
        def secure(w):
            w.overrides["_issetugid"] = lambda w: 1
        w = self.start(env={"NOSIGPIPE_SCOPE": "off"}, before=secure)
        self.assertEqual(w.disposition(), SIG_IGN)

    def test_sockets_that_are_open_at_load_are_made_silent_and_pipes_are_not(self):
        for count in (3, 300):
            def before(w):
                w.kernel.max_fds = 1000
                for _ in range(count):
                    w.real("_socket")(AF_INET, SOCK_STREAM, 0)
                w.real("_pipe")(w.buf(bytes(8)))
            w = self.start(before=before)
            kinds = [(o.kind, o.nosigpipe) for o in w.kernel.fds.values()]
            self.assertEqual(kinds.count(("socket", True)), count)
            self.assertEqual([silent for kind, silent in kinds if kind != "socket"], [False] * 5)

    def test_a_system_that_tells_no_descriptors_stops_nothing(self):
        w = self.start(before=lambda w: w.inject("_proc_pidinfo", errno=1, ret=0))
        self.assertEqual(w.disposition(), SIG_IGN)

    def test_no_memory_for_the_environment_stops_nothing(self):
        w = self.start(before=lambda w: w.inject("_mmap", errno=ENOMEM))
        self.assertEqual(w.disposition(), SIG_IGN)

    def test_errno_is_kept(self):
        def before(w):
            w.errno = 77
            w.inject("_proc_pidinfo", errno=1, ret=0)
            w.inject("_sigaction", errno=EINVAL)
        self.assertEqual(self.start(before=before).errno, 77)

    def test_a_system_that_forbids_interposing_is_noticed(self):
        w = self.start(may_interpose=False)
        self.assertEqual(w.state()["stage"], 3)
        self.assertEqual(w.disposition(), SIG_IGN)
        self.assertEqual(w.stderr, b"")

    def test_a_system_that_forbids_interposing_is_told_of_on_request(self):
        w = self.start(may_interpose=False, env={"NOSIGPIPE_LOG": "summary"})
        self.assertIn(b"nosigpipe: loaded", w.stderr)
        self.assertEqual(self.start(env={"NOSIGPIPE_LOG": "summary"}).stderr, b"")


class Sockets(Process):
    def silent(self, w, fd):
        return w.kernel.fds[fd].nosigpipe

    def test_socket_makes_it_silent_and_keeps_errno(self):
        w = self.start()
        w.errno = 5
        mark = w.mark()
        fd = w.call_hook("socket", AF_INET, SOCK_STREAM, 0)
        self.assertTrue(self.silent(w, fd))
        self.assertEqual(w.errno, 5)
        [call] = w.log("_setsockopt", since=mark)
        self.assertEqual(call.args[:3], (fd, SOL_SOCKET, SO_NOSIGPIPE))
        self.assertEqual(call.notes["value"], struct.pack("<i", 1))

    def test_a_failed_socket_fails_as_without_us(self):
        w = self.start()
        mark = w.mark()
        self.assertEqual(w.call_hook("socket", 99, SOCK_STREAM, 0), -1)
        self.assertEqual(w.errno, 47)
        self.assertEqual(w.log("_setsockopt", since=mark), [])

    def test_socketpair_makes_both_ends_silent(self):
        w = self.start()
        pair = w.buf(bytes(8))
        self.assertEqual(w.call_hook("socketpair", AF_UNIX, SOCK_STREAM, 0, pair), 0)
        self.assertTrue(all(self.silent(w, fd) for fd in struct.unpack("<ii", w.rd(pair, 8))))

    def test_a_failed_socketpair_fails_as_without_us(self):
        w = self.start()
        pair = w.buf(b"\xff" * 8)
        self.assertEqual(w.call_hook("socketpair", AF_INET, SOCK_STREAM, 0, pair), -1)
        self.assertEqual((w.errno, w.rd(pair, 8)), (102, b"\xff" * 8))

    def listening(self, w, inherits):
        fd = w.call_hook("socket", AF_INET, SOCK_STREAM, 0)
        w.kernel.fds[fd].nosigpipe = inherits
        w.kernel.fds[fd].listening = True
        return fd

    ACCEPTS = ("accept", "accept$NOCANCEL")

    def test_accept_makes_it_silent_though_the_listener_is_not(self):
        for name in self.ACCEPTS:
            w = self.start()
            listener = self.listening(w, inherits=False)
            w.kernel.incoming(listener)
            address, length = w.buf(bytes(64)), w.buf(struct.pack("<I", 64))
            fd = w.call_hook(name, listener, address, length)
            self.assertTrue(self.silent(w, fd), name)
            self.assertEqual(w.u32(length), 16)
            self.assertEqual(w.state()["accepted"], 1)
            self.assertEqual(len(w.log("_" + name)), 1)

    def test_accept_of_a_client_that_has_gone_already_succeeds(self):
        for name in self.ACCEPTS:
            w = self.start()
            listener = self.listening(w, inherits=False)
            w.kernel.incoming(listener).last_close()
            w.errno = 5
            fd = w.call_hook(name, listener, 0, 0)
            self.assertGreaterEqual(fd, 0)
            self.assertEqual(w.log("_setsockopt")[-1].errno, EINVAL)
            self.assertEqual(w.errno, 5)

    def test_a_failed_accept_fails_as_without_us(self):
        for name in self.ACCEPTS:
            w = self.start()
            mark = w.mark()
            self.assertEqual(w.call_hook(name, 1, 0, 0), -1)
            self.assertEqual(w.errno, ENOTSOCK)
            for error in (4, 24, 35, 53):
                w.inject("_" + name, errno=error)
                self.assertEqual((w.call_hook(name, 1, 0, 0), w.errno), (-1, error))
            self.assertEqual(w.log("_setsockopt", since=mark), [])

    PORTS = ("fileport_makefd", "xpc_fd_dup", "xpc_dictionary_dup_fd")

    def test_a_socket_that_comes_with_a_mach_message_is_made_silent_and_a_pipe_is_left_alone(self):
        from macho_emu import PipeEnd, Sock
        for name in self.PORTS:
            w = self.start()
            w.ports = {0x903: Sock(1, 1, 0), 0x907: PipeEnd(bytearray(), True)}
            w.errno = 5
            self.assertTrue(self.silent(w, w.call_hook(name, 0x903, 0)), name)
            self.assertFalse(self.silent(w, w.call_hook(name, 0x907, 0)))
            self.assertEqual(w.errno, 5)
            mark = w.mark()
            self.assertEqual((w.call_hook(name, 1, 0), w.errno), (-1, EINVAL))
            self.assertEqual(w.log("_setsockopt", since=mark), [])

    def test_scope_off_leaves_what_comes_in_alone(self):
        from macho_emu import Sock
        w = self.scope("off")
        for name in self.PORTS:
            w.ports[0x903] = Sock(1, 1, 0)
            self.assertFalse(self.silent(w, w.call_hook(name, 0x903, 0)))
        for name in self.ACCEPTS:
            listener = self.listening(w, inherits=False)
            w.kernel.incoming(listener)
            self.assertFalse(self.silent(w, w.call_hook(name, listener, 0, 0)))
        for name in self.RECEIVES:
            sockets = [Sock(1, 1, 0)]
            self.receive(w, [sockets], name=name)
            self.assertFalse(sockets[0].nosigpipe)

    RECEIVES = ("recvmsg", "recvmsg$NOCANCEL")

    def receive(self, w, objects, room=256, control=True, name="recvmsg"):
        pair = w.buf(bytes(8))
        w.call_hook("socketpair", AF_UNIX, SOCK_STREAM, 0, pair)
        w.arriving.append((b"x", objects))
        space = w.buf(bytes(room)) if control else 0
        message = w.buf(struct.pack("<QI4xQi4xQIi", 0, 0, 0, 0, space, room if control else 0, 0))
        return w.call_hook(name, w.i32(pair), message, 0)

    def test_sockets_that_arrive_with_a_message_are_made_silent(self):
        from macho_emu import PipeEnd, Sock
        for name in self.RECEIVES:
            w = self.start()
            w.errno = 5
            sockets, pipe = [Sock(1, 1, 0) for _ in range(4)], PipeEnd(bytearray(), True)
            objects = [[sockets[0], pipe, sockets[1]], [sockets[2]], [sockets[3]]]
            self.assertEqual(self.receive(w, objects, name=name), 1)
            self.assertEqual([s.nosigpipe for s in sockets], [True] * 4, name)
            self.assertFalse(pipe.nosigpipe)
            self.assertEqual(w.errno, 5)

    def test_a_message_whose_descriptors_do_not_all_fit_is_read_to_its_end_only(self):
        from macho_emu import Sock
        w = self.start()
        sockets = [Sock(1, 1, 0) for _ in range(3)]
        self.receive(w, [sockets], room=12 + 4 + 2)
        self.assertEqual([s.nosigpipe for s in sockets], [True, False, False])
        self.assertEqual(len(w.log("_setsockopt")), 3)                  # the pair's and one

    def test_a_message_without_room_for_descriptors_is_left_alone(self):
        w = self.start()
        mark = w.mark()
        self.assertEqual(self.receive(w, [], control=False), 1)
        self.assertEqual(len(w.log("_setsockopt", since=mark)), 2)     # the pair's

    def test_a_failed_recvmsg_fails_as_without_us(self):
        for name in self.RECEIVES:
            w = self.start()
            self.assertEqual(w.call_hook(name, 1, w.buf(bytes(48)), 0), -1)
            self.assertEqual(w.errno, ENOTSOCK)

    def test_an_option_that_fails_stops_nothing(self):
        for error in (EINVAL, 1, 42):
            w = self.start()
            w.errno = 5
            w.inject("_setsockopt", errno=error, times=2)
            self.assertEqual(w.call_hook("socketpair", AF_UNIX, SOCK_STREAM, 0, w.buf(bytes(8))), 0)
            self.assertEqual(w.errno, 5)

    SENDS = {
        "send": lambda w, fd: (fd, w.buf(b"abc"), 3, 0x40),
        "sendto": lambda w, fd: (fd, w.buf(b"abc"), 3, 0x40, 0, 0),
        "sendmsg": lambda w, fd: (fd, w.buf(struct.pack(
            "<QI4xQi4xQIi", 0, 0, w.buf(struct.pack("<QQ", w.buf(b"abc"), 3)), 1, 0, 0, 0)), 0x40),
        "write": lambda w, fd: (fd, w.buf(b"abc"), 3),
        "writev": lambda w, fd: (fd, w.buf(struct.pack("<QQ", w.buf(b"abc"), 3)), 1),
    }

    def sends(self, *names):
        """Each call with its arguments, and its twin: (name, position of the flags, call)."""
        for name, arguments in self.SENDS.items():
            if name in (names or self.SENDS):
                for hook in (name, name + "$NOCANCEL"):
                    yield hook, 2 if name == "sendmsg" else 3, \
                        lambda w, fd, hook=hook, arguments=arguments: w.call_hook(hook, *arguments(w, fd))

    def test_every_call_on_a_broken_socket_fails_and_no_signal_comes(self):
        for scope in ("process", "sockets", "tree"):
            for name, _, call in self.sends():
                w = self.scope(scope)
                fd = w.broken_socket()
                self.assertEqual(call(w, fd), -1, name)
                self.assertEqual(w.errno, EPIPE, name)
                self.assertEqual(w.kernel.delivered, [], name)
                self.assertEqual(sum(w.state()["broken"]), 1, name)
                self.assertEqual(len(w.log("_" + name)), 1)

    def test_the_flag_keeps_the_send_family_silent_where_the_option_was_refused(self):
        for name, flags, call in self.sends("send", "sendto", "sendmsg"):
            w = self.scope("sockets")
            w.kernel.msg_nosignal = True
            self.assertEqual(call(w, w.broken_socket(silent=False)), -1, name)
            self.assertEqual(w.kernel.delivered, [], name)
            self.assertEqual(w.log("_" + name)[-1].args[flags], 0x40 | MSG_NOSIGNAL)

    def gone(self, w):
        """A socket whose client went away before it was accepted, so that it has refused the option."""
        w.kernel.msg_nosignal = True
        listener = self.listening(w, inherits=False)
        w.kernel.incoming(listener).last_close()
        return w.call_hook("accept", listener, 0, 0)

    def test_a_write_to_a_socket_that_has_refused_the_option_raises_no_signal(self):
        for name, _, call in self.sends("write", "writev"):
            instead = name.replace("writev", "sendmsg").replace("write", "sendto")
            w = self.scope("sockets")
            fd = self.gone(w)
            for count in (1, 2):
                w.errno = 5
                self.assertEqual((call(w, fd), w.errno, w.kernel.delivered), (-1, EPIPE, []), name)
                self.assertEqual(sum(w.state()["broken"]), count)
            self.assertEqual(w.log("_" + name), [])
            self.assertEqual([c.args[2 if name[5:6] == "v" else 3] for c in w.log("_" + instead)], [MSG_NOSIGNAL] * 2)

    def test_so_it_is_however_the_socket_came(self):
        from macho_emu import Sock, Terminated

        def dead():
            socket = Sock(1, 1, 0)
            socket.connected = True
            socket.disconnected()
            return socket

        def by_message(w):
            self.receive(w, [[dead()]])
            return w.log("_recvmsg")[-1].notes["fds"][0]

        def by_port(w):
            w.ports[1] = dead()
            return w.call_hook("fileport_makefd", 1)

        def by_api(w, fd=9):
            w.kernel.fds[fd] = dead()
            self.assertEqual(w.func("nosigpipe_configure_socket", "i:i")(fd), 0)
            return fd
        at_load = self.scope("sockets", before=lambda w: w.kernel.fds.update({7: dead()}))
        for w, come in ((at_load, lambda w: 7), *((self.scope("sockets"), how) for how in (by_message, by_port, by_api))):
            w.kernel.msg_nosignal = True
            self.assertEqual((w.call_hook("write", come(w), w.buf(b"x"), 1), w.kernel.delivered), (-1, []))
        # So many descriptors are not remembered; what is beyond is as it was.
        w = self.scope("sockets")
        w.kernel.msg_nosignal = True
        w.call_hook("write", by_api(w, 65535), w.buf(b"x"), 1)
        with self.assertRaises(Terminated):
            w.call_hook("write", by_api(w, 65536), w.buf(b"x"), 1)

    def test_a_descriptor_that_is_a_pipe_now_is_written_to_as_a_pipe(self):
        from macho_emu import Terminated
        for name, _, call in self.sends("write", "writev"):
            w = self.scope("sockets")
            fd = self.gone(w)
            w.kernel.close(fd)
            w.real("_pipe")(w.buf(bytes(8)))
            reading, writing = w.log("_pipe")[-1].notes["fds"]
            w.kernel.fds[fd] = w.kernel.fds.pop(writing)
            mark = w.mark()
            w.errno = 5
            self.assertEqual((call(w, fd), call(w, fd), w.errno), (3, 3, 5), name)
            # It was found out once.
            self.assertEqual([c.name for c in w.log("_sendto", "_sendto$NOCANCEL", "_sendmsg", "_sendmsg$NOCANCEL",
                                                    "_write", "_writev", "_write$NOCANCEL", "_writev$NOCANCEL",
                                                    since=mark)][1:], ["_" + name] * 2)
            w.kernel.fds[fd].other = None
            with self.assertRaises(Terminated):
                call(w, fd)

    def test_a_descriptor_that_is_another_socket_now_is_forgotten(self):
        w = self.scope("sockets")
        fd = self.gone(w)
        w.kernel.close(fd)
        pair = w.buf(bytes(8))
        w.call_hook("socketpair", AF_UNIX, SOCK_STREAM, 0, pair)
        self.assertEqual((w.i32(pair), w.call_hook("write", fd, w.buf(b"abc"), 3)), (fd, 3))
        self.assertEqual(w.log("_sendto"), [])

    def test_other_descriptors_are_written_to_as_ever(self):
        w = self.scope("sockets")
        pair = w.buf(bytes(8))
        w.call_hook("socketpair", AF_UNIX, SOCK_STREAM, 0, pair)
        self.gone(w)
        for name, _, call in self.sends("write", "writev"):
            self.assertEqual(call(w, w.i32(pair)), 3)
            self.assertEqual(len(w.log("_" + name)), 1, name)
        self.assertEqual((w.call_hook("write", -1, 0, 0), w.errno), (-1, 9))
        self.assertEqual(w.log("_sendto", "_sendto$NOCANCEL", "_sendmsg", "_sendmsg$NOCANCEL"), [])

    def test_what_a_socket_that_has_refused_the_option_answers_passes_through(self):
        for name, _, call in self.sends("write", "writev"):
            instead = name.replace("writev", "sendmsg").replace("write", "sendto")
            w = self.scope("sockets")
            fd = self.gone(w)
            for error in (4, 9, 22, 32, 35, 54):
                w.inject("_" + instead, errno=error)
                self.assertEqual((call(w, fd), w.errno), (-1, error), name)
            w.inject("_" + instead, ret=2)
            w.errno = 5
            self.assertEqual((call(w, fd), w.errno), (2, 5), name)
            self.assertEqual((w.log("_" + name), w.kernel.delivered), ([], []))

    def test_what_write_refuses_and_send_does_not_is_left_to_write(self):
        for hook, arguments in (("write", (0, 1 << 31)), ("writev", (0, 0)), ("writev", (0, -1)), ("writev", (0, 1025))):
            for name in (hook, hook + "$NOCANCEL"):
                w = self.scope("sockets")
                w.inject("_" + name, errno=EINVAL)
                self.assertEqual((w.call_hook(name, self.gone(w), *arguments), w.errno), (-1, EINVAL), (name, arguments))

    def test_a_program_that_sets_sigpipe_itself_is_not_hit_by_such_a_socket(self):
        w = self.start()
        w.call_hook("signal", SIGPIPE, SIG_DFL)
        self.assertEqual((w.call_hook("write", self.gone(w), w.buf(b"x"), 1), w.errno), (-1, EPIPE))

    def test_scope_off_leaves_such_a_socket_alone(self):
        from macho_emu import Terminated
        w = self.scope("off")
        with self.assertRaises(Terminated):
            w.call_hook("write", self.gone(w), w.buf(b"x"), 1)

    def test_scope_off_changes_no_flags(self):
        w = self.scope("off")
        pair = w.buf(bytes(8))
        w.call_hook("socketpair", AF_UNIX, SOCK_STREAM, 0, pair)
        for name, flags, call in self.sends("send", "sendto", "sendmsg"):
            self.assertEqual(call(w, w.i32(pair)), 3)
            self.assertEqual(w.log("_" + name)[-1].args[flags], 0x40)

    def test_what_a_call_returns_and_its_errno_pass_through(self):
        for name, _, call in self.sends():
            w = self.start()
            pair = w.buf(bytes(8))
            w.call_hook("socketpair", AF_UNIX, SOCK_STREAM, 0, pair)
            w.errno = 5
            self.assertEqual((call(w, w.i32(pair)), w.errno), (3, 5), name)
            for error in (4, 35, 32, 22, 55):
                w.inject("_" + name, errno=error)
                self.assertEqual((call(w, w.i32(pair)), w.errno), (-1, error), name)

    def test_the_api_configures_a_socket_and_says_what_is_none(self):
        w = self.start()
        configure = w.func("nosigpipe_configure_socket", "i:i")
        fd = w.real("_socket")(AF_INET, SOCK_STREAM, 0)
        self.assertEqual(configure(fd), 0)
        self.assertTrue(self.silent(w, fd))
        self.assertEqual((configure(1), w.errno), (-1, ENOTSOCK))
        w.inject("_setsockopt", errno=EINVAL)
        self.assertEqual(configure(fd), 0)

    def test_the_api_sends_without_a_signal(self):
        w = self.scope("off")
        w.kernel.msg_nosignal = True
        fd = w.broken_socket(silent=False)
        self.assertEqual((w.func("nosigpipe_send", "l:ippi")(fd, w.buf(b"x"), 1, 0), w.errno), (-1, EPIPE))
        self.assertEqual(w.kernel.delivered, [])


class Pipes(Process):
    def test_a_broken_pipe_fails_in_scope_process(self):
        w = self.start()
        self.assertEqual(w.call_hook("write", w.broken_pipe(), w.buf(b"x"), 1), -1)
        self.assertEqual(w.kernel.delivered, [(SIGPIPE, "ignored")])
        self.assertEqual(sum(w.state()["broken"]), 1)

    def test_a_broken_pipe_kills_in_scope_sockets(self):
        from macho_emu import Terminated
        w = self.scope("sockets")
        with self.assertRaises(Terminated) as death:
            w.call_hook("write", w.broken_pipe(), w.buf(b"x"), 1)
        self.assertEqual(death.exception.sig, SIGPIPE)

    def test_a_program_that_wants_to_die_of_its_pipes_does_and_its_sockets_stay_safe(self):
        from macho_emu import Terminated
        w = self.start()
        w.call_hook("signal", SIGPIPE, SIG_DFL)
        self.assertEqual(w.call_hook("write", w.broken_socket(), w.buf(b"x"), 1), -1)
        with self.assertRaises(Terminated):
            w.call_hook("write", w.broken_pipe(), w.buf(b"x"), 1)

    def test_our_own_line_on_a_broken_standard_error_kills_nobody(self):
        def before(w):
            out = w.buf(bytes(8))
            w.real("_pipe")(out)
            reading, writing = struct.unpack("<ii", w.rd(out, 8))
            w.kernel.close(reading)
            w.kernel.fds[2] = w.kernel.fds.pop(writing)
        w = self.start(env={"NOSIGPIPE_SCOPE": "sockets", "NOSIGPIPE_LOG": "nonsense"}, before=before)
        self.assertEqual(w.kernel.delivered, [])
        self.assertFalse(w.kernel.fds[2].nosigpipe)


class Signals(Process):
    def handler(self, w):
        return w.function({"arm64": "c0035fd6", "x86_64": "c3"})

    def test_the_program_is_told_sig_ign(self):
        w = self.start()
        self.assertEqual(w.sigaction(SIGPIPE), (SIG_IGN, TOLD, 0))
        self.assertEqual(w.call_hook("signal", SIGPIPE, SIG_DFL), SIG_IGN)

    def test_what_the_program_sets_it_is_told_and_the_kernel_has(self):
        w = self.start()
        handler = self.handler(w)
        for action in ((handler, 0x5002, SA_RESTART | SA_SIGINFO), (SIG_DFL, 0, 0), (SIG_IGN, 0, 0)):
            w.sigaction(SIGPIPE, *action)
            self.assertEqual(w.sigaction(SIGPIPE), action)
            self.assertEqual(w.disposition(), action[0])

    def test_flags_and_blocked_signals_that_the_kernel_drops_are_not_told_back(self):
        w = self.start()
        w.sigaction(SIGPIPE, self.handler(w), 0xFFFFFFFF, 0x7F)
        self.assertEqual(w.sigaction(SIGPIPE)[1:], (0xFFFFFFFF & ~(1 << 8 | 1 << 16), 0x57))

    def test_signal_is_bsd_signal(self):
        for name in ("signal", "bsd_signal"):
            w = self.start()
            for number in (SIGINT, SIGTERM, SIGPIPE):
                handler = self.handler(w)
                before = SIG_IGN if number == SIGPIPE else SIG_DFL
                self.assertEqual(w.call_hook(name, number, handler), before)
                self.assertEqual(w.sigaction(number), (handler, 0, SA_RESTART))
                self.assertEqual(w.kernel.action(number), (handler, 0, SA_RESTART))
            self.assertEqual(w.log("_signal", "_bsd_signal"), [])

    def test_a_libc_whose_signal_calls_sigaction_comes_by_once(self):
        # As macOS's does, whose call is bound to the hook; it would come back to us for ever if we called it.
        for name in ("signal", "bsd_signal", "sigset"):
            w = self.start()

            def libc(w, number, handler):
                w.sigaction(number, handler, 0, SA_RESTART)
                return 0
            for twin in ("_signal", "_bsd_signal", "_sigset"):
                w.overrides[twin] = libc
            handler = self.handler(w)
            mark = w.mark()
            self.assertEqual(w.call_hook(name, SIGPIPE, handler), SIG_IGN, name)
            self.assertEqual(w.kernel.action(SIGPIPE)[0], handler, name)
            changes = [call for call in w.log("_sigaction", since=mark) if "act" in call.notes]
            self.assertEqual(len(changes), 1, name)
            # Other functions of libc may call sigaction, too: it is the program's wish.
            w.sigaction(SIGPIPE, SIG_DFL)
            self.assertEqual((w.disposition(), w.call_hook("signal", SIGPIPE, SIG_IGN)), (SIG_DFL, SIG_DFL), name)

    def test_signal_refuses_what_libc_refuses(self):
        w = self.start()
        for name in ("signal", "bsd_signal", "sigset"):
            for number in (0, 32, 9):
                w.errno = 0
                self.assertEqual((w.call_hook(name, number, SIG_IGN) & SIG_ERR, w.errno), (SIG_ERR, EINVAL), name)
        self.assertEqual((w.call_hook("sigignore", 99), w.errno), (-1, EINVAL))
        self.assertEqual((w.call_hook("siginterrupt", 99, 1), w.errno), (-1, EINVAL))

    def test_siginterrupt_takes_restart_away_for_good(self):
        w = self.start()
        for number in (SIGTERM, SIGPIPE):
            handler = self.handler(w)
            w.call_hook("signal", number, handler)
            self.assertEqual(w.call_hook("siginterrupt", number, 1), 0)
            self.assertEqual(w.sigaction(number), (handler, 0, 0))
            w.call_hook("signal", number, handler)
            self.assertEqual(w.sigaction(number), (handler, 0, 0))
            self.assertEqual(w.call_hook("siginterrupt", number, 0), 0)
            self.assertEqual(w.sigaction(number), (handler, 0, SA_RESTART))

    def test_sigset_holds_and_lets_go(self):
        w = self.start()
        self.assertEqual(w.call_hook("sigset", SIGPIPE, SIG_HOLD), SIG_IGN)
        self.assertEqual(w.thread.mask, 1 << (SIGPIPE - 1))
        self.assertEqual(w.call_hook("sigset", SIGPIPE, SIG_DFL), SIG_HOLD)
        self.assertEqual((w.thread.mask, w.disposition()), (0, SIG_DFL))

    def test_sigignore_ignores(self):
        w = self.start()
        self.assertEqual(w.call_hook("sigignore", SIGTERM), 0)
        self.assertEqual(w.kernel.action(SIGTERM)[0], SIG_IGN)

    def test_other_signals_are_the_kernels(self):
        w = self.start()
        handler = self.handler(w)
        w.sigaction(SIGTERM, handler, 0x20, SA_SIGINFO)
        self.assertEqual(w.kernel.action(SIGTERM), (handler, 0x20, SA_SIGINFO))
        self.assertEqual(w.sigaction(SIGTERM), (handler, 0x20, SA_SIGINFO))

    def test_saving_and_restoring_the_action_asks_for_nothing(self):
        # As libcurl does around every transfer.
        w = self.start()
        for _ in range(40):
            saved = w.sigaction(SIGPIPE)
            w.sigaction(SIGPIPE, SIG_IGN)
            w.sigaction(SIGPIPE, *saved)
        self.assertEqual(w.disposition(), SIG_IGN)
        self.call_execve(w)
        self.assertEqual(w.log("_execve")[-1].notes["child"], SIG_DFL)

    def test_a_handler_of_the_program_is_called_for_a_pipe(self):
        w = self.start()
        w.call_hook("signal", SIGPIPE, self.handler(w))
        self.assertEqual(w.call_hook("write", w.broken_pipe(), w.buf(b"x"), 1), -1)
        self.assertEqual(w.kernel.delivered, [(SIGPIPE, "handled")])

    def call_execve(self, w):
        self.assertEqual(w.call_hook("execve", w.string(b"/bin/ls"), w.buf(bytes(8)), w.buf(bytes(8))), -1)
        self.assertEqual(w.errno, ENOENT)


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


SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGBUS, SIGSEGV, SIGSYS = 4, 5, 6, 8, 10, 11, 12


class Crashes(Process):
    """The handler, entered as the kernel would enter it."""

    def die(self, w, signal):
        """What the return from the handler leads to: the signal that is pending, or the instruction that faults again."""
        from macho_emu import Terminated
        self.assertEqual(w.kernel.action(signal)[0], SIG_DFL)
        self.assertFalse(w.thread.mask >> (signal - 1) & 1)
        with self.assertRaises(Terminated) as death:
            w.kernel.unmasked()
            w.kernel.post(signal)
        self.assertEqual(death.exception.sig, signal)

    def test_crash_signals_have_the_handler_and_the_program_is_told_the_default(self):
        w = self.start()
        for signal in (SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGBUS, SIGSEGV, SIGSYS):
            handler, mask, flags = w.kernel.action(signal)
            self.assertNotIn(handler, (SIG_DFL, SIG_IGN))
            self.assertEqual(flags, SA_SIGINFO | SA_ONSTACK | SA_NODEFER)
            self.assertEqual(w.sigaction(signal), (SIG_DFL, 0, 0))

    def test_crash_off_leaves_all_alone(self):
        w = self.start(env={"NOSIGPIPE_CRASH": "off"})
        self.assertEqual(w.kernel.action(SIGSEGV)[0], SIG_DFL)
        self.assertEqual(w.thread.altstack[1], 0)

    def test_a_handler_of_the_program_owns_the_signal(self):
        w = self.start()
        handler = w.function({"arm64": "c0035fd6", "x86_64": "c3"})
        w.sigaction(SIGSEGV, handler, 0x20, SA_SIGINFO)
        self.assertEqual(w.kernel.action(SIGSEGV), (handler, 0x20, SA_SIGINFO))
        w.sigaction(SIGSEGV, SIG_DFL)
        self.assertNotIn(w.kernel.action(SIGSEGV)[0], (handler, SIG_DFL))

    def test_what_happened_is_told_by_the_exception_and_not_by_the_code(self):
        """On arm64 the kernel's code depends on the signal alone; on x86_64 a general protection fault has none."""
        pc = 0x144444440
        arm64 = [
            (SIGSEGV, 2, 0, (0x24, 0x45), "SIGSEGV, segmentation fault writing 0x0 (null pointer): nothing is mapped there (SEGV_MAPERR)"),
            (SIGSEGV, 2, 0x7000, (0x20, 0x0F), "executing 0x7000 (null pointer + 28672): not allowed there (SEGV_ACCERR)"),
            (SIGSEGV, 2, 0, (0x1C, 0), f"at {pc:#x}: the signature of a pointer is wrong (FPAC)"),
            (SIGBUS, 1, 0x123456, (0x24, 0x21), "SIGBUS, bus error reading 0x123456: misaligned address (BUS_ADRALN)"),
            (SIGBUS, 1, 0x123456, (0x24, 0x4F), "bus error writing 0x123456: not allowed there (KERN_PROTECTION_FAILURE)"),
            (SIGFPE, 1, 0, (0x2C, 0), f"SIGFPE, arithmetic error at {pc:#x}: floating-point division by zero (FPE_FLTDIV)"),
            (SIGILL, 2, 0, (0, 0), f"SIGILL, illegal instruction at {pc:#x}: illegal opcode (ILL_ILLOPC)"),
            (SIGTRAP, 0, 0, (0x3C, 1), f"SIGTRAP, trap at {pc:#x}: breakpoint (TRAP_BRKPT)"),
        ]
        x86_64 = [
            (SIGSEGV, 1, 0, (14, 2), "SIGSEGV, segmentation fault writing 0x0 (null pointer): nothing is mapped there (SEGV_MAPERR)"),
            (SIGSEGV, 2, 0x7000, (14, 17), "executing 0x7000 (null pointer + 28672): not allowed there (SEGV_ACCERR)"),
            (SIGSEGV, 0, 0, (13, 0), "general protection fault, cause unknown (SI_KERNEL"),
            (SIGBUS, 2, 0x123456, (14, 3), "bus error writing 0x123456: not allowed there (KERN_PROTECTION_FAILURE)"),
            (SIGFPE, 7, 0, (0, 0), f"SIGFPE, arithmetic error at {pc:#x}: integer division by zero (FPE_INTDIV)"),
            (SIGFPE, 1, 0, (19, 0), "floating-point division by zero (FPE_FLTDIV)"),
            (SIGILL, 1, 0, (6, 0), f"SIGILL, illegal instruction at {pc:#x}: illegal opcode (ILL_ILLOPC)"),
            (SIGTRAP, 1, 0, (3, 0), f"SIGTRAP, trap at {pc:#x}: breakpoint (TRAP_BRKPT)"),
        ]
        for signal, code, address, exception, words in arm64 if self.arch == "arm64" else x86_64:
            w = self.start()
            registers = [0] * (32 if self.arch == "arm64" else 16) + [pc]
            w.deliver(signal, code, address, registers, w.exception(exception, exception))
            self.assertIn(words, w.stderr.decode().splitlines()[0])
            self.die(w, signal)

    def test_a_signal_that_was_sent_is_none_of_the_threads_own(self):
        """The code says nothing: on arm64 it is SEGV_ACCERR, on x86_64 TRAP_BRKPT, even then. Nobody says who sent it."""
        for signal, code in ((SIGSEGV, 2), (SIGTRAP, 1 if self.arch == "x86_64" else 0), (SIGILL, 2)):
            w = self.start()
            w.deliver(signal, code, exception=w.exception((0x15, 0), (0x81, 0)))
            told = "raised by the process itself" if signal == SIGTRAP and self.arch == "arm64" else \
                "sent by somebody whom the system does not name"
            self.assertIn(told + " (SI_USER)", w.stderr.decode())
            self.assertEqual(w.kernel.delivered[-1], (signal, "pending"))
            self.die(w, signal)

    def test_a_signal_whose_sender_is_known_says_by_whom(self):
        w = self.start()
        w.deliver(SIGABRT, 0x10001, sender=77)
        self.assertIn("sent by pid 77 of uid 501 (SI_USER)", w.stderr.decode())
        self.die(w, SIGABRT)

    def test_abort_is_raised_by_the_process_itself(self):
        w = self.start()
        w.deliver(SIGABRT)
        self.assertIn("SIGABRT, aborted, raised by the process itself", w.stderr.decode())
        self.die(w, SIGABRT)

    def test_a_fault_that_comes_again_is_left_to_the_instruction(self):
        """So that the system's crash reporter sees the exception. What has become harmless meanwhile is sent."""
        w = self.start()
        readable, sent = w.mmap(0x1000), []
        for address, write, again in ((0xDEAD0000, False, True), (readable, False, False), (readable, True, False)):
            w = self.start()
            w.mmap(0x1000)
            left = w.deliver(SIGSEGV, 1, address, exception=w.page_fault(write))
            self.assertFalse(left >> (SIGSEGV - 1) & 1)
            sent.append((SIGSEGV, "pending") not in w.kernel.delivered)
            self.assertEqual(sent[-1], again, hex(address))
            self.assertEqual(w.state()["crashes"], 1)
            self.die(w, SIGSEGV)

    def test_a_write_to_what_may_only_be_read_comes_again(self):
        w = self.start()
        code = w.function({"arm64": "c0035fd6", "x86_64": "c3"})
        w.deliver(SIGBUS, 1, code, exception=w.page_fault(write=True, mapped=True))
        self.assertEqual([s for s, _ in w.kernel.delivered if s == SIGBUS], [])
        self.die(w, SIGBUS)

    def test_a_program_asks_for_a_core_limit(self):
        w = self.start(env={"NOSIGPIPE_CORE": "4096"})
        self.assertEqual(w.limits, {4: (4096, 1 << 40)})

    def test_a_new_thread_gets_a_signal_stack_and_gives_it_back(self):
        w = self.start()
        seen = []
        w.overrides["_sched_yield"] = lambda w: seen.append(w.thread.altstack) or 0
        trap = w.trap("_sched_yield")
        code = {"arm64": "e00f1ef8" + "".join(
                    struct.pack("<I", 0xD2800009 | op << 21 | (trap >> 16 * op & 0xFFFF) << 5 | (op and 1 << 29)).hex()
                    for op in range(4)) + "20013fd6" + "e00741f8" + "c0035fd6",
                "x86_64": "50" + "48b8" + struct.pack("<Q", trap).hex() + "ffd0" + "58" + "c3"}
        code["arm64"] = code["arm64"].replace("e00f1ef8", "fe0f1ff8").replace("e00741f8", "fe0741f8")
        for _ in range(3):
            self.assertEqual(w.call_hook("pthread_create", w.buf(bytes(8)), 0, w.function(code), 0), 0)
        stack, size, flags = seen[0]
        self.assertGreaterEqual(size, 0x10000)
        self.assertEqual(flags, 0)
        # The next one gets the same, since the one before has ended.
        self.assertEqual(seen, [seen[0]] * 3)
        self.assertNotEqual(stack, w.threads[0].altstack[0])

    def test_a_thread_that_can_not_be_made_is_an_error_as_ever(self):
        w = self.start()
        # It is tried again without a stack of ours.
        w.inject("_pthread_create", ret=35, times=2)
        self.assertEqual(w.call_hook("pthread_create", w.buf(bytes(8)), 0, w.function({"arm64": "c0035fd6", "x86_64": "c3"}), 0), 35)


@unittest.skipUnless(CLIENT, "no client program was built")
class CrashedPrograms(Process):
    """Reports of a real program's crash."""

    def crash(self, **rest):
        w = self.start(**rest)
        image = w.load(CLIENT)
        return w, image, w.run_into_fault(image, "client", "crash")

    def report(self, w, address, registers):
        w.deliver(SIGSEGV, 1, address, registers, w.page_fault(write=True))
        return w.stderr.decode()

    def frames(self, text):
        """The frames of the crashed thread, without their numbers."""
        lines = text.split("which crashed:\n")[1].splitlines()
        return [line[6:].lstrip() for line in itertools.takewhile(lambda line: line.startswith("  #"), lines)]

    def test_a_null_pointer_is_reported_with_the_functions_that_led_to_it(self):
        w, image, (registers, address) = self.crash()
        text = self.report(w, address, registers)
        self.assertIn(f"crashed: SIGSEGV, segmentation fault writing {address:#x} (null pointer + {address})", text)
        self.assertIn("  in client::function_that_crashes, fingerprint ", text)
        frames = self.frames(text)
        uuid = bytes(image.b.uuid.uuid).hex()
        place = f"[client+0x{registers[-1] - image.slide:x} {uuid[:8]}]"
        self.assertRegex(frames[0], r"^client::function_that_crashes \+ \d+ " + re.escape(place))
        self.assertRegex(frames[1], r"^client::function_that_calls \+ \d+ \[client\+")
        self.assertRegex(frames[2], r"^main \+ \d+ \[client\+")
        self.assertIn(f"target/macos/out/client build id {uuid}".split("/")[-1], text)
        self.assertIn("  and 1 more", text)
        name, value = ("lr", registers[30]) if self.arch == "arm64" else ("rdi", registers[4])
        self.assertIn(f"{name} {value:016x}", text)
        self.assertLess(len(frames), 5)

    def test_the_address_is_explained_by_what_is_mapped_around_it(self):
        w, image, (registers, _) = self.crash()
        for address, words in ((0x10, "the address is 16 (0x10) bytes from the null pointer"),
                               (image.symbols["_main"], "client, which may be read and executed, but not written"),
                               (w.string(b"x"), "the address is in [malloc], which may be read and written")):
            w, _, _ = self.crash()
            self.assertIn(words, self.report(w, address, registers))

    def test_an_overflow_of_the_stack_is_called_so(self):
        w, image, (registers, _) = self.crash()
        registers = list(registers)
        registers[31 if self.arch == "arm64" else 7] = w.thread.stack + 16
        self.assertIn("stack overflow: ", self.report(w, w.thread.stack - 8, registers))

    def test_without_dylds_list_the_addresses_are_told(self):
        w, image, (registers, address) = self.crash()
        w.tells_images = False
        self.assertIn(f"  #0  {registers[-1]:#x} [no file]\n", self.report(w, address, registers))

    def test_a_kernel_that_tells_nothing_of_memory_leaves_addresses(self):
        w, image, (registers, address) = self.crash()
        w.tells_regions = False
        self.assertIn(f"  #0  {registers[-1]:#x}", self.report(w, address, registers))

    def test_a_smashed_stack_ends_the_report_and_nothing_else(self):
        w, image, (registers, address) = self.crash()
        fp = 29 if self.arch == "arm64" else 6
        for wild in (8, 0xDEAD0000DEAD0000, (1 << 64) - 8, w.mmap(0x1000) + 3):
            broken = list(registers)
            broken[fp] = wild
            w, image, _ = self.crash()
            text = self.report(w, address, broken)
            self.assertIn("  #0  client::function_that_crashes", text)
            self.assertIn("registers:", text)
            self.assertEqual(w.kernel.action(SIGSEGV)[0], SIG_DFL)

    def test_a_call_through_a_null_pointer_names_the_caller(self):
        w, image, (registers, address) = self.crash()
        # The return address of main's call of function_that_calls, which lies on the stack or in its frame.
        caller = self.return_into(w, image, "_main")
        registers = list(registers)
        registers[-1] = 0
        if self.arch == "arm64":
            registers[30] = caller
        else:
            stack = registers[7] - 8
            w.put64(stack, caller)
            registers[7] = stack
        frames = self.frames(self.report(w, 0, registers))
        self.assertEqual(frames[0], "0x0 [no file]")
        self.assertRegex(frames[1], r"^main \+ \d+ ")

    def return_into(self, w, image, name):
        """An address behind a call in this function."""
        code = w.rd(image.symbols[name], 0x80)
        if self.arch == "arm64":
            words = struct.unpack("<32I", code)
            return image.symbols[name] + 4 * next(i + 1 for i, word in enumerate(words) if word >> 26 == 0b100101)
        return image.symbols[name] + code.index(b"\xe8") + 5

    def made(self, w, path, segments, symbols=(), starts=()):
        """An image made here, loaded under this path."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(macho(self.arch, DYLIB, segments, symbols, bytes(range(16)), starts))
            file.flush()
            image = w.load(file.name)
        image.path = path
        return image

    def test_a_symbol_table_of_several_regions_is_read_to_its_end(self):
        w, image, (registers, address) = self.crash()
        text = 0x180000000
        start = text + w.arch.page
        image = self.made(w, "/usr/lib/libmany.dylib", {"__TEXT": (text, 5, {"__text": (bytes(64), CODE)})},
                          [("_other", start)] * 4000 + [("_last_one", start + 8)])
        [linkedit] = [s for s in image.b.segments if s.name == "__LINKEDIT"]
        self.assertGreater(linkedit.virtual_size, 2 * w.arch.page)
        w.uc.mem_protect(linkedit.virtual_address + image.slide + w.arch.page, w.arch.page, 3)
        registers = [*registers[:-1], start + image.slide + 12]
        self.assertRegex(self.frames(self.report(w, address, registers))[0], r"^last_one \+ 4 \[libmany")

    def test_a_report_that_takes_too_long_goes_on_without_names(self):
        w, image, (registers, address) = self.crash()
        self.others(w, image, registers)

        def slow(w, path, flags, *rest):
            w.clock += 9 * 10**9
            raise Errno(ENOENT)
        w.overrides["_open"] = slow
        text = self.report(w, address, registers)
        frames = self.frames(text)
        self.assertRegex(frames[0], r"^client::function_that_crashes \+ ")
        self.assertRegex(frames[1], r"^0x[0-9a-f]+ \[client\+")
        self.assertIn("3 threads were not looked at: there was no time left", text)
        self.assertIn("registers:", text)

    def test_what_libraries_said_before_they_aborted_is_told(self):
        w, image, (registers, address) = self.crash()
        text, data = 0x180000000, 0x180010000
        said = lambda *messages: struct.pack("<6Q", 5, messages[0], 0, 0, messages[1], 0)
        segments = {"__TEXT": (text, 5, {"__text": (b"\0" * 16, CODE)}),
                    "__DATA": (data, 3, {"__crash_info": (bytes(64), 0)})}
        libc, dyld = (self.made(w, path, segments, [("_a", text)]) for path in ("/usr/lib/libc++abi.dylib", "/usr/lib/dyld"))
        w.wr(data + libc.slide, said(w.string(b"terminating due to uncaught exception \n"), w.string(b"of type int")))
        w.wr(data + dyld.slide, said(w.string(b"dyld4 config: DYLD_INSERT_LIBRARIES=libnosigpipe.dylib"), 0x10))
        text = self.report(w, address, registers)
        self.assertIn("terminating due to uncaught exception; of type int\n", text)
        self.assertNotIn("config:", text)

    def in_handler(self, w, image, interrupted, signal=SIGSEGV, code=2, address=0x14, exception=None):
        """The registers of a thread in a signal handler: the kernel's frame, the trampoline's, the handler's."""
        text = 0x180000000
        code_here = {"arm64": bytes.fromhex("1f2003d5") * 16, "x86_64": b"\x90" * 64}[self.arch]
        segments = {"__TEXT": (text, 5, {"__text": (code_here, CODE)})}
        start = text + w.arch.page
        system = self.made(w, "/usr/lib/system/libsystem_platform.dylib", segments, [("__sigtramp", start)])
        program = self.made(w, "/usr/local/lib/libhandler.dylib", segments, [("_on_signal", start)])
        machine = struct.pack("<QQ", *(exception or w.page_fault(write=True)))
        machine += struct.pack(f"<{len(interrupted)}Q", *interrupted)
        info = struct.pack("<iiiiIiQ", signal, 0, code, 0, 0, 0, address).ljust(104, b"\0")
        stack = w.mmap(0x4000) + 0x2000
        fp = stack + 16
        frame = stack + 0x80
        context = lambda size, at: struct.pack("<iIQQQQQQ", 0, 0, 0, 0, 0, 0, size, at)
        if self.arch == "arm64":
            w.wr(frame, info + context(816, frame + 160) + machine.ljust(816, b"\0"))
        else:
            # Between the registers there is what looks like a context at first sight.
            machine = machine.ljust(712, b"\0")
            machine = machine[:500] + struct.pack("<III", 0, 0, 0) + struct.pack("<QQ", 0x200, frame) + machine[528:]
            w.wr(frame, machine + info + context(712, frame))
        w.wr(fp, struct.pack("<QQ", stack + 0x60, start + system.slide + 8))
        registers = [0] * len(interrupted)
        number = {"arm64": (29, 31), "x86_64": (6, 7)}[self.arch]
        registers[number[0]], registers[number[1]], registers[-1] = fp, stack, start + program.slide + 12
        return registers

    def test_a_crash_in_a_signal_handler_shows_what_the_signal_has_interrupted(self):
        for signal, code, exception, words in (
                (SIGSEGV, 1, None, " by SIGSEGV, SEGV_MAPERR at 0x14"), (SIGSEGV, 1, (0, 0), " by SIGSEGV"),
                (SIGTERM, 0, (0, 0), "")):
            w, image, (registers, address) = self.crash()
            inside = self.in_handler(w, image, registers, signal, code, exception=exception)
            frames = self.frames(self.report(w, 0x666, inside))
            self.assertRegex(frames[0], r"^on_signal \+ 12 \[libhandler.dylib")
            self.assertIn(f"<signal handler called{words}>", frames[1])
            self.assertRegex(frames[2], r"^client::function_that_crashes \+ ")
            self.assertRegex(frames[3], r"^client::function_that_calls \+ ")
            self.assertRegex(frames[4], r"^main \+ ")

    def crash_with_lines(self, **rest):
        """Of the program that has a debug map; its object files are there."""
        program = pathlib.Path(CLIENT).parent / self.arch / "client-debug"
        w = self.start(**rest)
        image = w.load(program)
        for path in program.parent.glob("client-debug.*.o"):
            w.kernel.files[str(path)] = bytearray(path.read_bytes())
        self.assertTrue(w.kernel.files)
        found = w.run_into_fault(image, "client", "crash")
        return w, image, found

    def test_the_object_files_of_the_debug_map_tell_lines(self):
        w, image, (registers, address) = self.crash_with_lines()
        frames = self.frames(self.report(w, address, registers))
        source = (ROOT / "tests/macos/client/main.rs").read_text().splitlines()
        line = lambda text: next(n for n, found in enumerate(source, 1) if text in found)
        # What was inlined: write_volatile, of std.
        self.assertRegex(frames[0], r"write_volatile.* mut_ptr\.rs:\d+|write_volatile")
        crashes = next(frame for frame in frames if "client::function_that_crashes" in frame)
        self.assertIn(f"main.rs:{line('nowhere.write_volatile')}", crashes)
        calls = next(frame for frame in frames if "client::function_that_calls" in frame)
        self.assertIn(f"main.rs:{line('function_that_crashes(std')}", calls)
        self.assertTrue(any("main" in f and f"main.rs:{line('function_that_calls(count)')}" in f for f in frames), frames)

    def test_without_the_object_files_there_are_names(self):
        for content in (None, b"", b"\xcf\xfa\xed\xfe" + bytes(range(256)) * 8):
            w, image, (registers, address) = self.crash_with_lines()
            for path in list(w.kernel.files):
                w.kernel.files[path] = bytearray(content or b"")
                if content is None:
                    del w.kernel.files[path]
            frames = self.frames(self.report(w, address, registers))
            self.assertRegex(frames[0], r"^client::function_that_crashes \+ \d+ \[")
            self.assertRegex(frames[1], r"^client::function_that_calls \+ \d+ \[")

    def dsym_of(self, image, start, uuid=None, damage=lambda sections: sections):
        sections = dwarf("/src/server.c", "handle_request", start, 0x40, 77, "copy_header", 33)
        return dsym(self.arch, uuid or bytes(image.b.uuid.uuid), damage(sections))

    def test_a_dsym_beside_the_image_tells_functions_lines_and_what_was_inlined(self):
        w, image, (registers, address) = self.crash()
        start = next(a for n, a in image.symbols.items() if "function_that_crashes" in n) - image.slide
        path = image.path + ".dSYM/Contents/Resources/DWARF/client"
        w.kernel.files[path] = bytearray(self.dsym_of(image, start))
        frames = self.frames(self.report(w, address, registers))
        self.assertRegex(frames[0], r"^copy_header .*/src/server\.c:33.*")
        self.assertRegex(frames[1], r"^handle_request .*/src/server\.c:77.*")
        self.assertRegex(frames[2], r"^client::function_that_calls \+ ")

    def test_a_dsym_of_another_image_or_a_damaged_one_leaves_names(self):
        def cut(sections):
            return {name: (data[:len(data) // 2], flags) for name, (data, flags) in sections.items()}

        def garbled(sections):
            return {name: (data[:8] + bytes(b ^ 0x5A for b in data[8:]), flags) for name, (data, flags) in sections.items()}
        for uuid, damage in ((bytes(16), lambda sections: sections), (None, cut), (None, garbled)):
            w, image, (registers, address) = self.crash()
            start = next(a for n, a in image.symbols.items() if "function_that_crashes" in n) - image.slide
            path = image.path + ".dSYM/Contents/Resources/DWARF/client"
            w.kernel.files[path] = bytearray(self.dsym_of(image, start, uuid, damage))
            frames = self.frames(self.report(w, address, registers))
            self.assertRegex(frames[0], r"^client::function_that_crashes \+ \d+ \[")

    def test_a_function_that_has_not_saved_its_return_address_is_called_by_what_is_in_the_register(self):
        if self.arch == "x86_64":
            self.skipTest("a call leaves its return address on the stack")
        text, page = 0x180000000, 0x4000
        # One that makes a frame and one that does not: by compact information both have one.
        code = bytes.fromhex("fd7bbfa9" + "fd030091" + "1f2003d5" * 6 + "1f2003d5" * 8)
        segments = {"__TEXT": (text, 5, {"__text": (code, CODE), "__unwind_info": (framed(page, page + len(code)), 0)})}
        for function, offset, caller in (("with_frame", 0, "main"), ("leaf", 32, "client::function_that_calls")):
            w, image, (registers, address) = self.crash()
            leaf = self.made(w, "/usr/lib/libleaf.dylib", segments,
                             [("_with_frame", text + page), ("_leaf", text + page + 32)], [page, page + 32])
            calls = next(name for name in image.symbols if "function_that_calls" in name)
            registers[30] = self.return_into(w, image, calls)
            registers[-1] = text + page + leaf.slide + offset + 16
            frames = self.frames(self.report(w, address, registers))
            self.assertTrue(frames[0].startswith(function + " + 16 [libleaf"), frames)
            self.assertTrue(frames[1].startswith(caller + " + "), frames)

    def test_return_addresses_that_are_signed_are_followed(self):
        if self.arch == "x86_64":
            self.skipTest("there are no signatures")
        w, image, (registers, address) = self.crash()
        signed = lambda address: address | 0x7F3A8 << 44
        registers[30] = signed(registers[30])
        for place in (registers[29] + 8, w.u64(registers[29]) + 8):
            w.put64(place, signed(w.u64(place)))
        frames = self.frames(self.report(w, address, registers))
        self.assertRegex(frames[1], r"^client::function_that_calls \+ ")
        self.assertRegex(frames[2], r"^main \+ ")

    def test_under_rosetta_no_thread_is_stopped(self):
        if self.arch == "arm64":
            self.skipTest("nothing is translated to arm64")
        w, image, (registers, address) = self.crash()
        self.others(w, image, registers)
        w.overrides["_sysctlbyname"] = lambda w, name, old, *rest: w.put32(old, 1) or 0
        self.assertIn("Rosetta", self.report(w, address, registers))
        self.assertEqual([thread.suspended for thread in w.others], [0, 0, 0])

    def test_a_vforked_childs_crash_stops_none_of_its_parents_threads(self):
        w, image, (registers, address) = self.crash()
        self.others(w, image, registers)
        w.vfork_child()
        self.assertIn("client::function_that_calls", self.report(w, address, registers))
        self.assertEqual([thread.suspended for thread in w.others], [0, 0, 0])

    def test_a_terminal_that_poll_calls_no_descriptor_is_written_to(self):
        w, image, (registers, address) = self.crash()

        def poll(w, fds, count, timeout):
            w.wr(fds + 6, struct.pack("<h", 0x20))
            return 1
        w.overrides["_poll"] = poll
        text = self.report(w, address, registers)
        self.assertIn("crashed: SIGSEGV", text)
        self.assertIn("client::function_that_calls", text)

    def nested(self, *crashes):
        """What is written when the report itself meets with these signals, and that it ends by the first crash."""
        from macho_emu import Terminated
        w, image, (registers, address) = self.crash()
        left = list(crashes)

        def crash(w, *rest):
            while left:
                w.deliver_nested(*left.pop())
            return 1
        w.overrides["_mach_vm_region_recurse"] = crash
        with self.assertRaises(Terminated) as death:
            self.report(w, address, registers)
        self.assertEqual(death.exception.sig, SIGSEGV)
        self.assertIn("nosigpipe: the report crashed\n", w.stderr.decode())

    def test_a_panic_in_the_report_dies_of_the_crash(self):
        self.nested((SIGABRT, 0, (0, 0)))

    def test_a_fault_in_the_report_whose_exception_has_no_name_is_not_repeated_for_ever(self):
        self.nested(*[(SIGSEGV, 0x666, (0x81, 0))] * 40)

    def test_json_has_what_the_text_has(self):
        w, image, (registers, address) = self.crash(env={"NOSIGPIPE_FORMAT": "json"})
        report = json.loads(self.report(w, address, registers))
        self.assertEqual(report["nosigpipe_crash_report"], 1)
        self.assertEqual((report["program"], report["pid"], report["command"]), ("emu", PARENT, "client crash"))
        self.assertEqual(report["signal"]["name"], "SIGSEGV")
        names = [frame.get("function") for frame in report["crashed_thread"]["frames"]]
        self.assertEqual(names[:3], ["client::function_that_crashes", "client::function_that_calls", "main"])
        module = report["modules"][report["crashed_thread"]["frames"][0]["module"]]
        self.assertEqual(module["build_id"], bytes(image.b.uuid.uuid).hex())
        self.assertEqual(int(module["bias"], 16), image.slide)

    def test_a_report_goes_to_a_directory(self):
        w, image, (registers, address) = self.crash(env={"NOSIGPIPE_REPORT": "/reports"})
        text = self.report(w, address, registers)
        [(path, content)] = w.kernel.files.items()
        self.assertRegex(path, r"^/reports/emu\.4242\..*\.txt$")
        self.assertIn(f"nosigpipe: the report is in {path}\n", text)
        self.assertIn("client::function_that_calls", content.decode())

    def test_a_directory_that_can_not_be_written_leaves_standard_error(self):
        w, image, (registers, address) = self.crash(env={"NOSIGPIPE_REPORT": "/reports"})
        w.inject("_open", errno=ENOENT, times=100)
        text = self.report(w, address, registers)
        self.assertIn("no report could be written to /reports", text)
        self.assertIn("client::function_that_calls", text)
        self.assertEqual(w.kernel.files, {})

    def others(self, w, image, registers, **rest):
        """Two threads at the same place, in function_that_calls, and one that is in main."""
        at = lambda name: list(registers[:-1]) + [self.return_into(w, image, name)]
        w.others = [Other(2001, b"worker", at("_main")), Other(2002, b"worker", at("_main"), **rest),
                    Other(2003, b"idle", [0] * (len(registers) - 1) + [0x10])]

    def test_the_other_threads_are_shown_and_stand_still_until_the_end(self):
        w, image, (registers, address) = self.crash()
        self.others(w, image, registers)
        text = self.report(w, address, registers)
        self.assertIn('stack of 2 threads: 2001 to 2002 "worker"\n  #0  main + ', text)
        self.assertIn('stack of thread 2003 "idle":\n  #0  0x10 [no file]', text)
        self.assertEqual([thread.suspended for thread in w.others], [1, 1, 1])

    def test_a_thread_that_can_not_be_stopped_is_told_of(self):
        w, image, (registers, address) = self.crash()
        self.others(w, image, registers, refuses=True)
        text = self.report(w, address, registers)
        self.assertIn("the stacks of 1 threads can't be read", text)
        self.assertEqual([thread.references for thread in w.others], [1, 0, 1])

    def test_without_threads_from_the_kernel_the_crashed_one_is_told(self):
        w, image, (registers, address) = self.crash()
        w.tells_threads = False
        text = self.report(w, address, registers)
        self.assertIn("client::function_that_calls", text)
        self.assertIn("the other threads' stacks can't be read: task_threads failed (5)", text)

    def test_only_the_crashed_thread_on_request(self):
        w, image, (registers, address) = self.crash(env={"NOSIGPIPE_THREADS": "crashed"})
        self.others(w, image, registers)
        self.assertNotIn("worker", self.report(w, address, registers))
        self.assertEqual([thread.suspended for thread in w.others], [0, 0, 0])

    def test_a_report_before_the_programs_handler_lets_the_threads_go_on(self):
        w = self.start(env={"NOSIGPIPE_CRASH": "first"})
        handler = w.function({"arm64": "c0035fd6", "x86_64": "c3"})
        w.sigaction(SIGSEGV, handler, 0, SA_SIGINFO | SA_ONSTACK)
        image = w.load(CLIENT)
        registers, address = w.run_into_fault(image, "client", "crash")
        self.others(w, image, registers)
        self.assertIn("client::function_that_calls", self.report(w, address, registers))
        self.assertEqual([thread.suspended for thread in w.others], [0, 0, 0])
        self.assertEqual([thread.references for thread in w.others] + [w.references], [0, 0, 0, 0])
        self.assertNotEqual(w.kernel.action(SIGSEGV)[0], SIG_DFL)

    def test_a_crash_in_the_report_leaves_the_addresses_and_dies_of_the_first_one(self):
        from macho_emu import Terminated
        w, image, (registers, address) = self.crash()
        crashes = []

        def crash(w, *rest):
            if not crashes:
                crashes.append(1)
                w.deliver_nested(SIGSEGV, 0x666, w.page_fault())
            return 1
        w.overrides["_mach_vm_region_recurse"] = crash
        with self.assertRaises(Terminated) as death:
            self.report(w, address, registers)
        self.assertEqual(death.exception.sig, SIGSEGV)
        text = w.stderr.decode()
        self.assertIn("nosigpipe: the report crashed\n", text)
        self.assertRegex(text, rf"  #0  {registers[-1]:#x} \[client\+0x[0-9a-f]+ [0-9a-f]{{32}}\] client::function_that_crashes")
        self.assertRegex(text, r"  #\d +0x[0-9a-f]+ \[client\+0x[0-9a-f]+ [0-9a-f]{32}\] main")


@unittest.skipUnless(CLIENT, "no client program was built")
class Programs(Process):
    """A whole macOS program, alone and with the library inserted."""

    def run_client(self, *arguments, inserted=True, env=None, before=lambda w: None):
        from macho_emu import Terminated

        def prepare(w):
            # As kernels do that this library is for.
            w.kernel.msg_nosignal = True
            before(w)
        w = self.start(env=env, before=prepare) if inserted else \
            Machine(CLIENT, arch=self.arch, argv=("client",), before=prepare)
        self.world = w
        image = w.load(CLIENT) if inserted else w.images[0]
        try:
            status = w.run_main(image, "client", *arguments)
        except Terminated as death:
            status = -death.sig
        return status, bytes(w.stdout), bytes(w.stderr)

    def test_a_program_that_dies_alone_survives(self):
        self.assertEqual(self.run_client("socket", inserted=False)[0], -SIGPIPE)
        self.assertEqual(self.run_client("socket"), (0, b"survived\n", b""))

    def test_a_program_that_resets_sigpipe_survives_its_sockets(self):
        self.assertEqual(self.run_client("socket", "reset", inserted=False)[0], -SIGPIPE)
        self.assertEqual(self.run_client("socket", "reset"), (0, b"survived\n", b""))

    def test_a_program_survives_its_pipes_in_scope_process_only(self):
        self.assertEqual(self.run_client("pipe", inserted=False)[0], -SIGPIPE)
        self.assertEqual(self.run_client("pipe"), (0, b"survived\n", b""))
        self.assertEqual(self.run_client("pipe", env={"NOSIGPIPE_SCOPE": "sockets"})[0], -SIGPIPE)
        self.assertEqual(self.run_client("pipe", "reset")[0], -SIGPIPE)

    SOURCES = ("pair", "internet", "connected", "accepted", "accepted-nocancel", "accepted-by-loud", "gone", "received",
               "received-nocancel")

    def test_every_call_on_a_socket_from_everywhere_fails_and_no_signal_comes(self):
        for source in self.SOURCES:
            for scope, *reset in (("process",), ("process", "reset"), ("sockets",), ("tree",)):
                outcome = self.run_client("each", source, *reset, env={"NOSIGPIPE_SCOPE": scope})
                self.assertEqual(outcome, (0, b"survived\n", b""), (source, scope, reset))

    def test_without_the_library_and_in_scope_off_each_of_them_is_deadly(self):
        for source in ("pair", "internet", "connected"):
            self.assertEqual(self.run_client("each", source, inserted=False)[0], -SIGPIPE, source)
            self.assertEqual(self.run_client("each", source, env={"NOSIGPIPE_SCOPE": "off"})[0], -SIGPIPE, source)

    def test_a_socket_that_is_open_at_load_is_made_silent(self):
        def before(w):
            pair = w.buf(bytes(8))
            w.real("_socketpair")(AF_UNIX, SOCK_STREAM, 0, pair)
        for scope in ("process", "sockets", "tree"):
            outcome = self.run_client("heir", "3", "4", env={"NOSIGPIPE_SCOPE": scope}, before=before)
            self.assertEqual(outcome, (0, b"survived\n", b""), scope)

    STARTS = {"execve": "execve", "execv": "execv", "execvp": "execvp", "execl": "execv", "execlp": "execvp",
              "execle": "execve", "spawn": "posix_spawn", "spawn-attributes": "posix_spawn", "system": "system",
              "popen": "popen"}

    def test_what_is_started_has_the_sigpipe_that_it_would_have_had(self):
        """Nothing starts here, so that exec fails; a real compiler calls the functions that take a list."""
        for way, real in self.STARTS.items():
            for scope, child in (("process", SIG_DFL), ("sockets", SIG_DFL), ("tree", SIG_IGN), ("off", SIG_DFL)):
                got = []

                def begin(w, path, arguments, *rest):
                    got.append([w.cstr(w.u64(arguments + 8 * i)) for i in (0, 1)] + [w.u64(arguments + 16)])
                    got.append(rest)
                    return macho_emu.API["_" + real][1](w, path, arguments, *rest)

                def before(w):
                    if way.startswith("exec"):
                        w.overrides["_" + real] = begin
                status, _, errors = self.run_client("child", way, env={"NOSIGPIPE_SCOPE": scope}, before=before)
                [start] = self.world.log("_" + real)
                self.assertEqual((start.notes["child"], errors), (child, b""), (way, scope))
                if way.startswith("exec"):
                    self.assertEqual((status, got[0]), (6, [b"client", b"sigpipe", 0]), way)
                if real == "execve":
                    self.assertEqual(got[1], (self.world.u64(self.world.p_environ),), way)

    def test_the_program_is_told_that_sigpipe_is_ignored_where_it_is(self):
        for scope, told in (("process", b"ignored"), ("tree", b"ignored"), ("sockets", b"default"), ("off", b"default")):
            self.assertEqual(self.run_client("sigpipe", env={"NOSIGPIPE_SCOPE": scope}), (0, told + b"\n", b""))

    def test_what_a_program_sets_it_is_told(self):
        self.assertEqual(self.run_client("signals", inserted=False), (0, b"told\n", b""))
        for scope in ("process", "sockets", "tree", "off"):
            self.assertEqual(self.run_client("signals", env={"NOSIGPIPE_SCOPE": scope}), (0, b"told\n", b""), scope)

    def test_what_succeeds_leaves_errno_alone(self):
        self.assertEqual(self.run_client("errno"), (0, b"kept\n", b""))


KINDS = (Constructor, Sockets, Pipes, Signals, Children, Crashes, CrashedPrograms, Programs)
