"""Whole programs."""

import unittest

from emulator import API, Terminated
from models import *  # noqa: F403

from .process import CLIENT, Process


@unittest.skipUnless(CLIENT, "no client program was built")
class Programs(Process):
    """A whole macOS program, alone and with the library inserted."""

    def run_client(self, *arguments, inserted=True, env=None, before=lambda w: None):

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
                    return API["_" + real][1](w, path, arguments, *rest)

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
