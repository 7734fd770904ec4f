"""Reports of programs that crash."""

import itertools
import json
import pathlib
import re
import struct
import tempfile
import unittest

from emulator import Terminated
from made import CODE, DYLIB, dsym, dwarf, framed, macho
from models import *  # noqa: F403

from .process import CLIENT, Process, SIGABRT, SIGSEGV


@unittest.skipUnless(CLIENT, "no client program was built")
class CrashedPrograms(Process):
    """Reports of a real program's crash."""

    def crash(self, **rest):
        w = self.start(**rest)
        image = w.load(CLIENT)
        return w, image, w.run_into_fault(image, "client", "crash")

    def report(self, w, address, registers):
        w.deliver(SIGSEGV, 1, address, registers, w.page_fault(write=True))
        return w.stderr.decode()

    def frames(self, text):
        """The frames of the crashed thread, without their numbers."""
        lines = text.split("which crashed:\n")[1].splitlines()
        return [line[6:].lstrip() for line in itertools.takewhile(lambda line: line.startswith("  #"), lines)]

    def test_a_null_pointer_is_reported_with_the_functions_that_led_to_it(self):
        w, image, (registers, address) = self.crash()
        text = self.report(w, address, registers)
        self.assertIn(f"crashed: SIGSEGV, segmentation fault writing {address:#x} (null pointer + {address})", text)
        self.assertIn("  in client::function_that_crashes, fingerprint ", text)
        frames = self.frames(text)
        uuid = bytes(image.b.uuid.uuid).hex()
        place = f"[client+0x{registers[-1] - image.slide:x} {uuid[:8]}]"
        self.assertRegex(frames[0], r"^client::function_that_crashes \+ \d+ " + re.escape(place))
        self.assertRegex(frames[1], r"^client::function_that_calls \+ \d+ \[client\+")
        self.assertRegex(frames[2], r"^main \+ \d+ \[client\+")
        self.assertIn(f"target/macos/out/client build id {uuid}".split("/")[-1], text)
        self.assertIn("  and 1 more", text)
        name, value = ("lr", registers[30]) if self.arch == "arm64" else ("rdi", registers[4])
        self.assertIn(f"{name} {value:016x}", text)
        self.assertLess(len(frames), 5)

    def test_the_address_is_explained_by_what_is_mapped_around_it(self):
        w, image, (registers, _) = self.crash()
        for address, words in ((0x10, "the address is 16 (0x10) bytes from the null pointer"),
                               (image.symbols["_main"], "client, which may be read and executed, but not written"),
                               (w.string(b"x"), "the address is in [malloc], which may be read and written")):
            w, _, _ = self.crash()
            self.assertIn(words, self.report(w, address, registers))

    def test_an_overflow_of_the_stack_is_called_so(self):
        w, image, (registers, _) = self.crash()
        registers = list(registers)
        registers[31 if self.arch == "arm64" else 7] = w.thread.stack + 16
        self.assertIn("stack overflow: ", self.report(w, w.thread.stack - 8, registers))

    def test_without_dylds_list_the_addresses_are_told(self):
        w, image, (registers, address) = self.crash()
        w.tells_images = False
        self.assertIn(f"  #0  {registers[-1]:#x} [no file]\n", self.report(w, address, registers))

    def test_a_kernel_that_tells_nothing_of_memory_leaves_addresses(self):
        w, image, (registers, address) = self.crash()
        w.tells_regions = False
        self.assertIn(f"  #0  {registers[-1]:#x}", self.report(w, address, registers))

    def test_a_smashed_stack_ends_the_report_and_nothing_else(self):
        w, image, (registers, address) = self.crash()
        fp = 29 if self.arch == "arm64" else 6
        for wild in (8, 0xDEAD0000DEAD0000, (1 << 64) - 8, w.mmap(0x1000) + 3):
            broken = list(registers)
            broken[fp] = wild
            w, image, _ = self.crash()
            text = self.report(w, address, broken)
            self.assertIn("  #0  client::function_that_crashes", text)
            self.assertIn("registers:", text)
            self.assertEqual(w.kernel.action(SIGSEGV)[0], SIG_DFL)

    def test_a_call_through_a_null_pointer_names_the_caller(self):
        w, image, (registers, address) = self.crash()
        # The return address of main's call of function_that_calls, which lies on the stack or in its frame.
        caller = self.return_into(w, image, "_main")
        registers = list(registers)
        registers[-1] = 0
        if self.arch == "arm64":
            registers[30] = caller
        else:
            stack = registers[7] - 8
            w.put64(stack, caller)
            registers[7] = stack
        frames = self.frames(self.report(w, 0, registers))
        self.assertEqual(frames[0], "0x0 [no file]")
        self.assertRegex(frames[1], r"^main \+ \d+ ")

    def return_into(self, w, image, name):
        """An address behind a call in this function."""
        code = w.rd(image.symbols[name], 0x80)
        if self.arch == "arm64":
            words = struct.unpack("<32I", code)
            return image.symbols[name] + 4 * next(i + 1 for i, word in enumerate(words) if word >> 26 == 0b100101)
        return image.symbols[name] + code.index(b"\xe8") + 5

    def made(self, w, path, segments, symbols=(), starts=()):
        """An image made here, loaded under this path."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(macho(self.arch, DYLIB, segments, symbols, bytes(range(16)), starts))
            file.flush()
            image = w.load(file.name)
        image.path = path
        return image

    def test_a_symbol_table_of_several_regions_is_read_to_its_end(self):
        w, image, (registers, address) = self.crash()
        text = 0x180000000
        start = text + w.arch.page
        image = self.made(w, "/usr/lib/libmany.dylib", {"__TEXT": (text, 5, {"__text": (bytes(64), CODE)})},
                          [("_other", start)] * 4000 + [("_last_one", start + 8)])
        [linkedit] = [s for s in image.b.segments if s.name == "__LINKEDIT"]
        self.assertGreater(linkedit.virtual_size, 2 * w.arch.page)
        w.uc.mem_protect(linkedit.virtual_address + image.slide + w.arch.page, w.arch.page, 3)
        registers = [*registers[:-1], start + image.slide + 12]
        self.assertRegex(self.frames(self.report(w, address, registers))[0], r"^last_one \+ 4 \[libmany")

    def test_a_report_that_takes_too_long_goes_on_without_names(self):
        w, image, (registers, address) = self.crash()
        self.others(w, image, registers)

        def slow(w, path, flags, *rest):
            w.clock += 9 * 10**9
            raise Errno(ENOENT)
        w.overrides["_open"] = slow
        text = self.report(w, address, registers)
        frames = self.frames(text)
        self.assertRegex(frames[0], r"^client::function_that_crashes \+ ")
        self.assertRegex(frames[1], r"^0x[0-9a-f]+ \[client\+")
        self.assertIn("3 threads were not looked at: there was no time left", text)
        self.assertIn("registers:", text)

    def test_what_libraries_said_before_they_aborted_is_told(self):
        w, image, (registers, address) = self.crash()
        text, data = 0x180000000, 0x180010000
        said = lambda *messages: struct.pack("<6Q", 5, messages[0], 0, 0, messages[1], 0)
        segments = {"__TEXT": (text, 5, {"__text": (b"\0" * 16, CODE)}),
                    "__DATA": (data, 3, {"__crash_info": (bytes(64), 0)})}
        libc, dyld = (self.made(w, path, segments, [("_a", text)]) for path in ("/usr/lib/libc++abi.dylib", "/usr/lib/dyld"))
        w.wr(data + libc.slide, said(w.string(b"terminating due to uncaught exception \n"), w.string(b"of type int")))
        w.wr(data + dyld.slide, said(w.string(b"dyld4 config: DYLD_INSERT_LIBRARIES=libnosigpipe.dylib"), 0x10))
        text = self.report(w, address, registers)
        self.assertIn("terminating due to uncaught exception; of type int\n", text)
        self.assertNotIn("config:", text)

    def in_handler(self, w, image, interrupted, signal=SIGSEGV, code=2, address=0x14, exception=None):
        """The registers of a thread in a signal handler: the kernel's frame, the trampoline's, the handler's."""
        text = 0x180000000
        code_here = {"arm64": bytes.fromhex("1f2003d5") * 16, "x86_64": b"\x90" * 64}[self.arch]
        segments = {"__TEXT": (text, 5, {"__text": (code_here, CODE)})}
        start = text + w.arch.page
        system = self.made(w, "/usr/lib/system/libsystem_platform.dylib", segments, [("__sigtramp", start)])
        program = self.made(w, "/usr/local/lib/libhandler.dylib", segments, [("_on_signal", start)])
        machine = struct.pack("<QQ", *(exception or w.page_fault(write=True)))
        machine += struct.pack(f"<{len(interrupted)}Q", *interrupted)
        info = struct.pack("<iiiiIiQ", signal, 0, code, 0, 0, 0, address).ljust(104, b"\0")
        stack = w.mmap(0x4000) + 0x2000
        fp = stack + 16
        frame = stack + 0x80
        context = lambda size, at: struct.pack("<iIQQQQQQ", 0, 0, 0, 0, 0, 0, size, at)
        if self.arch == "arm64":
            w.wr(frame, info + context(816, frame + 160) + machine.ljust(816, b"\0"))
        else:
            # Between the registers there is what looks like a context at first sight.
            machine = machine.ljust(712, b"\0")
            machine = machine[:500] + struct.pack("<III", 0, 0, 0) + struct.pack("<QQ", 0x200, frame) + machine[528:]
            w.wr(frame, machine + info + context(712, frame))
        w.wr(fp, struct.pack("<QQ", stack + 0x60, start + system.slide + 8))
        registers = [0] * len(interrupted)
        number = {"arm64": (29, 31), "x86_64": (6, 7)}[self.arch]
        registers[number[0]], registers[number[1]], registers[-1] = fp, stack, start + program.slide + 12
        return registers

    def test_a_crash_in_a_signal_handler_shows_what_the_signal_has_interrupted(self):
        for signal, code, exception, words in (
                (SIGSEGV, 1, None, " by SIGSEGV, SEGV_MAPERR at 0x14"), (SIGSEGV, 1, (0, 0), " by SIGSEGV"),
                (SIGTERM, 0, (0, 0), "")):
            w, image, (registers, address) = self.crash()
            inside = self.in_handler(w, image, registers, signal, code, exception=exception)
            frames = self.frames(self.report(w, 0x666, inside))
            self.assertRegex(frames[0], r"^on_signal \+ 12 \[libhandler.dylib")
            self.assertIn(f"<signal handler called{words}>", frames[1])
            self.assertRegex(frames[2], r"^client::function_that_crashes \+ ")
            self.assertRegex(frames[3], r"^client::function_that_calls \+ ")
            self.assertRegex(frames[4], r"^main \+ ")

    def crash_with_lines(self, **rest):
        """Of the program that has a debug map; its object files are there."""
        program = pathlib.Path(CLIENT).parent / self.arch / "client-debug"
        w = self.start(**rest)
        image = w.load(program)
        for path in program.parent.glob("client-debug.*.o"):
            w.kernel.files[str(path)] = bytearray(path.read_bytes())
        self.assertTrue(w.kernel.files)
        found = w.run_into_fault(image, "client", "crash")
        return w, image, found

    def test_the_object_files_of_the_debug_map_tell_lines(self):
        w, image, (registers, address) = self.crash_with_lines()
        frames = self.frames(self.report(w, address, registers))
        source = (ROOT / "tests/macos/client/main.rs").read_text().splitlines()
        line = lambda text: next(n for n, found in enumerate(source, 1) if text in found)
        # What was inlined: write_volatile, of std.
        self.assertRegex(frames[0], r"write_volatile.* mut_ptr\.rs:\d+|write_volatile")
        crashes = next(frame for frame in frames if "client::function_that_crashes" in frame)
        self.assertIn(f"main.rs:{line('nowhere.write_volatile')}", crashes)
        calls = next(frame for frame in frames if "client::function_that_calls" in frame)
        self.assertIn(f"main.rs:{line('function_that_crashes(std')}", calls)
        self.assertTrue(any("main" in f and f"main.rs:{line('function_that_calls(count)')}" in f for f in frames), frames)

    def test_without_the_object_files_there_are_names(self):
        for content in (None, b"", b"\xcf\xfa\xed\xfe" + bytes(range(256)) * 8):
            w, image, (registers, address) = self.crash_with_lines()
            for path in list(w.kernel.files):
                w.kernel.files[path] = bytearray(content or b"")
                if content is None:
                    del w.kernel.files[path]
            frames = self.frames(self.report(w, address, registers))
            self.assertRegex(frames[0], r"^client::function_that_crashes \+ \d+ \[")
            self.assertRegex(frames[1], r"^client::function_that_calls \+ \d+ \[")

    def dsym_of(self, image, start, uuid=None, damage=lambda sections: sections):
        sections = dwarf("/src/server.c", "handle_request", start, 0x40, 77, "copy_header", 33)
        return dsym(self.arch, uuid or bytes(image.b.uuid.uuid), damage(sections))

    def test_a_dsym_beside_the_image_tells_functions_lines_and_what_was_inlined(self):
        w, image, (registers, address) = self.crash()
        start = next(a for n, a in image.symbols.items() if "function_that_crashes" in n) - image.slide
        path = image.path + ".dSYM/Contents/Resources/DWARF/client"
        w.kernel.files[path] = bytearray(self.dsym_of(image, start))
        frames = self.frames(self.report(w, address, registers))
        self.assertRegex(frames[0], r"^copy_header .*/src/server\.c:33.*")
        self.assertRegex(frames[1], r"^handle_request .*/src/server\.c:77.*")
        self.assertRegex(frames[2], r"^client::function_that_calls \+ ")

    def test_a_dsym_of_another_image_or_a_damaged_one_leaves_names(self):
        def cut(sections):
            return {name: (data[:len(data) // 2], flags) for name, (data, flags) in sections.items()}

        def garbled(sections):
            return {name: (data[:8] + bytes(b ^ 0x5A for b in data[8:]), flags) for name, (data, flags) in sections.items()}
        for uuid, damage in ((bytes(16), lambda sections: sections), (None, cut), (None, garbled)):
            w, image, (registers, address) = self.crash()
            start = next(a for n, a in image.symbols.items() if "function_that_crashes" in n) - image.slide
            path = image.path + ".dSYM/Contents/Resources/DWARF/client"
            w.kernel.files[path] = bytearray(self.dsym_of(image, start, uuid, damage))
            frames = self.frames(self.report(w, address, registers))
            self.assertRegex(frames[0], r"^client::function_that_crashes \+ \d+ \[")

    def test_a_function_that_has_not_saved_its_return_address_is_called_by_what_is_in_the_register(self):
        if self.arch == "x86_64":
            self.skipTest("a call leaves its return address on the stack")
        text, page = 0x180000000, 0x4000
        # One that makes a frame and one that does not: by compact information both have one.
        code = bytes.fromhex("fd7bbfa9" + "fd030091" + "1f2003d5" * 6 + "1f2003d5" * 8)
        segments = {"__TEXT": (text, 5, {"__text": (code, CODE), "__unwind_info": (framed(page, page + len(code)), 0)})}
        for function, offset, caller in (("with_frame", 0, "main"), ("leaf", 32, "client::function_that_calls")):
            w, image, (registers, address) = self.crash()
            leaf = self.made(w, "/usr/lib/libleaf.dylib", segments,
                             [("_with_frame", text + page), ("_leaf", text + page + 32)], [page, page + 32])
            calls = next(name for name in image.symbols if "function_that_calls" in name)
            registers[30] = self.return_into(w, image, calls)
            registers[-1] = text + page + leaf.slide + offset + 16
            frames = self.frames(self.report(w, address, registers))
            self.assertTrue(frames[0].startswith(function + " + 16 [libleaf"), frames)
            self.assertTrue(frames[1].startswith(caller + " + "), frames)

    def test_return_addresses_that_are_signed_are_followed(self):
        if self.arch == "x86_64":
            self.skipTest("there are no signatures")
        w, image, (registers, address) = self.crash()
        signed = lambda address: address | 0x7F3A8 << 44
        registers[30] = signed(registers[30])
        for place in (registers[29] + 8, w.u64(registers[29]) + 8):
            w.put64(place, signed(w.u64(place)))
        frames = self.frames(self.report(w, address, registers))
        self.assertRegex(frames[1], r"^client::function_that_calls \+ ")
        self.assertRegex(frames[2], r"^main \+ ")

    def test_under_rosetta_no_thread_is_stopped(self):
        if self.arch == "arm64":
            self.skipTest("nothing is translated to arm64")
        w, image, (registers, address) = self.crash()
        self.others(w, image, registers)
        w.overrides["_sysctlbyname"] = lambda w, name, old, *rest: w.put32(old, 1) or 0
        self.assertIn("Rosetta", self.report(w, address, registers))
        self.assertEqual([thread.suspended for thread in w.others], [0, 0, 0])

    def test_a_vforked_childs_crash_stops_none_of_its_parents_threads(self):
        w, image, (registers, address) = self.crash()
        self.others(w, image, registers)
        w.vfork_child()
        self.assertIn("client::function_that_calls", self.report(w, address, registers))
        self.assertEqual([thread.suspended for thread in w.others], [0, 0, 0])

    def test_a_terminal_that_poll_calls_no_descriptor_is_written_to(self):
        w, image, (registers, address) = self.crash()

        def poll(w, fds, count, timeout):
            w.wr(fds + 6, struct.pack("<h", 0x20))
            return 1
        w.overrides["_poll"] = poll
        text = self.report(w, address, registers)
        self.assertIn("crashed: SIGSEGV", text)
        self.assertIn("client::function_that_calls", text)

    def nested(self, *crashes):
        """What is written when the report itself meets with these signals, and that it ends by the first crash."""
        w, image, (registers, address) = self.crash()
        left = list(crashes)

        def crash(w, *rest):
            while left:
                w.deliver_nested(*left.pop())
            return 1
        w.overrides["_mach_vm_region_recurse"] = crash
        with self.assertRaises(Terminated) as death:
            self.report(w, address, registers)
        self.assertEqual(death.exception.sig, SIGSEGV)
        self.assertIn("nosigpipe: the report crashed\n", w.stderr.decode())

    def test_a_panic_in_the_report_dies_of_the_crash(self):
        self.nested((SIGABRT, 0, (0, 0)))

    def test_a_fault_in_the_report_whose_exception_has_no_name_is_not_repeated_for_ever(self):
        self.nested(*[(SIGSEGV, 0x666, (0x81, 0))] * 40)

    def test_json_has_what_the_text_has(self):
        w, image, (registers, address) = self.crash(env={"NOSIGPIPE_FORMAT": "json"})
        report = json.loads(self.report(w, address, registers))
        self.assertEqual(report["nosigpipe_crash_report"], 1)
        self.assertEqual((report["program"], report["pid"], report["command"]), ("emu", PARENT, "client crash"))
        self.assertEqual(report["signal"]["name"], "SIGSEGV")
        names = [frame.get("function") for frame in report["crashed_thread"]["frames"]]
        self.assertEqual(names[:3], ["client::function_that_crashes", "client::function_that_calls", "main"])
        module = report["modules"][report["crashed_thread"]["frames"][0]["module"]]
        self.assertEqual(module["build_id"], bytes(image.b.uuid.uuid).hex())
        self.assertEqual(int(module["bias"], 16), image.slide)

    def test_a_report_goes_to_a_directory(self):
        w, image, (registers, address) = self.crash(env={"NOSIGPIPE_REPORT": "/reports"})
        text = self.report(w, address, registers)
        [(path, content)] = w.kernel.files.items()
        self.assertRegex(path, r"^/reports/emu\.4242\..*\.txt$")
        self.assertIn(f"nosigpipe: the report is in {path}\n", text)
        self.assertIn("client::function_that_calls", content.decode())

    def test_a_directory_that_can_not_be_written_leaves_standard_error(self):
        w, image, (registers, address) = self.crash(env={"NOSIGPIPE_REPORT": "/reports"})
        w.inject("_open", errno=ENOENT, times=100)
        text = self.report(w, address, registers)
        self.assertIn("no report could be written to /reports", text)
        self.assertIn("client::function_that_calls", text)
        self.assertEqual(w.kernel.files, {})

    def others(self, w, image, registers, **rest):
        """Two threads at the same place, in function_that_calls, and one that is in main."""
        at = lambda name: list(registers[:-1]) + [self.return_into(w, image, name)]
        w.others = [Other(2001, b"worker", at("_main")), Other(2002, b"worker", at("_main"), **rest),
                    Other(2003, b"idle", [0] * (len(registers) - 1) + [0x10])]

    def test_the_other_threads_are_shown_and_stand_still_until_the_end(self):
        w, image, (registers, address) = self.crash()
        self.others(w, image, registers)
        text = self.report(w, address, registers)
        self.assertIn('stack of 2 threads: 2001 to 2002 "worker"\n  #0  main + ', text)
        self.assertIn('stack of thread 2003 "idle":\n  #0  0x10 [no file]', text)
        self.assertEqual([thread.suspended for thread in w.others], [1, 1, 1])

    def test_a_thread_that_can_not_be_stopped_is_told_of(self):
        w, image, (registers, address) = self.crash()
        self.others(w, image, registers, refuses=True)
        text = self.report(w, address, registers)
        self.assertIn("the stacks of 1 threads can't be read", text)
        self.assertEqual([thread.references for thread in w.others], [1, 0, 1])

    def test_without_threads_from_the_kernel_the_crashed_one_is_told(self):
        w, image, (registers, address) = self.crash()
        w.tells_threads = False
        text = self.report(w, address, registers)
        self.assertIn("client::function_that_calls", text)
        self.assertIn("the other threads' stacks can't be read: task_threads failed (5)", text)

    def test_only_the_crashed_thread_on_request(self):
        w, image, (registers, address) = self.crash(env={"NOSIGPIPE_THREADS": "crashed"})
        self.others(w, image, registers)
        self.assertNotIn("worker", self.report(w, address, registers))
        self.assertEqual([thread.suspended for thread in w.others], [0, 0, 0])

    def test_a_report_before_the_programs_handler_lets_the_threads_go_on(self):
        w = self.start(env={"NOSIGPIPE_CRASH": "first"})
        handler = w.function({"arm64": "c0035fd6", "x86_64": "c3"})
        w.sigaction(SIGSEGV, handler, 0, SA_SIGINFO | SA_ONSTACK)
        image = w.load(CLIENT)
        registers, address = w.run_into_fault(image, "client", "crash")
        self.others(w, image, registers)
        self.assertIn("client::function_that_calls", self.report(w, address, registers))
        self.assertEqual([thread.suspended for thread in w.others], [0, 0, 0])
        self.assertEqual([thread.references for thread in w.others] + [w.references], [0, 0, 0, 0])
        self.assertNotEqual(w.kernel.action(SIGSEGV)[0], SIG_DFL)

    def test_a_crash_in_the_report_leaves_the_addresses_and_dies_of_the_first_one(self):
        w, image, (registers, address) = self.crash()
        crashes = []

        def crash(w, *rest):
            if not crashes:
                crashes.append(1)
                w.deliver_nested(SIGSEGV, 0x666, w.page_fault())
            return 1
        w.overrides["_mach_vm_region_recurse"] = crash
        with self.assertRaises(Terminated) as death:
            self.report(w, address, registers)
        self.assertEqual(death.exception.sig, SIGSEGV)
        text = w.stderr.decode()
        self.assertIn("nosigpipe: the report crashed\n", text)
        self.assertRegex(text, rf"  #0  {registers[-1]:#x} \[client\+0x[0-9a-f]+ [0-9a-f]{{32}}\] client::function_that_crashes")
        self.assertRegex(text, r"  #\d +0x[0-9a-f]+ \[client\+0x[0-9a-f]+ [0-9a-f]{32}\] main")
