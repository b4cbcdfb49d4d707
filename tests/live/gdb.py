# SPDX-License-Identifier: BSD-2-Clause
"""gdb.py MAKE_DUMPS GUEST STUB_ARM64 STUB_RISCV64: machines by their gdb stub. Prints TAP.

One of each architecture stands, and what is said of it is what is said of a dump of it, to the byte. One
runs, and does so afterwards, whatever ends pagewalk; addresses mean to the stub what they meant. Stubs that
lie, stall, say garbage or go away: one line, in bounded time. PGW_LIVE_KILLS: how often pagewalk is killed.
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from machines import (
    PAGEWALK, QEMU, QUESTIONS, TMP, Machine, Stub, answer_both, ask_both, check, file_backend, finish, packet,
    ram_of, run, run_tests, stopped,
)  # fmt: skip

MAKE_DUMPS, GUEST, STUB_ARM64, STUB_RISCV64 = sys.argv[1:5]
KILLS = int(os.environ.get("PGW_LIVE_KILLS", "8"))

PAGE = 4096


def mode(machine):
    """Are addresses physical ones? The machine stands while this asks."""
    ran = machine.runs()
    stub = Stub(machine)
    answer = stub.ask(b"qqemu.PhyMemMode")
    if ran:
        stub.ask(b"D")
    stub.close()
    return answer


# ---- machines that stand ----


def test_x86_64():
    subprocess.run([MAKE_DUMPS, TMP], check=True)
    dump = os.path.join(TMP, "core.elf")
    ram = os.path.join(TMP, "ram")
    ram_of(dump, ram, 64 << 20)
    machine = stopped("x86_64", "pc,memory-backend=m0", "-object", file_backend(ram), has_gdb=True)
    name = "gdb:" + machine.gdb
    ask_both("x86_64", name, dump, QUESTIONS)
    answer_both("x86_64", name, dump)
    check("x86_64: it stands, and addresses are virtual", (machine.runs(), mode(machine)) == (False, b"0"))
    status, out, err = run("info", name)
    check("info says how memory is read", "through its gdb stub; QEMU says where" in out, (out, err))
    check("... and that it stood before", "stood still" not in err, err)
    stub = Stub(machine)
    stub.ask(b"Qqemu.PhyMemMode:1")
    stub.close()
    run("translate", "--root", "0x12000", name, "0")
    check("physical addresses stay what they were", mode(machine) == b"1")
    machine.end()


def code_of(elf):
    """Where the code of an ELF program is to be, and its bytes: of the one segment that it has."""
    with open(elf, "rb") as file:
        data = file.read()
    at, nr = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    for i in range(nr):
        kind, _, offset, _, pa, size = struct.unpack_from("<IIQQQQ", data, at + 56 * i)
        if kind == 1:
            return pa, data[offset : offset + size]


PARAMS, COMMANDS, TABLES = 0x210000, 0x220000, 0x800000


def put(ram, offset, *words):
    struct.pack_into("<%dQ" % len(words), ram, offset, *words)


def start(arch, base, ram, stub, arguments, qemu):
    """A machine of 64 MiB that runs the stub, which loads the registers and waits for ever."""
    pa, code = code_of(stub)
    ram[pa - base : pa - base + len(code)] = code
    put(ram, PARAMS, 0, base + COMMANDS)
    path = os.path.join(TMP, arch + ".ram")
    with open(path, "wb") as file:
        file.write(ram)
    machine = Machine(
        arch, "-m", "64M", *arguments, "-object", file_backend(path),
        "-device", "loader,addr=%#x,cpu-num=0" % pa,
        qemu=qemu, has_gdb=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    is_ready = False
    while not is_ready and time.monotonic() < end:
        with open(path, "rb") as file:
            file.seek(PARAMS)
            is_ready = file.read(1) == b"\1"
        time.sleep(0.02)
    check("%s: its registers are loaded" % arch, is_ready)
    machine.ask("stop")
    return machine


def compare(arch, machine, questions):
    """Each question with what of it is for the machine and what for the dump, which has no registers."""
    dump = machine.dump(os.path.join(TMP, arch + ".dump"))
    name = "gdb:" + machine.gdb
    for live, dumped in questions:
        a, b = run(*live, name), run(*dumped, dump)
        check("%s: %s" % (arch, " ".join(live)), a[:2] == b[:2] and a[1].count("\n") > 1, (a, b))
    check("%s: it stands, and addresses are virtual" % arch, (machine.runs(), mode(machine)) == (False, b"0"))


def test_arm64():
    base = 0x40000000
    ram = bytearray(64 << 20)
    table = lambda n: base + TABLES + n * PAGE  # noqa: E731
    page = 0x703  # AF, inner shareable
    block = page & ~2
    # TTBR0: 1 GiB where it is, for the stub. TTBR1: blocks, and pages some of which are read-only.
    put(ram, TABLES, table(1) | 3)
    put(ram, TABLES + PAGE + 8, base | block)
    put(ram, TABLES + 2 * PAGE, table(3) | 3)
    put(ram, TABLES + 3 * PAGE, table(4) | 3, base | block)
    put(ram, TABLES + 4 * PAGE, table(5) | 3, *[base + (i << 21) | block for i in range(8)])
    put(ram, TABLES + 5 * PAGE, *[base + i * PAGE | page | (i & 1) << 7 for i in range(300)])
    ttbr0, ttbr1, tcr = table(0), 5 << 48 | table(2), 16 | 16 << 16 | 2 << 30
    put(ram, PARAMS + 16, ttbr0, ttbr1, tcr, 0xFF, 0x30D00801)
    machine = start(
        "arm64", base, ram, STUB_ARM64, ["-machine", "virt,memory-backend=m0", "-cpu", "cortex-a72"],
        "qemu-system-aarch64",
    )  # fmt: skip
    known = ["--format", "arm64-4k-48", "--mair", "ff"]
    upper = ["--root", "%#x" % table(2), "--half", "kernel", *known]
    lower = ["--root", "%#x" % table(0), "--half", "user", *known]
    compare("arm64", machine, (
        (["dump", "--root", "cpu0"], ["dump", *upper]),
        (["dump", "--root", "cpu0", "--leaves", "--json"], ["dump", "--leaves", "--json", *upper]),
        (["dump", "--root", "cpu0", "--half", "user"], ["dump", *lower]),
    ))  # fmt: skip
    by_monitor(machine, ["dump", "--root", "cpu0"])
    machine.end()


def by_monitor(machine, question):
    """Registers that no monitor prints: by the stub, which is opened for that and closed again."""
    by_stub = run(*question, "gdb:" + machine.gdb)
    for what in ("the stub that there is", "a stub of its own"):
        answer = run(*question, machine.name())
        check("qemu: and %s" % what, answer[:2] == by_stub[:2], (answer, by_stub))
        check("... and the machine stands", not machine.runs())
        if what == "the stub that there is":
            check("... which is there afterwards", mode(machine) == b"0")
            machine.monitor("gdbserver none")
    check("... which is gone afterwards", "gdb:" not in machine.monitor("info chardev"))
    machine.ask("cont")
    status, out, err = run(*question, machine.name())
    check("... of one that runs: said", status == 0 and "stood still for" in err, (status, err))
    check("... and it runs", machine.runs())


def test_riscv64():
    base = 0x80000000
    ram = bytearray(64 << 20)
    table = lambda n: (base + TABLES + n * PAGE) >> 2 | 1  # noqa: E731
    leaf = 0xCF  # D A X W R V
    # The third gigabyte where it is, for the stub.
    put(ram, TABLES, base >> 2 | leaf, table(1), base >> 2 | leaf)
    put(ram, TABLES + 511 * 8, table(1))
    put(ram, TABLES + PAGE, table(2), *[(base + (i << 21)) >> 2 | leaf for i in range(8)])
    put(ram, TABLES + 2 * PAGE, *[(base + i * PAGE) >> 2 | leaf & ~(i & 1) << 3 for i in range(300)])
    put(ram, PARAMS + 16, 8 << 60 | (base + TABLES) >> 12, 0, 1 << 11)
    machine = start(
        "riscv64", base, ram, STUB_RISCV64,
        ["-machine", "virt,memory-backend=m0", "-bios", "none"], "qemu-system-riscv64",
    )  # fmt: skip
    root = ["--root", "%#x" % (base + TABLES), "--format", "riscv-sv39"]
    compare("riscv64", machine, (
        (["dump", "--root", "cpu0"], ["dump", *root]),
        (["dump", "--root", "cpu0", "--leaves", "--json"], ["dump", "--leaves", "--json", *root]),
    ))  # fmt: skip
    by_monitor, by_stub = (run("dump", "--root", "cpu0", name) for name in (machine.name(), "gdb:" + machine.gdb))
    check("riscv64: by the monitor, too", by_monitor[:2] == by_stub[:2], (by_monitor, by_stub))
    machine.end()


# ---- a machine that runs ----


def runs_again(machine, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if machine.runs():
            return True
        time.sleep(0.01)
    return False


def test_running():
    machine = Machine("running", "-m", "64M", "-bios", GUEST, "-machine", "pc", has_gdb=True)
    name = "gdb:" + machine.gdb
    machine.wait_for_guest()
    began = time.monotonic()
    run("dump", "--root", "cpu0", name)
    took = time.monotonic() - began
    for question in (["dump", "--root", "cpu0"], ["translate", "--root", "cpu0", name, "ffff800000600000"]):
        status, out, err = run(*question, *([] if name in question else [name]))
        is_ok = status == 0 and out and "the machine stood still for" in err
        check("%s of a machine that runs: how long it stood" % question[0], is_ok, (status, err))
        check("... and it runs", runs_again(machine))
    status, out, err = run("dump", "--max-pause", "1", "--root", "cpu0", name)
    check("--max-pause: nothing is shown", status == 3 and not out and "--max-pause" in err, err)
    check("... and it runs", runs_again(machine))
    seed = int(os.environ.get("PGW_SEED", str(random.getrandbits(32))))
    print("# seed %d (PGW_SEED)" % seed)
    dice = random.Random(seed)
    left = virtual = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            [PAGEWALK, "dump", "--root", "cpu0", name],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(dice.uniform(0, took))
        process.kill()
        process.wait()
        left += not runs_again(machine)
        virtual += mode(machine) == b"0"
    check("killed %d times: the machine runs" % KILLS, left == 0, left)
    check("... and addresses are virtual", virtual == KILLS, virtual)
    check("... also after that", runs_again(machine))
    machine.end()
    status, out, err = run("dump", name)
    check("a machine that is gone: one line", status == 3 and err.count("\n") == 1, err)


# ---- stubs that are none ----

TARGET = (
    b'<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target>'
    b'<architecture>i386:x86-64</architecture><xi:include href="core.xml"/></target>'
)
CORE = (
    b'<feature name="core"><reg name="rax" bitsize="64"/><!-- <reg name="no"/> -->'
    b'<reg name="cr0" bitsize="64" regnum="27"/><reg name="cr2" bitsize="64"/>'
    b'<reg name="cr3" bitsize="64"/><reg name="cr4" bitsize="64"/><reg name="efer"/></feature>'
)
VALUES = {27: 0x80050033, 29: 0x1000, 30: 0x20, 31: 0xD01}
MTREE = b'FlatView #0\n AS "memory", root: system\n  0000000000000000-0000000003ffffff (prio 0, ram): m0\n\n'


def good(text):
    """What a stub says to each command."""
    if text.startswith(b"qSupported"):
        return b"PacketSize=1000;qXfer:features:read+"
    if match := re.match(rb"qXfer:features:read:(.*):([0-9a-f]+),([0-9a-f]+)", text):
        words = CORE if match[1] == b"core.xml" else TARGET
        at, size = int(match[2], 16), int(match[3], 16)
        return (b"m" if at + size < len(words) else b"l") + words[at : at + size]
    if text == b"qfThreadInfo":
        return b"m01"
    if text == b"qsThreadInfo":
        return b"l"
    if text.startswith(b"p"):
        return struct.pack("<Q", VALUES[int(text[1:], 16)]).hex().encode()
    if text.startswith(b"m"):
        # RLE: two zeroes, and two more so many times
        return b"0*" + bytes([29 + 90]) + b"0" * (2 * int(text.split(b",")[1], 16) - 91)
    if text == b"qqemu.PhyMemMode":
        return b"0"
    if text.startswith(b"qRcmd"):
        return [b"O" + MTREE.hex().encode(), b"OK"] if b"6d74726565" in text else b""
    return b"OK"


FLOOD = object()
STALL = object()
HANGUP = object()


def words_of(answer):
    """The last resort: bytes as they are."""
    return b"".join(packet(a) for a in (answer if isinstance(answer, list) else [answer]))


# By what a command begins with, what is said instead.
PEERS = {
    "says nothing": {b"q": STALL},
    "closes at once": {b"q": HANGUP},
    "says garbage": {b"qSupported": b"\0raw" + b"\x00\xff\xfe" * 3000},
    "says packets without end": {b"qSupported": FLOOD},
    "has wrong checksums": {b"qSupported": b"\0raw$PacketSize=1000#00" * 9},
    "begins a packet without end": {b"qSupported": b"\0raw$" + b"x" * (5 << 20)},
    "repeats without end": {b"qSupported": b"\0raw$x" + b"*~" * 100000 + b"#00"},
    "has huge packets": {b"qSupported": b"PacketSize=ffffffffffffffff", b"m": b"E01"},
    "has tiny packets": {b"qSupported": b"PacketSize=0", b"m": b"E01"},
    "has no physical memory": {b"qqemu": b""},
    "cannot be switched": {b"Qqemu": b"E01"},
    "has no description": {b"qXfer": b""},
    "has a description of nothing": {b"qXfer": b"l"},
    "has another description": {b"qXfer": b"l<target><architecture>vax</architecture></target>"},
    "has a long name": {b"qXfer": b"l<target><architecture>" + b"x" * 900 + b"</architecture></target>"},
    "has broken XML": {b"qXfer": b"l<target><<<"},
    "has XML without end": {b"qXfer": b"m" + b"<a>" * 300},
    "includes itself": {b"qXfer": b'l<target><xi:include href="target.xml"/></target>'},
    "includes much": {b"qXfer": b"l<target>" + b'<xi:include href="a"/>' * 40 + b"</target>"},
    "laughs": {
        b"qXfer": b'l<!DOCTYPE t [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><target>&b;</target>'
    },
    "has odd numbers": {b"qXfer:features:read:core": b'l<f><reg name="cr3" regnum="99999999999999"/></f>'},
    "has no threads": {b"qfThread": b"E01"},
    "has threads without end": {b"qsThread": b"m01,02,03"},
    "names no thread for ever": {b"qsThread": b"m"},
    "has a long thread": {b"qfThread": b"m" + b"1" * 3000},
    "has long registers": {b"p": b"00" * 2000, b"m": b"E01"},
    "has odd registers": {b"p": b"xyz", b"m": b"E01"},
    "reads short": {b"m": b"00"},
    "reads with wrong checksums": {b"m": b"\0raw$00#ff"},
    "reads long": {b"m": b"00" * 60000},
    "reads no": {b"m": b"E14"},
    "reads nothing": {b"m": STALL},
    "goes away": {b"m": HANGUP},
    "says no detach": {b"m": b"E14", b"D": b"E22"},
    "has memory everywhere": {b"qRcmd": [b"O" + MTREE.replace(b"3ffffff", b"f" * 9).hex().encode(), b"OK"], b"m": b"E01"},
    "prints without end": {b"qRcmd": [b"O" + b"2e" * 2000] * 3000},
    "prints half digits": {b"qRcmd": [b"O2", b"Ozz", b"OK"], b"m": b"E01"},
    "stops and stops": {b"qSupported": [b"T02thread:01;"] * 1000 + [b"PacketSize=1000"], b"m": b"E01"},
}  # fmt: skip


def commands(client):
    data = b""
    while more := client.recv(65536):
        data += more
        while match := re.search(rb"\$([^#]*)#..", data):
            data = data[match.end() :]
            yield match[1]


def serve(listener, script, heard=None):
    try:
        while True:
            client = listener.accept()[0]
            threading.Thread(target=serve_one, args=(client, script, heard), daemon=True).start()
    except OSError:
        pass


def serve_one(client, script, heard):
    try:
        for text in commands(client):
            if heard is not None:
                heard.append(text)
            answer = next((a for start, a in script.items() if text.startswith(start)), None)
            if answer is None:
                answer = good(text)
            if answer is HANGUP:
                break
            while answer is FLOOD:
                client.sendall(packet(b"O2e") * 1000)
            if answer is STALL:
                continue
            is_raw = isinstance(answer, bytes) and answer.startswith(b"\0raw")
            client.sendall(b"+" + (answer[4:] if is_raw else words_of(answer)))
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
            [PAGEWALK, "dump", "--root", "cpu0", "gdb:" + path],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )))  # fmt: skip
    end = time.monotonic() + 150
    for name, listener, job in jobs:
        try:
            out, err = (text.decode() for text in job.communicate(timeout=max(1, end - time.monotonic())))
        except subprocess.TimeoutExpired:
            job.kill()
            out, err = "", "no end"
        lines = [line for line in err.splitlines() if "the machine stood still for" not in line]
        # What cannot be read may be shown as that.
        is_ok = job.returncode in (1, 3) and len(lines) == 1 and "Sanitizer" not in err
        check("a stub that %s: one line" % name, is_ok, (job.returncode, out, err))
        listener.close()


def test_good_peer():
    """One of the test's own that is as it should be, but knows no monitor, and packs what it says."""
    path = os.path.join(TMP, "good")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    threading.Thread(target=serve, args=(listener, {b"qRcmd": b""}), daemon=True).start()
    status, out, err = run("info", "gdb:" + path)
    check("a stub without QEMU's monitor: said", "is not known" in out and "CR3=0x1000" in out, (out, err))
    status, out, err = run("dump", "--root", "cpu0", "--json", "gdb:" + path)
    summary = json.loads(out.splitlines()[-1])["summary"] if out else {}
    check("... its tables are read", status == 0 and summary.get("tables") == 2, (out, err))
    new = os.path.join(TMP, "all-of-it")
    status, out, err = run("convert", "gdb:" + path, new)
    is_ok = status == 3 and "is not known" in err and not os.path.exists(new)
    check("... all of its memory is not written: nobody says where it ends", is_ok, (status, err))
    listener.close()
    for name in ("gdb:", "gdb:host", "gdb::x", "gdb:" + path + ",odd", "gdb:/" + "x" * 200, "gdb::1"):
        status, out, err = run("dump", name)
        check("%.20s: one line" % name, status in (2, 3) and err.count("\n") == 1, err)


def described(arch, registers, order):
    """What a stub says of a machine that has these registers: in which order it tells their bytes."""
    lines = "".join('<reg name="%s" bitsize="64"/>' % name for name in registers)
    target = "l<target><architecture>%s</architecture><feature name='f'>%s</feature></target>" % (arch, lines)
    script = {b"qXfer": target.encode(), b"qRcmd": b"", b"m": b"E01"}
    for i, value in enumerate(registers.values()):
        script[b"p%x" % i] = value.to_bytes(8, order).hex().encode()
    return script


PPC64 = {"pid": 5, "ptcr": 0x1230000, "iamr": 1 << 62}
ORDERS = (
    ("ppc64 big", "powerpc:common64", {"msr": 9 << 60, **PPC64}, "big", "PID=0x5 PTCR=0x1230000 IAMR=0x4"),
    ("ppc64 little", "powerpc:common64", {"msr": 9 << 60 | 1, **PPC64}, "little", "PID=0x5 PTCR=0x1230000 IAMR=0x4"),
    ("s390x", "s390:64-bit", {"cr0": 0x800000, "cr1": 0x1003, "cr7": 0x2003, "cr13": 0x3003}, "big",
     "CR0=0x800000 CR1=0x1003 CR7=0x2003 CR13=0x3003"),
    ("s390x without one", "s390:64-bit", {"cr0": 1, "cr1": 1, "cr7": 1}, "big", "registers unknown"),
    ("arm64", "aarch64", {"TTBR0_EL1": 1, "TTBR1_EL1": 2, "TCR_EL1": 3, "MAIR_EL1": 4, "SCTLR": 5}, "little",
     "TTBR1_EL1=0x2 TCR_EL1=0x3 TTBR0_EL1=0x1 MAIR_EL1=0x4 SCTLR_EL1=0x5"),
    ("arm64 without TCR", "aarch64", {"TTBR0_EL1": 1, "TTBR1_EL1": 2, "MAIR_EL1": 4, "SCTLR_EL1": 5}, "little",
     "registers unknown"),
    ("loongarch64", "Loongarch64", {"r1": 1}, "little", "registers unknown"),
)  # fmt: skip


def test_orders():
    for name, arch, registers, order, words in ORDERS:
        path = os.path.join(TMP, name.replace(" ", "-"))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        threading.Thread(target=serve, args=(listener, described(arch, registers, order)), daemon=True).start()
        status, out, err = run("info", "gdb:" + path)
        check("%s: its registers" % name, words in out, (status, out, err))
        listener.close()


def test_farewell():
    """Told to run, also if it does not let addresses be virtual again, or says that it does not run."""
    for name, script in (
        ("does not switch back", {b"Qqemu.PhyMemMode:0": b"E01"}),
        ("does not answer to a switch back", {b"Qqemu.PhyMemMode:0": STALL}),
        ("does not detach", {b"D": b"E22"}),
    ):
        path = os.path.join(TMP, name.replace(" ", "-"))
        heard = []
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        threading.Thread(target=serve, args=(listener, script, heard), daemon=True).start()
        status, out, err = run("dump", "--root", "cpu0", "gdb:" + path)
        end = time.monotonic() + 10
        words = {b"c"} if b"D" in script else {b"c", b"D"}
        while not words & set(heard) and time.monotonic() < end:
            time.sleep(0.01)
        is_told = words & set(heard) and b"Qqemu.PhyMemMode:0" in heard
        check("a stub that %s: told to run all the same" % name, is_told, heard[-5:])
        # What is said to be sure is harmless to a machine that runs: no second D.
        check("... and not detached from twice", heard.count(b"D") <= 1, heard[-8:])
        check("... and that is said", status == 3 and "does not answer" in err, (status, err))
        listener.close()


def main():
    needs = [QEMU, "qemu-system-aarch64", "qemu-system-riscv64"]
    if missing := [name for name in needs if not shutil.which(name)]:
        print("1..0 # SKIP %s is not installed" % ", ".join(missing))
        return 77
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    test_good_peer()
    test_orders()
    test_hostile()
    test_farewell()
    test_x86_64()
    test_arm64()
    test_riscv64()
    test_running()
    return finish()


run_tests(main)
