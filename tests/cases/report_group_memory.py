"""The memory of the control group that limits a process, as the report tells it: cgroup v2 and v1, the limit of a group above, no limit, and files
that are missing or have something else in them. The kernel's files are imitated by others in a mount namespace of the program's own."""
import json
import os
import subprocess
import sys

LIMITED = {"memory.max": "104857600\n", "memory.current": "99614720\n", "memory.events": "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\n"}
FREE = {"memory.max": "max\n", "memory.current": "4096\n", "memory.events": "oom 0\noom_kill 0\n"}
OLD = {"memory.limit_in_bytes": "104857600\n", "memory.usage_in_bytes": "99614720\n", "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"}
OLD_FREE = {"memory.limit_in_bytes": "9223372036854771712\n", "memory.usage_in_bytes": "4096\n", "memory.oom_control": "under_oom 0\n"}
FULL = "  memory of the control group: 97280 kB used of 102400 kB, 2 killed for want of it"
# What /proc/PID/cgroup has, the groups with their files, and what the report says: its line, and its object.
SITUATIONS = {
    "v2": ("0::/pod/server\n", {"pod/server": LIMITED}, FULL, {"cgroup_version": 2, "used": 99614720, "limit": 104857600, "kills": 2}),
    "v2, the limit above": ("0::/pod/server\n", {"pod/server": FREE, "pod": LIMITED}, FULL,
                            {"cgroup_version": 2, "used": 99614720, "limit": 104857600, "kills": 2}),
    "v2, no limit": ("0::/pod/server\n", {"pod/server": FREE, "pod": FREE, "": {}}, "  memory of the control group: 4 kB used, 0 killed for want of it",
                     {"cgroup_version": 2, "used": 4096, "kills": 0}),
    "v2 in a namespace of its own": ("0::/\n", {"": LIMITED}, FULL, {"cgroup_version": 2, "used": 99614720, "limit": 104857600, "kills": 2}),
    "v1": ("5:cpu,cpuacct:/x\n4:memory:/docker/1\n", {"memory/docker/1": OLD}, FULL,
           {"cgroup_version": 1, "used": 99614720, "limit": 104857600, "kills": 2}),
    "v1, an old kernel without a limit": ("4:memory:/docker/1\n0::/\n", {"memory/docker/1": OLD_FREE}, "  memory of the control group: 4 kB used",
                                          {"cgroup_version": 1, "used": 4096}),
    "both, memory by v2": ("5:cpu,cpuacct:/x\n0::/pod\n", {"pod": LIMITED}, FULL, {"cgroup_version": 2, "used": 99614720, "limit": 104857600, "kills": 2}),
    "no files": ("0::/pod\n", {}, None, None),
    "other files": ("0::/../../etc\n", {"etc": {"memory.max": "-5\n", "memory.current": "much\n", "memory.events": "\0" * 9000}}, None, None),
    "nothing": ("", {}, None, None),
}
failures = []


def inside(name):
    """The program, in groups that look so."""
    groups, files, _, _ = SITUATIONS[name]
    run = lambda *command: subprocess.run(command, check=True)
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "none", "/sys/fs/cgroup")
    for group, contents in files.items():
        os.makedirs(f"/sys/fs/cgroup/{group}", exist_ok=True)
        for file, content in contents.items():
            with open(f"/sys/fs/cgroup/{group}/{file}", "w") as to:
                to.write(content)
    with open("groups", "w") as to:
        to.write(groups)
    run("mount", "--bind", "groups", f"/proc/{os.getpid()}/cgroup")
    os.execve("./server", ["./server"], dict(os.environ, LD_PRELOAD=os.environ["LIBRARY"]))


def main():
    if len(sys.argv) > 1:
        inside(sys.argv[1])
    subprocess.run(["gcc", "-w", "-x", "c", "-o", "server", "-"], input=b"int main(void) { return *(int *volatile)0; }", check=True)
    for name, (_, _, line, wanted) in SITUATIONS.items():
        found = []
        for form in ("text", "json"):
            program = subprocess.run(["unshare", "-m", sys.executable, __file__, name], stderr=subprocess.PIPE, env=dict(os.environ, NOSIGPIPE_FORMAT=form))
            found.append(program.stderr.decode(errors="replace"))
        lines = [each for each in found[0].split("\n") if each.startswith("  memory of the control group")]
        if lines != ([line] if line else []) or "nosigpipe: in short: " not in found[0]:
            failures.append(f"{name}: {lines} {found[0][-1500:] if not lines else ''}")
        try:
            memory = json.loads(next(each for each in found[1].split("\n") if each.startswith("{")))["context"].get("memory")
        except (StopIteration, ValueError, KeyError) as problem:
            memory = f"{problem!r}: {found[1][:500]}"
        if memory != wanted:
            failures.append(f"{name}: {memory}")
    print("\n".join(failures) if failures else "done")


main()
