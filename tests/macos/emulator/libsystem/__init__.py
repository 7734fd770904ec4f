"""libSystem: one module for each family of functions. Importing this adds their models to the list."""

from . import descriptors, dyld, process, signals, strings, threads  # noqa: F401
