"""Exceptions of C++'s that nobody catches: type, text and code, whatever was thrown, in text and JSON. Objects that are damaged or freed lose
nothing else of the report. By libstdc++, by a static one, and by libc++ where clang and that are there."""
import json
import os
import shutil
import subprocess
import sys

SOURCE = r"""
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <future>
#include <ios>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>
struct quiet {};
struct base { virtual ~base() {} int number = 7; };
struct refused : base, std::runtime_error { refused() : std::runtime_error("refused by the shard") {} };
struct deeper : virtual refused { };
struct bad_row : std::out_of_range { bad_row() : std::out_of_range("row 77") {} };
enum class state { broken = 4 };
struct abstract { abstract() { call(); } __attribute__((noinline)) void call() { pure(); } virtual void pure() = 0; virtual ~abstract() {} };
struct early : abstract { void pure() override {} };
#define NOINLINE __attribute__((noinline)) static
NOINLINE void load(const std::string &how) {
  if (how == "runtime") throw std::runtime_error("model not found: resnet");
  if (how == "derived") throw bad_row();
  if (how == "bases") throw refused();
  if (how == "virtual") throw deeper();
  if (how == "system") throw std::system_error(2, std::generic_category(), "open");
  if (how == "filesystem") (void)std::filesystem::file_size("/does/not/exist");
  if (how == "int") throw 42;
  if (how == "text") throw "a literal";
  if (how == "string") throw std::string("a string that is longer than what fits into the object");
  if (how == "enum") throw state::broken;
  if (how == "quiet") throw quiet();
  if (how == "memory") throw std::bad_alloc();
  if (how == "damaged" || how == "freed") {
    std::exception_ptr kept;
    try { throw std::runtime_error("never seen"); } catch (std::exception &caught) {
      void **words = reinterpret_cast<void **>(&caught);
      if (how == "freed") std::memset((char *)words - 112, 0x5a, 72); else words[1] = (void *)0x123456789abc;
      std::abort();
    }
  }
  if (how == "handled") try { throw bad_row(); } catch (...) { std::abort(); }
  if (how == "double") throw 1.5;
  if (how == "pointer to") throw reinterpret_cast<int *>(0x1234);
  if (how == "own text") { struct own : std::exception { std::string text = "made by itself"; const char *what() const noexcept override { return text.c_str(); } }; throw own(); }
  if (how == "unwinding") { struct leaving { ~leaving() noexcept(false) { throw bad_row(); } } first; throw std::runtime_error("never seen"); }
  if (how == "in destructor") { struct leaving { ~leaving() { throw bad_row(); } } first; }
  if (how == "pure") { early built; }
  if (how == "after") { try { throw bad_row(); } catch (...) {} std::terminate(); }
}
NOINLINE void outer(const std::string &how) {
  if (how == "nested") try { try { load("system"); } catch (...) { std::throw_with_nested(refused()); } } catch (...) { std::throw_with_nested(bad_row()); }
  if (how == "again") try { load("runtime"); } catch (...) { throw; }
  if (how == "pointer") { std::exception_ptr kept; try { load("derived"); } catch (...) { kept = std::current_exception(); } std::rethrow_exception(kept); }
  if (how == "thread") { std::thread([] { load("derived"); }).join(); }
  load(how);
}
NOINLINE void promise() noexcept { load("runtime"); }
int main(int, char **arguments) {
  std::string how = arguments[1];
  if (how == "noexcept") promise();
  outer(how);
}
"""
WANTED = {
    "runtime": ("std::runtime_error", "model not found: resnet"),
    "derived": ("bad_row", "row 77"),
    "bases": ("refused", "refused by the shard"),
    "virtual": ("deeper", "refused by the shard"),
    "system": ("system_error", "open: No such file or directory"),
    "filesystem": ("filesystem_error", "No such file or directory"),
    "int": ("int", "42"),
    "text": ("char const*", "a literal"),
    "string": ("string", "a string that is longer than what fits into the object"),
    "enum": ("state", "4"),
    "quiet": ("quiet", ""),
    "memory": ("std::bad_alloc", ""),
    "nested": ("bad_row", "row 77"),
    "again": ("std::runtime_error", "model not found: resnet"),
    "pointer": ("bad_row", "row 77"),
    "thread": ("bad_row", "row 77"),
    "noexcept": ("std::runtime_error", "model not found: resnet"),
    "handled": ("bad_row", "row 77"),
    "double": ("double", "1.5"),
    "pointer to": ("int*", "0x1234"),
    "own text": ("own", ""),
    # GCC's std::terminate comes with the second exception; where unwinding calls it, it is the first one.
    "unwinding": ("", ""),
    "in destructor": ("bad_row", "row 77"),
    "pure": (None, None),
    "after": (None, None),
    "damaged": ("std::runtime_error", ""),
    "freed": (None, None),
}
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)


def crash(program, how, form):
    env = dict(os.environ, LD_PRELOAD=os.environ["LIBRARY"], NOSIGPIPE_FORMAT=form)
    process = subprocess.run([program, how], stderr=subprocess.PIPE, env=env)
    check(process.returncode == -6, f"{how}: ended with {process.returncode}")
    return process.stderr.decode(errors="replace")


def judge(program, hows):
    for how in hows:
        kind, what = WANTED[how]
        line = next((line for line in crash(program, how, "json").splitlines() if line.startswith("{")), "{}")
        report = json.loads(line)
        found = report.get("exception", {})
        about = f"{program} {how}: {found}"
        check(report.get("crashed_thread", {}).get("registers") and "in short" not in line, f"{about}: no report")
        check((kind or "") in found.get("type", ""), about)
        check(how == "unwinding" or bool(found) == bool(kind), about)
        check(how == "unwinding" and found.get("what") in ("row 77", "never seen") or not kind or (what in found.get("what", "") and bool(what) == bool(found.get("what", ""))), about)
        if how in ("pure", "after"):
            check(report.get("message") == {"pure": "a pure virtual function was called", "after": "std::terminate() was called"}[how], report.get("message"))
        if how in ("system", "filesystem"):
            check(found.get("code") == 2 and ("generic" in found.get("category", "") or "system" in found.get("category", "")), about)
        if how == "nested":
            inner = [(each["type"].rpartition("_")[2], each["what"][:7], each.get("code")) for each in found.get("nested", [])]
            check(inner == [("refused", "refused", None), ("error", "open: N", 2)], about)
        check(found.get("rethrown", False) == (how in ("again", "pointer")), about)
        check(found.get("handled", False) == (how in ("handled", "damaged")), about)
        if how in ("runtime", "thread", "noexcept"):
            check(found.get("thrown_in", "").startswith("load"), about)
    text = crash(program, "system", "text")
    check("  message: uncaught exception std::" in text and ": open: No such file or directory (code 2, generic_error_category)" in text
          or "libc++" in program, f"{program}: {text[:600]}")


with open("load.cc", "w") as file:
    file.write(SOURCE)
build = ["g++", "-std=c++17", "-g", "-O1", "-w", "load.cc", "-pthread", "-o"]
subprocess.run([*build, "./shared"], check=True)
judge("./shared", WANTED)
subprocess.run([*build, "./static", "-static-libstdc++", "-static-libgcc"], check=True)
judge("./static", ["runtime", "system", "nested", "int", "after"])
if shutil.which("clang++") and not subprocess.run(
        ["clang++", "-stdlib=libc++", *build[1:], "./libc++"], stderr=subprocess.DEVNULL).returncode:
    judge("./libc++", ["runtime", "derived", "system", "nested", "int", "string", "pointer", "handled", "after"])
print("; ".join(failures) or "done")
sys.exit(0)
