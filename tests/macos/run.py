#!/usr/bin/env python3
"""run.py [NAME...]: runs the tests of the macOS files for both processors; only those whose names contain a NAME."""

import os
import sys
import time
import unittest

import artefact
import behaviour
import launcher

ARCHES = os.environ.get("NOSIGPIPE_TEST_ARCH", "arm64,x86_64").split(",")


def suite(only):
    loader, chosen = unittest.TestLoader(), unittest.TestSuite()
    for kind in artefact.KINDS + behaviour.KINDS + launcher.KINDS:
        for arch in ARCHES:
            tests = type(f"{kind.__name__}_{arch}", (kind,), {"arch": arch, "__module__": kind.__module__})
            for test in loader.loadTestsFromTestCase(tests):
                if not only or any(name in test.id() for name in only):
                    chosen.addTest(test)
    return chosen


def main():
    started = time.monotonic()
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=1).run(suite(sys.argv[1:]))
    skipped, failed = len(result.skipped), len(result.failures) + len(result.errors)
    print(f"macos: {result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    print(f"in {time.monotonic() - started:.0f} s")
    sys.exit(not result.wasSuccessful() or result.testsRun == 0)


main()
