"""A server that is no Python but embeds it, and crashes in a thread that Python has not made: its Python stack is in the report."""
import glob
import json
import os
import re
import subprocess

SOURCE = r"""
#include <pthread.h>
void Py_InitializeEx(int); int PyRun_SimpleString(const char *); void *PyEval_SaveThread(void); int PyGILState_Ensure(void);
static void *work(void *_) {
  PyGILState_Ensure();
  PyRun_SimpleString("def on_request(n):\n    import ctypes\n    ctypes.string_at(n)\non_request(0)\n");
  return 0;
}
int main(void) {
  pthread_t thread;
  Py_InitializeEx(0);
  PyRun_SimpleString("import threading\ndef idle(): threading.Event().wait()\nthreading.Thread(target=idle).start()");
  PyEval_SaveThread();
  pthread_create(&thread, 0, work, 0);
  pthread_join(thread, 0);
}
"""
libpython = sorted(glob.glob("/usr/lib/*/libpython3.*.so.1.0"))[0]
subprocess.run(["gcc", "-g", "-w", "-x", "c", "-o", "server", "-", "-x", "none", libpython, "-pthread"], input=SOURCE.encode(), check=True)
env = dict(os.environ, LD_PRELOAD=os.environ["LIBRARY"], NOSIGPIPE_FORMAT="json")
output = subprocess.run(["./server"], stderr=subprocess.PIPE, env=env).stderr.decode()
report = json.loads(re.search('^{"nosigpipe_crash_report.*$', output, re.M).group())


def names(thread):
    return [(frame["function"], frame["line"]) for frame in thread.get("python", {"frames": []})["frames"]]


crashed = names(report["crashed_thread"])
assert crashed[0][0] == "string_at" and crashed[1:] == [("on_request", 3), ("<module>", 4)], crashed
others = [names(group) for group in report["other_threads"]]
idle = [stack for stack in others if ("idle", 2) in stack]
assert len(idle) == 1 and idle[0][0][0].endswith("wait"), others
# The main thread waits in C, in no Python function.
assert [] in others, others
assert ", in Python function on_request at <string>:3 [" in report["summary"], report["summary"]
print("done")
