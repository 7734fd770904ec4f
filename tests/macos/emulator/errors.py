"""How an emulated process, a call in it, or the emulator comes to an end."""

class EmuError(Exception):
    """Something the harness cannot or will not continue past."""


class UnmodelledImport(EmuError):
    pass


class GuestFault(EmuError):
    pass


class WouldBlock(EmuError):
    """The call would wait for ever in this single-stepped world."""


class Exited(EmuError):
    def __init__(self, code):
        super().__init__(f"process exited with status {code}")
        self.code = code


class Terminated(EmuError):
    def __init__(self, sig, why=""):
        super().__init__(f"process terminated by signal {sig} {why}".strip())
        self.sig = sig


class Errno(Exception):
    def __init__(self, n):
        super().__init__(n)
        self.n = n
