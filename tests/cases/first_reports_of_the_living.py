"""NOSIGPIPE_CRASH=first: a program goes on after each of many reports, and changes what it has mapped and how its threads are called in
between. Each report is of the process as it is then, whether it is written in a copy or in the process itself, and no memory is
left behind."""
import json
import os
import subprocess
import sys

LIBRARY = os.environ["LIBRARY"]
PLACES, ROUNDS = 10, 10
SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const libraries[] = {"libutil.so.1", "libanl.so.1", "libBrokenLocale.so.1"};
static sigjmp_buf back;
static void on_fault(int number) { siglongjmp(back, 1); }
static void *wait_(void *nothing) { for (;;) pause(); }

#define PLACE(n) __attribute__((noinline)) static int place_##n(volatile char *page) { return page[n]; }
PLACE(0) PLACE(1) PLACE(2) PLACE(3) PLACE(4) PLACE(5) PLACE(6) PLACE(7) PLACE(8) PLACE(9) PLACE(10)
static int (*const places[])(volatile char *) = {place_0, place_1, place_2, place_3, place_4, place_5, place_6, place_7, place_8, place_9, place_10};

static char text[1 << 20];

// Bytes mapped that are no part of the libraries opened here, and how many of all are in memory.
static void tell(int round) {
    FILE *maps = fopen("/proc/self/smaps", "r");
    setvbuf(maps, text, _IOFBF, sizeof text);
    char line[512];
    unsigned long start, end, size, mapped = 0, resident = 0;
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) mapped += end - start;
        if (sscanf(line, "Rss: %lu", &size) == 1) resident += size;
    }
    fclose(maps);
    printf("%d %lu %lu\n", round, mapped, resident << 10);
    fflush(stdout);
}

static void fail(int place, int round, pthread_t thread) {
    char name[16];
    snprintf(name, sizeof name, "round %d", round);
    pthread_setname_np(thread, name);
    void *library = dlopen(libraries[place % 3], RTLD_NOW);
    if (!sigsetjmp(back, 1)) places[place]((char *)(0x1000000L + round * 0x1000));
    dlclose(library);
}

int main(int argc, char **argv) {
    pthread_t thread;
    pthread_create(&thread, 0, wait_, 0);
    for (int i = 0; i < 3; i++) dlclose(dlopen(libraries[i], RTLD_NOW)); // what the loader keeps for the next time
    if (argv[1][0] == 'n') {
        struct sock_filter filter[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 2, 0),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
        };
        struct sock_fprog program = {5, filter};
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 77;
    }
    signal(SIGSEGV, on_fault);
    for (int round = 0; round < ROUNDS * PLACES; round++) {
        fail(round % PLACES, round, thread);
        tell(round);
    }
    signal(SIGSEGV, SIG_DFL);
    fail(PLACES, ROUNDS * PLACES, thread);
}
"""


def judge(way):
    env = dict(os.environ, LD_PRELOAD=LIBRARY, NOSIGPIPE_CRASH="first", NOSIGPIPE_FORMAT="json")
    server = subprocess.run(["./server", way], env=env, capture_output=True)
    reports = [json.loads(line) for line in server.stderr.decode().splitlines() if line.startswith("{")]
    wrong = []
    if server.returncode != -11:
        wrong.append(f"ended with {server.returncode}")
    rounds = [*range(PLACES), PLACES * ROUNDS]
    if len(reports) != len(rounds):
        wrong.append(f"{len(reports)} reports")
    for report, number in zip(reports, rounds):
        place = min(number, PLACES)
        address, frame = report["signal"]["address"], report["crashed_thread"]["frames"][0].get("function")
        if (address, frame) != (hex(0x1000000 + number * 0x1000 + place), f"place_{place}"):
            wrong.append(f"round {number}: {address} in {frame}")
        names = [thread["name"] for group in report["other_threads"] for thread in group["threads"]]
        # Nobody reads the others where there is no process to do it.
        if names != ([f"round {number}"] if way == "copied" else []):
            wrong.append(f"round {number}: other threads {names} {report['other_threads_note']}")
        modules = [os.path.basename(module["path"]) for module in report["modules"]]
        opened = [name for name in ("libutil.so.1", "libanl.so.1", "libBrokenLocale.so.1") if name in modules]
        if opened != [("libutil.so.1", "libanl.so.1", "libBrokenLocale.so.1")[place % 3]]:
            wrong.append(f"round {number}: open are {opened}")
    sizes = [tuple(map(int, line.split())) for line in server.stdout.decode().splitlines()]
    if sizes:
        (_, mapped, resident), (_, mapped_at_end, resident_at_end) = sizes[0], sizes[-1]
        if mapped_at_end > mapped or resident_at_end > resident + (256 << 10):
            wrong.append(f"{mapped_at_end - mapped} bytes more are mapped, {resident_at_end - resident} more in memory")
    print(f"{way}:", "; ".join(wrong) or "as it was each time")
    if wrong:
        sys.stderr.write(server.stderr.decode()[:4000])


def main():
    flags = ["gcc", "-O0", "-w", f"-DPLACES={PLACES}", f"-DROUNDS={ROUNDS}", "-pthread", "-x", "c", "-o", "server", "-"]
    subprocess.run(flags, input=SOURCE.encode(), check=True)
    judge("copied")
    judge("not copied")
    return 0


sys.exit(main())
