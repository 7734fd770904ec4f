"""A set-user-ID program in which the library is (by /etc/ld.so.preload) has read a secret; its caller, who may not read that, sends it
SIGSEGV. The report on the caller's standard error must not show what was in its registers."""
import os
import signal
import subprocess
import sys

LIBRARY = os.environ["LIBRARY"]
SECRET = "5ec2e75ec2e75ec2"
SOURCE = """
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
int main(void) {
    uint64_t secret = 0;
    FILE *file = fopen("secret", "r");
    if (!file) return 9;
    fread(&secret, 8, 1, file);
    fclose(file);
    // It is ready when the secret is in these registers, which write(2) keeps.
    __asm__ volatile("mov %0, %%r12\\n mov %0, %%r13\\n mov %0, %%r14\\n syscall\\n 1: pause\\n jmp 1b" ::"r"(secret), "a"(SYS_write), "D"(1),
                     "S"("ready\\n"), "d"(6) : "r12", "r13", "r14", "rcx", "r11", "memory");
}
"""


def become_nobody():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def inside():
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    os.mkdir("layers")
    subprocess.run(["mount", "-t", "tmpfs", "none", "layers"], check=True)
    os.mkdir("layers/upper")
    os.mkdir("layers/scratch")
    if subprocess.run(["mount", "-t", "overlay", "none", "-o", "lowerdir=/etc,upperdir=layers/upper,workdir=layers/scratch", "/etc"],
                      stderr=subprocess.DEVNULL).returncode:
        print("no overlay mounts here", file=sys.stderr)
        return 77
    if LIBRARY:
        with open("/etc/ld.so.preload", "w") as file:
            file.write(os.path.abspath("library.so") + "\n")
    server = subprocess.Popen(["./program"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=become_nobody)
    if server.stdout.readline() != b"ready\n":
        print("set-user-ID programs do not work here", file=sys.stderr)
        return 77
    os.kill(server.pid, signal.SIGSEGV)
    output = server.communicate()[1].decode(errors="replace")
    print(f"ended with signal {-server.returncode}, {'shows' if SECRET in output else 'does not show'} the secret")
    sys.stderr.write(output.replace(SECRET, "(the secret)"))
    return 0


def main():
    if len(sys.argv) > 1:
        return inside()
    if os.statvfs(".").f_flag & os.ST_NOSUID:
        print("set-user-ID programs do not work here", file=sys.stderr)
        return 77
    subprocess.run(["gcc", "-O0", "-w", "-x", "c", "-o", "program", "-"], input=SOURCE.encode(), check=True)
    os.chmod("program", 0o4755)
    with open("secret", "wb") as file:
        file.write(bytes.fromhex(SECRET)[::-1])
    os.chmod("secret", 0o600)
    if LIBRARY:
        with open(LIBRARY, "rb") as source, open("library.so", "wb") as copy:
            copy.write(source.read())
        os.chmod("library.so", 0o755)
    return subprocess.run(["unshare", "-m", sys.executable, __file__, "inside"]).returncode


sys.exit(main())
