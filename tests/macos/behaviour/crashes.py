"""The handlers for crash signals."""

import struct

from emulator import Terminated
from models import *  # noqa: F403

from .process import Process, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP


class Crashes(Process):
    """The handler, entered as the kernel would enter it."""

    def die(self, w, signal):
        """What the return from the handler leads to: the signal that is pending, or the instruction that faults again."""
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
            self.assertEqual(flags, SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART)
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
                "sender unknown"
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
