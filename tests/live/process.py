# SPDX-License-Identifier: BSD-2-Clause
"""process.py: processes of this machine. Prints TAP.

A process makes a page of each kind that it may; what is said of them is what proc_pid_pagemap(5) and the
kernel's PAGEMAP_SCAN were seen to mean, and of all its areas what its smaps sums up.
"""

import ctypes
import json
import mmap
import os
import re
import struct
import subprocess
import sys

from machines import PAGEWALK, check, finish, run, run_tests

PAGE = mmap.PAGESIZE
HUGE = 2 << 20
NOBODY = 65534
MADV_HUGEPAGE, MADV_GUARD_INSTALL = 14, 102
MAP_FIXED = 0x10
SYS_USERFAULTFD = {"x86_64": 323, "aarch64": 282, "riscv64": 282}

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.mprotect.argtypes = libc.madvise.argtypes
RW = mmap.PROT_READ | mmap.PROT_WRITE
ANON = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


def new(size, flags=ANON, fd=-1, at=None):
    return libc.mmap(at, size, RW, flags, fd, 0)


def write(at, size=PAGE):
    ctypes.memset(at, 1, size)


def read(at):
    return ctypes.string_at(at, 1)


def protect_from_writes(at):
    """userfaultfd, which marks the second of two pages without touching it. @return does it work?"""
    number = SYS_USERFAULTFD.get(os.uname().machine)
    fd = libc.syscall(number, 1) if number else -1  # UFFD_USER_MODE_ONLY
    if fd < 0:
        return False
    wp_unpopulated, wp_mode = 1 << 13, 2
    calls = (
        (0xC018AA3F, struct.pack("<QQQ", 0xAA, wp_unpopulated, 0)),  # UFFDIO_API
        (0xC020AA00, struct.pack("<QQQQ", at, 2 * PAGE, wp_mode, 0)),  # UFFDIO_REGISTER
        (0xC018AA06, struct.pack("<QQQ", at, 2 * PAGE, 1)),  # UFFDIO_WRITEPROTECT
    )
    return all(libc.ioctl(fd, ctypes.c_ulong(call), ctypes.create_string_buffer(words)) == 0 for call, words in calls)


def child():
    """Print where a page of each kind is, and wait."""
    pages = {name: new(PAGE) for name in ("untouched", "written", "zero", "no access")}
    for name in ("written", "no access"):
        write(pages[name])
    read(pages["zero"])
    libc.mprotect(pages["no access"], PAGE, 0)
    memfd = os.memfd_create("pagewalk")
    os.ftruncate(memfd, 2 * PAGE)
    pages["shared"] = new(PAGE, mmap.MAP_SHARED, memfd)
    write(pages["shared"])
    pages["private file, written"] = new(PAGE, mmap.MAP_PRIVATE, memfd)
    write(pages["private file, written"])
    guard = new(PAGE)
    if libc.madvise(guard, PAGE, MADV_GUARD_INSTALL) == 0:
        pages["guard"] = guard
    protected = new(2 * PAGE)
    write(protected)
    if protect_from_writes(protected):
        pages["protected"], pages["protected, untouched"] = protected, protected + PAGE
    large = (new(2 * HUGE) + HUGE - 1) & ~(HUGE - 1)
    libc.madvise(large, HUGE, MADV_HUGEPAGE)
    write(large)
    pages["large"] = large
    print(json.dumps(pages), flush=True)
    sys.stdin.readline()


EXPECTED = {
    "untouched": ("none", ()),
    "written": ("present", ("exclusive",)),
    "zero": ("zero", ()),
    "no access": ("present", ("exclusive",)),
    "shared": ("present", ("file", "exclusive")),
    "private file, written": ("present", ("exclusive",)),
    "guard": ("guard", ()),
    "protected": ("present", ("exclusive", "uffd_wp")),
    "protected, untouched": ("marker", ("uffd_wp",)),
}
FLAGS = ("file", "exclusive", "uffd_wp")


def python_for(user):
    """A Python that the user may run, or None."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            subprocess.run([python, __file__, "none"], preexec_fn=lambda: os.setuid(user), check=True, cwd="/")
            subprocess.run(
                [PAGEWALK, "--version"], preexec_fn=lambda: os.setuid(user), check=True, cwd="/",
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            return python
        except (OSError, subprocess.SubprocessError):
            pass
    return None


def start(user):
    as_user = (lambda: os.setuid(user)) if user else None
    process = subprocess.Popen(
        [python_for(user) if user else sys.executable, __file__, "child"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=as_user, text=True,
    )  # fmt: skip
    return process, json.loads(process.stdout.readline())


def dump(process, user, *arguments):
    done = subprocess.run(
        [PAGEWALK, "dump", *arguments, "--json", "pid:%d" % process.pid],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
        preexec_fn=(lambda: os.setuid(user)) if user else None,
    )  # fmt: skip
    records = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return done.returncode, records[:-1], (records or [{}])[-1].get("summary", {}), done.stderr.decode()


def page_at(records, va):
    return next((r for r in records if int(r["first"], 16) <= va <= int(r["last"], 16)), {})


def areas_of(pid):
    """What smaps sums up, by the first address of an area."""
    areas = {}
    with open("/proc/%d/smaps" % pid) as file:
        for line in file:
            if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) (....) .*?(\[\w+\])?$", line):
                area = areas.setdefault(int(match[1], 16), {"end": int(match[2], 16), "name": match[4]})
            elif match := re.match(r"(Rss|Swap|AnonHugePages): +(\d+) kB", line):
                area[match[1]] = int(match[2]) << 10
    return areas


def is_as_smaps(records, areas, has_scan):
    for first, area in areas.items():
        if area["name"] in ("[vsyscall]", "[vvar]", "[vdso]", "[vvar_vclock]"):
            continue
        inside = [r for r in records if first <= int(r["first"], 16) < area["end"]]
        sums = {kind: sum(r["size"] for r in inside if r["kind"] == kind) for kind in ("present", "none")}
        large = sum(r["size"] for r in inside if r["huge"])
        if sums["present"] != area["Rss"] or (area["AnonHugePages"] and has_scan and large < area["AnonHugePages"]):
            return "%x: %s, %s" % (first, inside, area)
        if sum(r["size"] for r in inside) != area["end"] - first:
            return "%x: a part is missing: %s" % (first, inside)
    return ""


def test_process(user):
    who = "as another" if user else "as who we are"
    process, pages = start(user)
    status, records, summary, err = dump(process, user)
    has_scan = "does not tell huge pages" not in err
    for name, va in pages.items():
        if name not in EXPECTED or (name == "zero" and not has_scan):
            continue
        page, (kind, flags) = page_at(records, va), EXPECTED[name]
        if kind == "marker" and summary.get("swap_or_marker"):
            kind = "swap_or_marker"
        is_ok = page.get("kind") == kind and tuple(f for f in FLAGS if page[f]) == flags
        check("%s: %s" % (who, name), is_ok and status == 0, (page, status, err))
    odd = is_as_smaps(records, areas_of(process.pid), has_scan)
    check("%s: all areas as smaps has them" % who, not odd, odd)
    check("%s: tables are said not to be visible" % who, summary.get("tables") == "not visible", summary)
    first = pages["written"]
    status, each, summary, err = dump(process, user, "--leaves", "--range", "%x+%x" % (first, PAGE))
    may = "CAP_SYS_ADMIN" not in err
    check("%s: one page, and its frame if we may" % who, len(each) == 1 and ("pa" in each[0]) == may, (each, err))
    if may and "count" in each[0]:
        check("%s: how often it is mapped" % who, each[0]["count"] == 1, each)
    status, records, summary, err = dump(process, user, "--watch", "1", "--watch-count", "2")
    check("%s: --watch of what does not change" % who, status == 0, err)
    process.stdin.close()
    process.wait()
    status, out, err = run("dump", "pid:%d" % process.pid)
    check("%s: one that has ended: one line" % who, status == 3 and err.count("\n") == 1, err)


def main():
    if not os.path.exists("/proc/self/pagemap") or not os.path.exists("/proc/self/smaps"):
        print("1..0 # SKIP there is no /proc/self/pagemap")
        return 77
    test_process(0)
    if not os.getuid() and python_for(NOBODY):
        test_process(NOBODY)
        status, records, summary, err = dump(subprocess.Popen(["true"]), NOBODY)
        check("another's process: one line", status == 3 and err.count("\n") == 1, err)
    status, out, err = run("dump", "self")
    check("self", status == 0 and "[stack]" in out and "tables=not visible" in out, (status, err))
    for words in (["dump", "pid:x"], ["dump", "pid:0"], ["dump", "pid:"], ["dump", "--root", "cpu0", "self"], ["info", "self"]):
        status, out, err = run(*words)
        check("%s: one line" % " ".join(words), status == 2 and err.count("\n") == 1, err)
    return finish()


if sys.argv[1:] == ["child"]:
    child()
elif sys.argv[1:] != ["none"]:
    run_tests(main)
