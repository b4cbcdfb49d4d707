# SPDX-License-Identifier: BSD-2-Clause
"""live.py MAKE_DUMPS GUEST: machines that QEMU runs, by the socket of its monitor. Prints TAP.

One stands and has the memory of a dump: what is said of it is what is said of the dump, to the byte. One
runs, and changes its tables without end in a known order: what is of one moment keeps it. Monitors that
lie, stall, say garbage or go away: one line, in bounded time. PGW_LIVE_KILLS: how often pagewalk is killed.
"""

import ctypes
import errno
import json
import mmap
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from machines import (
    PAGEWALK, QEMU, QUESTIONS, TMP, Machine, answer_both, ask_both, check, file_backend, finish, ram_of, run,
    run_tests, stopped,
)  # fmt: skip

MAKE_DUMPS, GUEST = sys.argv[1:3]
KILLS = int(os.environ.get("PGW_LIVE_KILLS", "12"))
CAPTURES = int(os.environ.get("PGW_LIVE_CAPTURES", "12"))
def memory_at(address, size):
    """Is there memory of this process at the address (now)?"""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
    MAP_FIXED_NOREPLACE = 0x100000
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
    got = libc.mmap(address, size, mmap.PROT_READ, flags, -1, 0)
    return got == address or ctypes.get_errno() == errno.EEXIST


class Proxy(threading.Thread):
    """A monitor between pagewalk and a machine, so that QEMU is not who made the socket."""

    def __init__(self, machine, path):
        super().__init__(daemon=True)
        self.machine, self.path = machine, path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.start()

    def run(self):
        while True:
            client = self.listener.accept()[0]
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.machine.socket)
            other = threading.Thread(target=self.copy, args=(server, client), daemon=True)
            other.start()
            self.copy(client, server)
            other.join()

    @staticmethod
    def copy(one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        try:
            other.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


# ---- a machine that stands ----

def test_inherited(ram, dump):
    """QEMU listens on a socket that another process made, as libvirt does."""
    path = os.path.join(TMP, "inherited")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    machine = stopped(
        "inherited-own", "pc,memory-backend=m0", "-object", file_backend(ram),
        "-chardev", "socket,id=c,fd=%d,server=on,wait=off" % listener.fileno(),
        "-mon", "chardev=c,mode=control", pass_fds=[listener.fileno()],
    )  # fmt: skip
    status, out, err = run("info", "qemu:" + path)
    check("a socket that another process made: QEMU is found", "mapped in place" in out, (out, err))
    machine.end()
    listener.close()


def may_read(pid):
    """Asked by another process: we are QEMU's parent, which may more."""
    script = "open('/proc/%d/mem', 'rb')" % pid
    return subprocess.run([sys.executable, "-c", script], stderr=subprocess.DEVNULL).returncode == 0


# Of a page, what does not say what CPUs run: those of a machine that was not started run nothing.
PAGE_DATA = '<script type="application/json" class="(?:rows" data-for="(?:spaces|uses|sizes-table|levels|regions)|space)".*?</script>'


def page_of(image):
    """The page that report makes: status, summary, error, and its data."""
    page = os.path.join(TMP, "page.html")
    status, out, err = run("report", "--force", "--json", image, "-o", page)
    with open(page, encoding="utf-8") as file:
        data = re.findall(PAGE_DATA, file.read().replace("running root", "mapped root"), re.S)
    return status, json.loads(out)["summary"], err, data


def test_report(machine, dump):
    """A page, and SQL, of a machine that stands are those of a dump of its memory."""
    live, dumped = page_of(machine.name()), page_of(dump)
    check("report of a machine: the page's numbers are the dump's", live[:2] == dumped[:2] and live[1]["roots"] == 2,
          (live[:3], dumped[:3]))
    odd = [(a, b) for a, b in zip(live[3], dumped[3]) if a != b]
    check("... and its tables and maps", not odd and len(live[3]) == len(dumped[3]) == 7, odd)
    for table in ("ranges", "tables"):
        question = "select * from " + table
        a, b = run("sql", machine.name(), question), run("sql", dump, question)
        check("SQL: " + table, a[:2] == b[:2] and a[1].count("\n") > 2, (a, b))


def test_standing():
    subprocess.run([MAKE_DUMPS, TMP], check=True)
    dump = os.path.join(TMP, "core.elf")
    ram = os.path.join(TMP, "ram")
    ram_of(dump, ram, 64 << 20)
    machine = stopped("mapped", "pc,memory-backend=m0", "-object", file_backend(ram))
    ask_both("memory in a file", machine.name(), dump, QUESTIONS)
    answer_both("memory in a file", machine.name(), dump)
    status, out, err = run("info", machine.name())
    check("info says how memory is read", "mapped in place" in out, (status, out, err))
    tables = os.path.join(TMP, "tables")
    status, out, err = run("snapshot", machine.name(), tables)
    check("snapshot of a machine that stands", status == 0 and "stood before" in err, (out, err))
    check("... which stands still", not machine.runs())
    trimmed = os.path.join(TMP, "trimmed")
    run("trim", dump, trimmed)
    for question in (["roots"], ["dump"], ["dump", "--root", "0x20000"]):
        a, b = run(*question, tables), run(*question, trimmed)
        lines = [[line for line in text[1].splitlines() if "memory" not in line] for text in (a, b)]
        if question == ["roots"]:  # no CPU of this machine runs on them
            lines = [[line.split()[0] for line in some] for some in lines]
        check("... says what a trimmed dump does: " + question[-1], lines[0] == lines[1] and a[1], (a, b))
    status, out, err = run("snapshot", dump, tables + "2")
    check("snapshot refuses a file", status == 2 and "no machine" in err, err)
    # The process that passes all on has memory of its own at the same addresses.
    hva = int(machine.ask("human-monitor-command", **{"command-line": "gpa2hva 0"}).split()[-1], 16)
    decoy = memory_at(hva, 64 << 20)
    proxy = Proxy(machine, os.path.join(TMP, "proxy"))
    ask_both("memory that QEMU writes", "qemu:" + proxy.path, dump, QUESTIONS[4:])
    status, out, err = run("info", "qemu:" + proxy.path)
    check("info says that it is slow", "slow" in out, (out, err))
    check("... by a process with memory there", decoy)
    by_pid = run("dump", "--root", "0x12000", "qemu:%d" % machine.qemu.pid)
    by_path = run("dump", "--root", "0x12000", machine.name())
    check("a machine by its process's number", by_pid[:2] == by_path[:2] and by_pid[1], (by_pid, by_path))
    for pid in (1, os.getpid(), 999999999):
        status, out, err = run("dump", "qemu:%d" % pid)
        check("a process that has no monitor: one line", status == 3 and err.count("\n") == 1, err)
    test_report(machine, dump)
    machine.end()
    test_inherited(ram, dump)
    # Private memory of the process: the loader puts the same into it.
    machine = stopped("process", "pc", "-device", "loader,addr=0,force-raw=on,file=" + ram)
    ask_both("memory of the process", machine.name(), dump, QUESTIONS)
    status, out, err = run("info", machine.name())
    # Yama (ptrace_scope) may keep us from another process's memory.
    wanted = "QEMU's process" if may_read(machine.qemu.pid) else "slow"
    check("info says that it is the process's, or slow where that is not permitted", wanted in out, (out, err))
    machine.end()


# ---- a machine that runs ----

FIRST, SECOND = 0xFFFF800000000000, 0xFFFF8000003FF000
GOING, FIXED, USER = 0xFFFF800000409000, 0xFFFF800000600000, 0x40007000


def leaves(*arguments):
    status, out, err = run("dump", "--root", "cpu0", "--leaves", "--json", *arguments)
    records = [json.loads(line) for line in out.splitlines()]
    return status, [r for r in records if "summary" not in r], err


def turn(pages, va):
    """Of the guest's counter, the 12 bits that the page at va says."""
    page = pages[va] >> 12
    if not 0x1000 <= page < 0x2000:
        raise ValueError("%x at %x" % (pages[va], va))
    return page & 0xFFF


def is_of_one_moment(records):
    pages = {int(r["va"], 16): int(r["pa"], 16) for r in records if "pa" in r}
    turns = [turn(pages, va) for va in (FIRST, SECOND, USER)]
    fixed = all(pages[FIXED + 4096 * i] == 0x200000 + 4096 * i for i in range(512))
    ordered = all((a - b) % 4096 <= 1 for i, a in enumerate(turns) for b in turns[i + 1 :])
    if GOING in pages:
        ordered = ordered and (turns[1] - turn(pages, GOING)) % 4096 <= 1
    return fixed and ordered and len(pages) == len(records), turns


def is_right_or_marked(records):
    """Without a pause: what is not marked is what it was at some moment."""
    torn = [(int(r["va"], 16), r["size"]) for r in records if r.get("kind") == "torn"]
    pages = {int(r["va"], 16): int(r["pa"], 16) for r in records if "pa" in r}
    for va in (FIRST, SECOND, GOING):
        if va in pages:
            turn(pages, va)
        elif va != GOING and not any(first <= va < first + size for first, size in torn):
            return False
    known = {FIRST, SECOND, GOING} | {FIXED + 4096 * i for i in range(512)}
    is_fixed = all(pages.get(FIXED + 4096 * i) == 0x200000 + 4096 * i for i in range(512))
    return is_fixed and set(pages) <= known


def kill_once(machine, delay):
    process = subprocess.Popen(
        [PAGEWALK, "dump", "--consistent", "--root", "cpu0", machine.name()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(delay)
    process.kill()
    process.wait()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if machine.runs():
            return True
        time.sleep(0.01)
    return False


def test_kills(machine, took):
    seed = int(os.environ.get("PGW_SEED", str(random.getrandbits(32))))
    print("# seed %d (PGW_SEED)" % seed)
    dice = random.Random(seed)
    left = sum(not kill_once(machine, dice.uniform(0, took)) for _ in range(KILLS))
    check("killed %d times: the machine runs" % KILLS, left == 0, left)


def test_watch(machine):
    """What changed, added to what was, is what is: at each moment, of one moment."""
    arguments = ["dump", "--root", "cpu0", "--leaves", "--json", "--consistent", "--half", "both"]
    status, out, err = run(*arguments, "--watch", "1", "--watch-count", "3", machine.name())
    lines, rounds, is_ok = [], 1, status == 0
    for line in out.splitlines():
        record = json.loads(line)
        if "watch" in record:
            is_ok = is_ok and is_of_one_moment([r for r in lines if "summary" not in r])[0]
            rounds += 1
        elif "gone" in record:
            lines.remove(record["gone"])
        else:
            lines.append(record.get("new", record))
    is_ok = is_ok and is_of_one_moment([r for r in lines if "summary" not in r])[0]
    check("--watch: what changed, each time of one moment", is_ok and rounds == 3, (status, out[-2000:], err))
    watch = subprocess.Popen(
        [PAGEWALK, "top", "--root", "cpu0", machine.name()],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    watch.stdout.read(1)
    watch.send_signal(signal.SIGINT)
    out, err = watch.communicate(timeout=20)
    check("top: SIGINT ends it", watch.returncode == 0 and b"oot=" in out, (watch.returncode, out, err))
    check("... and the machine runs", machine.runs())
    status, out, err = run("stats", "--watch", "1", "--watch-count", "1", "qemu:" + TMP + "/none")
    check("--watch of no machine: one line", status == 3 and not out and err.count("\n") == 1, err)
    status, out, err = run("roots", "--watch-count", "1", machine.name())
    check("--watch-count alone: refused", status == 2 and err.count("\n") == 1, err)


def test_running():
    machine = Machine(
        "running", "-m", "64M", "-bios", GUEST, "-machine", "pc,memory-backend=m0",
        "-object", "memory-backend-memfd,id=m0,size=64M,share=on",
    )  # fmt: skip
    machine.wait_for_guest()
    began = time.monotonic()
    for i in range(CAPTURES):
        status, records, err = leaves("--consistent", "--half", "both", machine.name())
        is_ok, turns = is_of_one_moment(records)
        if status or not is_ok or "stood still for" not in err or not machine.runs():
            break
    check("%d captures, each of one moment" % CAPTURES, i + 1 == CAPTURES and is_ok, (turns, err))
    took = (time.monotonic() - began) / CAPTURES
    for i in range(CAPTURES):
        status, records, err = leaves("--half", "kernel", machine.name())
        if "stood" in err or not is_right_or_marked(records):
            break
    check("unpaused: right or marked", i + 1 == CAPTURES, (records[:4], err))
    status, records, err = leaves("--half", "user", machine.name())
    check("a user's half is read while it stands", status == 0 and "stood still for" in err, err)
    status, out, err = run("translate", "--root", "cpu0", machine.name(), "%x" % FIXED)
    check("translate", status == 0 and "200000" in out, (out, err))
    status, summary, err, data = page_of(machine.name())
    is_ok = status == 0 and summary["roots"] and summary["ranges"] and "stood still for" in err and machine.runs()
    check("a report is of a copy, and the machine runs on", is_ok, (status, summary, err))
    status, out, err = run("sql", machine.name(), "select count(*) from leaves")
    check("SQL is of a copy", status == 0 and "stood still for" in err and machine.runs(), (status, out, err))
    tables = os.path.join(TMP, "running.tables")
    status, out, err = run("snapshot", machine.name(), tables)
    status2, records, err2 = leaves("--half", "both", tables)
    check("a snapshot is of one moment", not status and is_of_one_moment(records)[0], (err, err2))
    status, out, err = run("stats", machine.name())
    check("stats are of a copy", status in (0, 1) and out and "stood still for" in err, (out, err))
    status, out, err = run("diff", machine.name(), tables)
    check("diff is of a copy", status == 1 and out and "stood still for" in err, (out, err))
    status, out, err = run("diff", "--watch", "1", "--watch-count", "2", "--json", machine.name())
    records = [json.loads(line) for line in out.splitlines()]
    sums = [r["summary"] for r in records if "summary" in r]
    moved = {int(r["first"], 16) for r in records if "moved" in r.get("what", "")}
    check("diff --watch: the machine and itself: what its program moves, twice", status == 1 and
          len(sums) == 2 and all(s["changes"] for s in sums) and moved and
          all(va in (FIRST, SECOND, GOING, USER) for va in moved), (status, out[-1500:], err))
    status, out, err = run("diff", "--watch", "1", machine.name(), tables)
    check("diff --watch and another image: refused", status == 2 and err.count("\n") == 1, err)
    status, out, err = run("find", machine.name(), "200000")
    check("find is of a copy", status == 0 and "first=0x%016x" % FIXED in out and
          "stood still for" in err, (status, out, err))
    status, out, err = run("audit", machine.name())
    check("audit is of a copy", status in (0, 1) and "stood still for" in err and "# " in out and
          "rule=kernel-wx" in out, (status, out, err))
    status, out, err = run("dump", "--max-pause", "1", "--consistent", "--root", "cpu0", machine.name())
    is_given_up = status == 3 and "--max-pause" in err and err.count("\n") == 1
    check("--max-pause: in time, or nothing", status == 0 or is_given_up, (status, err))
    check("... and the machine runs", machine.runs())
    test_watch(machine)
    test_kills(machine, took)
    status, out, err = run("convert", machine.name(), os.path.join(TMP, "all"))
    check("convert reads all of it, and says that it ran", status == 0 and "of no one moment" in err, err)
    still = os.path.join(TMP, "still")
    status, out, err = run("convert", "--consistent", machine.name(), still)
    is_ok = status == 0 and "stood still for" in err and is_of_one_moment(leaves("--half", "both", still)[1])[0]
    check("convert --consistent: all of one moment", is_ok, (status, err))
    status, out, err = run("convert", "--consistent", "--max-pause", "1", machine.name(), still + "2")
    is_ok = status == 3 and "--max-pause" in err and not os.path.exists(still + "2")
    check("... in time, or nothing", is_ok and machine.runs(), (status, err))
    for command in ("info", "roots"):
        status, out, err = run(command, machine.name())
        check("%s of one that runs says so" % command, "the machine runs" in err, (out, err))
    machine.ask("stop")
    live = run("dump", "--root", "cpu0", "--leaves", machine.name())
    check("a machine that stood stands after it", not machine.runs())
    dump = os.path.join(TMP, "dumped")
    machine.ask("dump-guest-memory", paging=False, protocol="file:" + dump)
    dumped = run("dump", "--root", "cpu0", "--leaves", dump)
    check("a dump of the same state: equal to the byte", live[:2] == dumped[:2], (live, dumped))
    machine.end()
    status, out, err = run("dump", machine.name())
    check("a machine that is gone: one line", status == 3 and err.count("\n") == 1, err)


# ---- monitors that are none ----

GREETING = b'{"QMP":{"version":{},"capabilities":[]}}\n'
DONE = b'{"return":{}}\n'
ARCH = b'{"return":{"arch":"x86_64"}}\n{"return":{"running":true}}\n'


def text(words):
    return json.dumps({"return": words}).encode() + b"\n"


def mtree(*lines):
    return text("FlatView #0\r\n AS \"memory\", root: system\r\n" + "".join(l + "\r\n" for l in lines))


RAM = "  0000000000000000-0000000003ffffff (prio 0, ram): m0"
HVA = text("Host virtual address for 0x0 (m0) is 0x7f0000000000\r\n")
REGISTERS = text("\r\nCPU#0\r\nCR0=80050033 CR2=0 CR3=1000 CR4=20\r\nEFER=0000000000000d01\r\n")
WHOLE = mtree(RAM)

PEERS = {
    "says nothing": [None],
    "closes at once": [],
    "greets and closes": [GREETING],
    "says garbage": [b"\x00\xff\xfe" * 1000 + b"\n"],
    "says another thing": [b'{"hello":1}\n'],
    "says numbers": [b"1\n2\n3\n"],
    "says no": [GREETING, b'{"error":{"class":"x","desc":"y"}}\n'],
    "says events for ever": [GREETING, "flood"],
    "says a line without end": [GREETING, "line"],
    "nests": [GREETING, b"[" * 100000 + b"\n"],
    "has no architecture": [GREETING, DONE, DONE],
    "has a long architecture": [GREETING, DONE, text("x").replace(b'"x"', b'{"arch":"' + b"x" * 5000 + b'"}')],
    "has another architecture": [GREETING, DONE, b'{"return":{"arch":"vax"}}\n'],
    "has no memory": [GREETING, DONE, ARCH, text("nothing")],
    "has too many ranges": [GREETING, DONE, ARCH, mtree(*[RAM] * 5000)],
    "has a range backwards": [GREETING, DONE, ARCH, mtree("  10-8 (prio 0, ram): x")],
    "has all addresses": [GREETING, DONE, ARCH, mtree("  0-ffffffffffffffff (prio 0, ram): x"), HVA, REGISTERS, *[DONE] * 9],
    "has memory that is not there": [GREETING, DONE, ARCH, WHOLE, HVA, REGISTERS, *[DONE] * 9],
    "has addresses that wrap": [GREETING, DONE, ARCH, WHOLE, text("m0) is 0xfffffffffffff000"), REGISTERS, *[DONE] * 9],
    "has no registers": [GREETING, DONE, ARCH, WHOLE, HVA, text("CPU")],
    "has odd registers": [GREETING, DONE, ARCH, WHOLE, HVA, text("CPU#0\r\nCR0=zz CS =1 2\r\nCPU#"), *[DONE] * 9],
    "has long registers": [GREETING, DONE, ARCH, WHOLE, HVA, text("CPU#0\r\n" * 8000 + "x" * 3900000), *[DONE] * 9],
    "has a long list": [GREETING, DONE, ARCH, mtree(*["  10-20 (prio 0, xx): x"] * 150000)],
    "ends in the middle": [GREETING, DONE, ARCH, WHOLE[:40]],
}


def serve(listener, script):
    client = listener.accept()[0]
    try:
        for i, words in enumerate(script):
            if i:
                client.recv(65536)
            if words is None:
                client.recv(65536)
                return
            if words in ("flood", "line"):
                while True:
                    client.sendall(b'{"event":"x"}\n' * 100 if words == "flood" else b'"' + b"x" * 9999)
            client.sendall(words)
    except OSError:
        pass
    finally:
        client.close()


def test_hostile():
    jobs = []
    for name, script in PEERS.items():
        path = os.path.join(TMP, name.replace(" ", "-"))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        threading.Thread(target=serve, args=(listener, script), daemon=True).start()
        jobs.append((name, listener, subprocess.Popen(
            [PAGEWALK, "dump", "--root", "cpu0", "--consistent", "qemu:" + path],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )))  # fmt: skip
    end = time.monotonic() + 150
    for name, listener, job in jobs:
        try:
            err = job.communicate(timeout=max(1, end - time.monotonic()))[1].decode()
        except subprocess.TimeoutExpired:
            job.kill()
            err = "no end"
        is_ok = job.returncode in (1, 3) and err.count("\n") == 1 and "Sanitizer" not in err
        check("a monitor that %s: one line" % name, is_ok, (job.returncode, err))
        listener.close()
    status, out, err = run("dump", "qemu:" + os.path.join(TMP, "none"))
    check("no socket: one line", status == 3 and err.count("\n") == 1, err)
    status, out, err = run("dump", "qemu:" + "x" * 200)
    check("a long name: one line", status == 3 and err.count("\n") == 1, err)


def main():
    if not shutil.which(QEMU):
        print("1..0 # SKIP %s is not installed" % QEMU)
        return 77
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    test_hostile()
    test_standing()
    test_running()
    return finish()


run_tests(main)
