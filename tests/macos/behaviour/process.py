"""What every test of the behaviour starts from: a process with the library in it."""

import os
import unittest

from models import Machine, SIGPIPE

LIBRARY = os.environ["NOSIGPIPE_TEST_LIBRARY"]
CLIENT = os.environ.get("NOSIGPIPE_TEST_CLIENT")
TOLD = 1 << (SIGPIPE - 1)
"""The mask of a SIG_IGN that nobody asked for, as the program is told it and as the kernel has it."""
SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGBUS, SIGSEGV, SIGSYS = 4, 5, 6, 8, 10, 11, 12


class Process(unittest.TestCase):
    arch = None

    def start(self, *more, **rest):
        rest.setdefault("env", {})
        return Machine(LIBRARY, *more, arch=self.arch, **rest)

    def scope(self, scope, **rest):
        return self.start(env={"NOSIGPIPE_SCOPE": scope}, **rest)
