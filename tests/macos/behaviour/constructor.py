"""What the constructor does to the process."""

from models import *  # noqa: F403

from .process import Process


class Constructor(Process):
    def test_process_scope_ignores_sigpipe_and_says_which_process_it_is(self):
        w = self.start()
        self.assertEqual(w.disposition(), SIG_IGN)
        self.assertIn(b"NOSIGPIPE_PROCESS=4242", [w.cstr(p) for p in w.environ()])
        state = w.state()
        self.assertEqual((state["magic"], state["size"], state["stage"], state["pid"]), (b"nosigpip", 240, 1, PARENT))
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
