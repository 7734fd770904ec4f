"""What a program sets and reads back."""

from models import *  # noqa: F403

from .process import Process, TOLD


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
            # Other functions of libc may call sigaction, too: it counts as set by the program.
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
