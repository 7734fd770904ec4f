"""Pipes raise SIGPIPE as before."""

import struct

from emulator import Terminated
from models import *  # noqa: F403

from .process import Process


class Pipes(Process):
    def test_a_broken_pipe_fails_in_scope_process(self):
        w = self.start()
        self.assertEqual(w.call_hook("write", w.broken_pipe(), w.buf(b"x"), 1), -1)
        self.assertEqual(w.kernel.delivered, [(SIGPIPE, "ignored")])
        self.assertEqual(sum(w.state()["broken"]), 1)

    def test_a_broken_pipe_kills_in_scope_sockets(self):
        w = self.scope("sockets")
        with self.assertRaises(Terminated) as death:
            w.call_hook("write", w.broken_pipe(), w.buf(b"x"), 1)
        self.assertEqual(death.exception.sig, SIGPIPE)

    def test_a_program_that_wants_to_die_of_its_pipes_does_and_its_sockets_stay_safe(self):
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
