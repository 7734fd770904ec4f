"""What was around a crash: a limit that is nearly reached is named, secrets of the environment are not told, the last line stays the summary,
and `nosigpipe report` shows from JSON what the text has. The report has no key that the schema does not know."""
import json
import os
import re
import subprocess

SOURCE = """
#include <fcntl.h>
#include <sys/resource.h>
int main(void) {
  struct rlimit most = { 40, 40 };
  setrlimit(RLIMIT_NOFILE, &most);
  while (open("/dev/null", O_RDONLY) >= 0) ;
  return *(int *volatile)0;
}
"""
failures = []


def check(condition, what):
    if not condition:
        failures.append(str(what)[:1500])


def crash(form):
    env = dict(os.environ, LD_PRELOAD=os.environ["LIBRARY"], NOSIGPIPE_FORMAT=form, API_TOKEN="s3cret", TZ="UTC\x1b[2J")
    return subprocess.run(["./server", "a  b"], stderr=subprocess.PIPE, env=env).stderr.decode()


def unknown(schema, value, whole, path=""):
    if "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        for key in schema.get("required", []):
            if key not in value:
                yield f"{path}/{key} is missing"
        for key, part in value.items():
            if "properties" in schema and key not in schema["properties"]:
                yield f"{path}/{key}"
            yield from unknown(schema.get("properties", {}).get(key, {}), part, whole, f"{path}/{key}")
    elif isinstance(value, list):
        for part in value:
            yield from unknown(schema.get("items", {}), part, whole, path)


subprocess.run(["gcc", "-g", "-O0", "-w", "-x", "c", "-o", "server", "-"], input=SOURCE.encode(), check=True)
text = crash("text")
for pattern in (r"^  command: \./server a  b$", "^  directory: " + re.escape(os.getcwd()) + "$", r"^  system: Linux .*; GNU C Library .*\d$",
                r"^  threads: 1, open descriptors: 40$", r"^  near its limit: open files, 40 of 40$", r"^  TZ=UTC\?\[2J$",
                r"^  NOSIGPIPE_FORMAT=text$"):
    check(re.search(pattern, text, re.M), f"{pattern}: {text}")
check("s3cret" not in text and "\x1b" not in text, "told what it should not")
check(text.rstrip().split("\n")[-1].startswith("nosigpipe: in short: "), text[-300:])
with open("report.json", "w") as file:
    file.write(crash("json"))
with open("report.json") as file:
    report = json.load(file)
check(report["context"]["limits"] == [{"name": "open files", "used": 40, "limit": 40}], report["context"])
schema = json.loads(subprocess.run([os.environ["LAUNCHER"], "report", "--schema"], stdout=subprocess.PIPE, check=True).stdout)
check(not list(unknown(schema, report, schema)), list(unknown(schema, report, schema)))
shown = subprocess.run([os.environ["LAUNCHER"], "report", "report.json"], stdout=subprocess.PIPE, check=True).stdout.decode()
check("  near its limit: open files, 40 of 40\n" in shown and f"  directory: {os.getcwd()}\n" in shown, shown[-1500:])
print("; ".join(failures) or "done")
