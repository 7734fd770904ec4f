"""Sockets, and the calls that make them and write to them."""

import struct

from emulator import PipeEnd, Sock, Terminated
from models import *  # noqa: F403

from .process import Process


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
