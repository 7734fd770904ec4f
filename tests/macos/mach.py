"""Mach's calls that crash reports make: what is mapped, and the other threads of the process.

Importing this adds the models. A test says in `Machine.others` which threads there are.
"""

import struct

from emulator import QUIET, api

INVALID_ADDRESS, INVALID_ARGUMENT, FAILURE = 1, 4, 5
EXECUTE, WRITE, READ = 4, 2, 1
OWN_PORT, FIRST_PORT = 0x303, 0x1003


class Other:
    """A thread that is not the crashed one; it stands still by itself, and the model counts how often it was told to."""

    def __init__(self, id, name=b"", registers=(), refuses=False):
        self.id, self.name, self.registers, self.refuses = id, name, registers, refuses
        self.suspended = self.references = 0


def regions(w):
    """What is mapped: (start, end, protection), in ascending order."""
    rights = {1: READ, 2: WRITE, 4: EXECUTE}
    for start, end, permissions in sorted(w.uc.mem_regions()):
        yield start, end + 1, sum(mach for unicorn, mach in rights.items() if permissions & unicorn)


def region_from(w, address):
    return next((region for region in regions(w) if region[1] > address), None)


@api("i:uppppp", "_mach_vm_region_recurse", kind=QUIET)
def _mach_vm_region_recurse(w, task, address, size, depth, info, count):
    region = region_from(w, w.u64(address)) if w.tells_regions else None
    if not region:
        return INVALID_ADDRESS
    start, end, protection = region
    tag = 30 if any(t.stack == start for t in w.threads) else 1 if start >> 40 == 0x60 else 0
    w.put64(address, start)
    w.put64(size, end - start)
    w.put32(depth, 0)
    # vm_region_submap_short_info_64
    w.wr(info, struct.pack("<IIIQIIHBBIIIHH", protection, 7, 1, 0, tag, 1, 0, 0, 1, 0, 0, 0, 0, 0))
    w.put32(count, 12)
    return 0


@api("i:uppipp", "_mach_vm_region", kind=QUIET)
def _mach_vm_region(w, task, address, size, flavor, info, count):
    region = region_from(w, w.u64(address))
    if flavor != 9 or not region:
        return INVALID_ADDRESS
    start, end, protection = region
    w.put64(address, start)
    w.put64(size, end - start)
    w.wr(info, struct.pack("<9I", protection, 7, 1, 0, 0, 0, 0, 0, 0))
    w.put32(count, 9)
    return 0


def other(w, port):
    return w.others[port - FIRST_PORT]


@api("i:upp", "_task_threads", kind=QUIET)
def _task_threads(w, task, out, count):
    """A right to each thread, the calling one included, in memory of its own."""
    if w.tells_threads:
        ports = [OWN_PORT] + [FIRST_PORT + index for index in range(len(w.others))]
        for thread in w.others:
            thread.references += 1
        w.references += 1
        place = w.mmap(4 * len(ports))
        w.wr(place, struct.pack(f"<{len(ports)}I", *ports))
        w.put64(out, place)
        w.put32(count, len(ports))
        return 0
    return FAILURE


@api("i:uupp", "_thread_info", kind=QUIET)
def _thread_info(w, port, flavor, info, count):
    if flavor not in (4, 5):
        return INVALID_ARGUMENT
    if port == OWN_PORT:
        identity, name = 1000 + w.thread.tid, w.thread.name
    else:
        identity, name = other(w, port).id, other(w, port).name
    if identity is None:
        return INVALID_ARGUMENT     # it has ended
    body = struct.pack("<QQQ", identity, 0, 0) if flavor == 4 else bytes(48) + name[:63].ljust(64, b"\0")
    assert w.u32(count) * 4 >= len(body)
    w.wr(info, body)
    w.put32(count, len(body) // 4)
    return 0


@api("i:u", "_thread_suspend", kind=QUIET)
def _thread_suspend(w, port):
    assert port != OWN_PORT, "the crashed thread has stopped itself"
    if other(w, port).refuses:
        return FAILURE
    other(w, port).suspended += 1
    return 0


@api("i:u", "_thread_resume", kind=QUIET)
def _thread_resume(w, port):
    other(w, port).suspended -= 1
    return 0


@api("i:uipp", "_thread_get_state", kind=QUIET)
def _thread_get_state(w, port, flavor, state, count):
    thread = other(w, port)
    assert thread.suspended, "asked for the registers of a thread that runs"
    words = list(thread.registers) + [0x246]
    if w.arch.name == "x86_64":
        words += [0x2B, 0, 0]
    assert flavor == (6 if w.arch.name == "arm64" else 4) and w.u32(count) == 2 * len(words)
    w.wr(state, struct.pack(f"<{len(words)}Q", *words))
    return 0


@api("i:uu", "_mach_port_deallocate", kind=QUIET)
def _mach_port_deallocate(w, task, port):
    if port == OWN_PORT:
        w.references -= 1
    elif FIRST_PORT <= port < FIRST_PORT + len(w.others):
        other(w, port).references -= 1
    return 0


@api("i:upp", "_mach_vm_deallocate", kind=QUIET)
def _mach_vm_deallocate(w, task, address, size):
    return 0
