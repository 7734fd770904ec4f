"""The macOS files themselves, as they would be shipped: nothing is run."""

import hashlib
import os
import re
import struct
import unittest

import lief

from models import ROOT

LIBRARY = os.environ["NOSIGPIPE_TEST_LIBRARY"]
LAUNCHER = os.environ.get("NOSIGPIPE_TEST_LAUNCHER")
ARCHES = {"arm64": (0x0100000C, 0), "x86_64": (0x01000007, 3)}
EXPORTS = ["_nosigpipe_configure_socket", "_nosigpipe_send", "_nosigpipe_state"]


def table():
    """The names of the hook table's lines that macOS has, and of the hooks beside it, which take a list."""
    text = (ROOT / "crates/hooktable/src/lib.rs").read_text()
    line = re.compile(
        r"^            (?:#\[cfg\(target_os = \"(\w+)\"\)\]\n            )?(?:wraps|replaces) +\w+ +\w+ +\w+::(\w+)(?: = \"(.+?)\")?\(", re.M)
    names = [symbol or name for system, name, symbol in line.findall(text) if system in ("", "macos")]
    return sorted(names + ["execl", "execle", "execlp"])


def slices(path):
    """The thin files in a universal one: (cpu, subtype) -> (offset, bytes)."""
    with open(path, "rb") as file:
        content = file.read()
    magic, count = struct.unpack_from(">II", content)
    assert magic == 0xCAFEBABE, f"{path} is not universal"
    found = {}
    for index in range(count):
        cpu, subtype, offset, size, align = struct.unpack_from(">IIIII", content, 8 + 20 * index)
        assert offset % (1 << align) == 0
        # The subtype's upper byte has capabilities.
        found[cpu, subtype & 0xFFFFFF] = (offset, content[offset:offset + size])
    return found


def commands(thin):
    """The load commands: (number, bytes)."""
    count, at = struct.unpack_from("<I", thin, 16)[0], 32
    for _ in range(count):
        number, size = struct.unpack_from("<II", thin, at)
        yield number & 0x7FFFFFFF, thin[at:at + size]
        at += size


def check_signature(test, thin):
    """The ad hoc signature: its hashes are those of the file's pages."""
    [command] = [body for number, body in commands(thin) if number == 0x1D]
    start, size = struct.unpack_from("<II", command, 8)
    blob = thin[start:start + size]
    magic, length, count = struct.unpack_from(">III", blob)
    test.assertEqual(magic, 0xFADE0CC0)
    directories = [offset for kind, offset in (struct.unpack_from(">II", blob, 12 + 8 * i) for i in range(count))
                   if kind == 0]
    test.assertEqual(len(directories), 1)
    directory = blob[directories[0]:]
    (magic, length, version, flags, hashes, identifier, special, code, limit, hash_size, hash_type, platform,
     page) = struct.unpack_from(">IIIIIIIIIBBBB", directory)
    test.assertEqual(magic, 0xFADE0C02)
    test.assertTrue(flags & 0x2, "not ad hoc")
    test.assertEqual((hash_size, hash_type), (32, 2))
    test.assertEqual(limit, start, "the signature does not cover the file up to itself")
    test.assertEqual(code, -(-limit // (1 << page)))
    for index in range(code):
        content = thin[index << page:min((index + 1) << page, limit)]
        at = hashes + 32 * index
        test.assertEqual(directory[at:at + 32], hashlib.sha256(content).digest(), f"page {index}")


class Artefact(unittest.TestCase):
    arch = None

    def thin(self, path):
        return slices(path)[ARCHES[self.arch]][1]

    def parsed(self, path=LIBRARY):
        lief.logging.disable()
        self.fat = lief.MachO.parse(self.thin(path), lief.MachO.ParserConfig.deep)
        return self.fat.at(0)

    @unittest.skipIf("NOSIGPIPE_TEST_ARCH" in os.environ, "only one was built")
    def test_it_has_a_slice_for_each_processor_and_no_other(self):
        self.assertEqual(sorted(slices(LIBRARY)), sorted(ARCHES.values()))

    def test_the_interpose_section_has_exactly_the_tables_entries(self):
        library = self.parsed()
        [section] = [s for s in library.sections if s.name == "__interpose"]
        self.assertEqual(section.segment_name, "__DATA")
        bound = {b.address: b.symbol.name for b in library.bindings}
        start = section.virtual_address
        base = 0 if start in range(0, 1 << 40) else library.imagebase
        replacees = [bound.get(start - base + offset + 8) for offset in range(0, section.size, 16)]
        self.assertEqual(sorted(n.removeprefix("_") for n in replacees if n), table())
        self.assertEqual(len(replacees), len(table()))

    def test_nothing_is_bound_at_its_first_call(self):
        """That would ask for dyld's lock, in a signal handler too."""
        library = self.parsed()
        bound_at_load = 0x8     # MH_BINDATLOAD
        lazy = [s.name for s in library.sections if s.name in ("__la_symbol_ptr", "__stub_helper")]
        self.assertTrue(not lazy or int(library.header.flags) & bound_at_load, lazy)

    def test_it_exports_the_api_and_nothing_else(self):
        self.assertEqual(sorted({s.name for s in self.parsed().exported_symbols}), EXPORTS)

    def test_it_depends_on_libsystem_alone(self):
        names = [c.name for c in self.parsed().libraries if c.command != lief.MachO.LoadCommand.TYPE.ID_DYLIB]
        self.assertEqual(names, ["/usr/lib/libSystem.B.dylib"])

    def test_every_import_is_one_that_is_known_to_be_there(self):
        known = set((ROOT / "scripts/macos/libsystem.txt").read_text().split())
        self.assertEqual({b.symbol.name for b in self.parsed().bindings} - known, set())

    def test_it_is_a_library_for_macos_11(self):
        library = self.parsed()
        self.assertEqual(library.header.file_type, lief.MachO.Header.FILE_TYPE.DYLIB)
        version = library.build_version
        self.assertEqual((version.platform, list(version.minos)),
                         (lief.MachO.BuildVersion.PLATFORMS.MACOS, [11, 0, 0]))

    def test_its_install_name_tells_nothing_of_where_it_was_built(self):
        [name] = [c.name for c in self.parsed().commands if c.command == lief.MachO.LoadCommand.TYPE.ID_DYLIB]
        self.assertEqual(name, "@rpath/libnosigpipe.dylib")
        self.assertFalse(self.parsed().has_rpath)

    def test_it_has_a_uuid_by_which_symbols_are_found(self):
        self.assertTrue(any(self.parsed().uuid.uuid))

    def test_one_initializer_is_ours_and_no_page_is_writable_and_executable(self):
        library = self.parsed()
        kinds = {"__mod_init_func": 8, "__init_offsets": 4}
        self.assertEqual(sum(s.size // kinds[s.name] for s in library.sections if s.name in kinds), 1)
        for segment in library.segments:
            self.assertNotEqual(int(segment.init_protection) & 6, 6, segment.name)

    def test_its_signature_is_true(self):
        check_signature(self, self.thin(LIBRARY))

    def test_its_own_functions_have_names(self):
        names = {s.name for s in self.parsed().symbols}
        self.assertTrue(any("runtime" in n and "sigpipe" in n and "guard" in n for n in names))

    @unittest.skipUnless(LAUNCHER, "no launcher was built")
    def test_the_launcher_is_a_signed_program_for_macos_11(self):
        self.assertEqual(sorted(slices(LAUNCHER)), sorted(ARCHES.values()))
        launcher = self.parsed(LAUNCHER)
        self.assertEqual(launcher.header.file_type, lief.MachO.Header.FILE_TYPE.EXECUTE)
        self.assertEqual(list(launcher.build_version.minos), [11, 0, 0])
        self.assertEqual([c.name for c in launcher.libraries], ["/usr/lib/libSystem.B.dylib"])
        self.assertFalse([s for s in launcher.sections if s.name == "__interpose"])
        check_signature(self, self.thin(LAUNCHER))


KINDS = (Artefact,)
