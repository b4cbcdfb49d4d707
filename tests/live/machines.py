# SPDX-License-Identifier: BSD-2-Clause
"""Machines that QEMU runs, and how the tests beside this one speak with them and with pagewalk."""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

PAGEWALK = os.environ["PGW_TOOL"]
QEMU = "qemu-system-x86_64"
TMP = tempfile.mkdtemp(prefix="pagewalk-live-")
os.environ["LC_ALL"] = "C"
nr = failed = 0
started = time.monotonic()


def check(name, is_ok, why=""):
    global nr, failed
    nr += 1
    failed += not is_ok
    print("%sok %d - %s" % ("" if is_ok else "not ", nr, name), flush=True)
    print("# %.1f s" % (time.monotonic() - started), file=sys.stderr)
    if not is_ok:
        print("".join("# %s\n" % line for line in str(why)[:3000].splitlines()), flush=True)


def finish():
    print("1..%d" % nr)
    return failed != 0


def run_tests(main):
    try:
        sys.exit(main())
    finally:
        shutil.rmtree(TMP, ignore_errors=True)


def run(*arguments, timeout=60):
    done = subprocess.run(
        [PAGEWALK, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Machine:
    """A QEMU with two monitors: one for pagewalk, one for the test; perhaps with a gdb stub."""

    def __init__(self, name, *arguments, qemu=QEMU, has_gdb=False, pass_fds=()):
        self.socket = os.path.join(TMP, name + ".qmp")
        self.gdb = os.path.join(TMP, name + ".gdb")
        own = os.path.join(TMP, name + ".own")
        self.qemu = subprocess.Popen(
            [qemu, "-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg"]
            + ["-qmp", "unix:%s,server=on,wait=off" % self.socket]
            + ["-qmp", "unix:%s,server=on,wait=off" % own]
            + (["-gdb", "unix:%s,server=on,wait=off" % self.gdb] if has_gdb else [])
            + list(arguments),
            pass_fds=pass_fds,
        )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            self.own = socket.socket(socket.AF_UNIX)
            try:
                self.own.connect(own)
                break
            except OSError:
                time.sleep(0.02)
        self.lines = self.own.makefile("r")
        self.lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        text = json.dumps({"execute": command, "arguments": arguments}) + "\n"
        self.own.sendall(text.encode())
        while True:
            answer = json.loads(self.lines.readline())
            if "return" in answer or "error" in answer:
                return answer.get("return")

    def runs(self):
        return self.ask("query-status")["running"]

    def name(self):
        return "qemu:" + self.socket

    def monitor(self, line):
        return self.ask("human-monitor-command", **{"command-line": line})

    def wait_for_guest(self):
        """Until the guest of guest_x86_64.S has made its tables: it says so at READY."""
        end = time.monotonic() + 60
        while "0x00000001" not in self.monitor("xp /1wx 0x10000"):
            if time.monotonic() > end:
                raise TimeoutError("the guest makes no tables")
            time.sleep(0.02)

    def dump(self, path):
        self.ask("dump-guest-memory", paging=False, protocol="file:" + path)
        return path

    def end(self):
        self.qemu.kill()
        self.qemu.wait()


def packet(text):
    return b"$%s#%02x" % (text, sum(text) & 255)


class Stub:
    """A client that is none of pagewalk's."""

    def __init__(self, machine):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(machine.gdb)
        self.socket.settimeout(20)
        self.file = self.socket.makefile("rb")

    def ask(self, text):
        self.socket.sendall(b"+" + packet(text))
        while True:
            while self.file.read(1) != b"$":
                pass
            answer = b""
            while (byte := self.file.read(1)) != b"#":
                answer += byte
            self.file.read(2)
            self.socket.sendall(b"+")
            if answer[:1] not in b"TO" or answer == b"OK":
                return answer

    def close(self):
        self.file.close()
        self.socket.close()


def ram_of(elf, path, size, base=0):
    """The memory of an ELF core from base on, so many bytes, in a file."""
    with open(elf, "rb") as file:
        data = file.read()
    order = "<>"[data[5] - 1]
    offset, nr_headers = struct.unpack_from(order + "Q", data, 32)[0], struct.unpack_from(order + "H", data, 56)[0]
    with open(path, "wb") as file:
        file.truncate(size)
        for i in range(nr_headers):
            kind, _, at, _, pa, there = struct.unpack_from(order + "IIQQQQ", data, offset + 56 * i)
            if kind == 1 and base <= pa and pa + there <= base + size:
                file.seek(pa - base)
                file.write(data[at : at + there])


def file_backend(path, size="64M"):
    return "memory-backend-file,id=m0,size=%s,share=on,mem-path=%s" % (size, path)


def stopped(name, board, *memory, **more):
    return Machine(name, "-S", "-m", "64M", "-machine", board, *memory, **more)


QUESTIONS = (
    ["find", "IMAGE", "0+4M"],
    ["stats"],
    ["dump", "--root", "0x12000", "--leaves"],
    ["dump", "--root", "0x20000", "--no-fold"],
    ["dump", "--consistent"],
    ["translate", "--root", "0x20000", "IMAGE", "ffffffff81002000", "400000"],
)


def without_cpus(answer):
    """The dump's CPUs have loaded a root; this machine's, which only got its memory, have not."""
    return answer[0], answer[1].replace("state=running", "state=mapped")


def ask_both(name, machine, dump, questions):
    for question in questions:
        words = list(question) if "IMAGE" in question else list(question) + ["IMAGE"]
        live = run(*[machine if word == "IMAGE" else word for word in words])
        words = [dump if word == "IMAGE" else word for word in words]
        if "--consistent" in words:
            words.remove("--consistent")
        said = run(*words)
        check("%s: %s" % (name, " ".join(question)), without_cpus(live) == without_cpus(said) and
              live[1], (live, said))


def answers_of(text):
    """An audit's findings in tables: what is not checked of a machine that runs is more, and what its
    registers say is another matter."""
    return [line.replace("state=running", "state=mapped").replace("  suspect  ", "  ")
            for line in text.splitlines() if line.startswith("finding ") and " first=" in line]


def answer_both(name, machine, dump):
    """An audit of both is the same, and a diff of one and the other has nothing."""
    live, said = run("audit", machine), run("audit", dump)
    check("%s: audit" % name, live[0] in (0, 1) and answers_of(live[1]) == answers_of(said[1]) and
          "#  roots=" in live[1], (live, said))
    status, out, err = run("diff", machine, dump)
    check("%s: diff with its dump: nothing" % name, status in (0, 1) and " changes=0 " in out and
          " single_roots=0 " in out, (status, out, err))
