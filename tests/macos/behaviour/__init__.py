"""The macOS library in the emulator: each test starts a process with it inserted and looks at what it does."""

from .children import Children
from .constructor import Constructor
from .crashed_programs import CrashedPrograms
from .crashes import Crashes
from .pipes import Pipes
from .programs import Programs
from .signals import Signals
from .sockets import Sockets

KINDS = (Constructor, Sockets, Pipes, Signals, Children, Crashes, CrashedPrograms, Programs)
