# SPDX-License-Identifier: BSD-2-Clause
"""pgw.py PGW.PY GROUP: page tables of machines that QEMU runs, by the commands of gdb. Prints TAP.

Each machine has tables that are made here, of a format that others stumble over, and registers that lead to
them. What gdb shows is what pagewalk shows of a dump of the same memory; the addresses are those that were
put in, and what QEMU's own MMU makes of them. What was before a command is there after it: gdb's thread and
frame, the stub's mode, what gdb keeps of memory; also if the command is interrupted or its program breaks.
"""

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

from machines import PAGEWALK, TMP, Machine, Stub, check, file_backend, finish, ram_of, run, run_tests

PGW = sys.argv[1]
GDB = os.environ.get("PGW_GDB", "gdb-multiarch").split()
MIB = 1 << 20
SIZE = 64 * MIB
TABLES = 8 * MIB  # where tables are, behind the start of memory


# ---- tables ----


class Format:
    """How items are written: each level's first bit of an address, and functions of (pa, level)."""

    def __init__(self, shifts, table, leaf, empty=None, sizes=None, item="<Q"):
        self.shifts, self.table, self.leaf, self.empty, self.item = shifts, table, leaf, empty, item
        self.top = len(shifts) - 1
        self.sizes = sizes or [1 << max(shifts[-1], 12)] * len(shifts)  # of tables, by depth
        self.item_size = struct.calcsize(item)


class Tables:
    """Memory with a tree of tables in it."""

    def __init__(self, form, base, va_bits, size=SIZE, at=TABLES):
        self.form, self.base, self.va_bits = form, base, va_bits
        self.ram = bytearray(size)
        self.next = base + at
        self.trees = {}
        self.root = self.new(0)

    def new(self, depth):
        form, size = self.form, self.form.sizes[depth]
        pa = self.next
        self.next += max(size, 1 << 16)
        for at in range(0, size if form.empty else 0, form.item_size):
            self.put(pa + at, form.empty(form.top - depth))
        return pa

    def put(self, pa, value):
        struct.pack_into(self.form.item, self.ram, pa - self.base, value)

    def map(self, va, pa, depth, bits=0):
        """A leaf in a table of this depth; all above it are made."""
        form, table = self.form, self.root
        for level, shift in enumerate(form.shifts[: depth + 1]):
            above = form.shifts[level - 1] if level else self.va_bits
            item = table + (va >> shift & (1 << above - shift) - 1) * form.item_size
            if level == depth:
                self.put(item, form.leaf(pa, form.top - depth) | bits)
            elif item not in self.trees:
                self.trees[item] = self.new(level + 1)
                self.put(item, form.table(self.trees[item], form.top - level))
            table = self.trees.get(item)


def x86(shifts, **more):
    return Format(shifts, lambda pa, level: pa | 7, lambda pa, level: pa | 3 | (level > 0) << 7, **more)


def arm(shifts, nr_root_items):
    """AF is set. What says shareability, 9:8, is of the address with LPA2, and zero."""
    sizes = [nr_root_items * 8] + [1 << shifts[-1]] * (len(shifts) - 1)
    return Format(shifts, lambda pa, level: pa | 3, lambda pa, level: pa | (0x401 if level else 0x403), sizes=sizes)


PMP = {"pmpaddr0": (1 << 29) - 1, "pmpcfg0": 0x1F}  # all memory is the kernel's, too


def riscv(shifts, **more):
    return Format(shifts, lambda pa, level: pa >> 2 | 1, lambda pa, level: pa >> 2 | 0xCF, **more)


# ---- machines ----


def write(name, data):
    path = os.path.join(TMP, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def start(name, qemu, arguments, ram):
    """@param ram bytes, or the path of a file that has them"""
    path = ram if isinstance(ram, str) else write(name + ".ram", ram)
    size = "%dM" % (os.path.getsize(path) >> 20)
    machine = Machine(
        name, "-m", size, "-object", file_backend(path, size), *arguments, qemu=qemu, has_gdb=True
    )  # fmt: skip
    machine.ram = path
    return machine


def register_numbers(stub):
    """By the target description: name -> (number, bytes)."""

    def file(name):
        text = b""
        while True:
            answer = stub.ask(b"qXfer:features:read:%s:%x,7f0" % (name, len(text)))
            text += answer[1:]
            if answer[:1] == b"l":
                return re.sub(rb"<!--.*?-->", b"", text, flags=re.DOTALL)

    numbers, number = {}, 0
    for included in re.findall(rb'href="([^"]+)"', file(b"target.xml")):
        for words in re.findall(rb"<reg ([^>]*)>", file(included)):
            said = dict(re.findall(rb'(\w+)="([^"]*)"', words))
            number = int(said.get(b"regnum", number))
            numbers.setdefault(said[b"name"].decode(), (number, int(said[b"bitsize"]) // 8))
            number += 1
    return numbers


def set_registers(machine, registers, order="little"):
    """Of each CPU; what QEMU lets a debugger write."""
    stub = Stub(machine)
    stub.ask(b"qSupported:xmlRegisters=i386")
    numbers = register_numbers(stub)
    for cpu, values in enumerate(registers):
        stub.ask(b"Hg%x" % (cpu + 1))
        for name, value in values.items():
            number, size = numbers[name]
            said = stub.ask(b"P%x=%s" % (number, value.to_bytes(size, order).hex().encode()))
            assert said == b"OK", (name, said)
    stub.close()


ARM64_MSR = {"ttbr0": 0xD5182000, "ttbr1": 0xD5182020, "tcr": 0xD5182040, "mair": 0xD518A200, "sctlr": 0xD5181000}


def arm64_firmware(name, registers):
    """A program that loads them, the MMU's last: what comes then cannot be fetched, and all is done."""
    code, words = [], []
    for register, value in registers.items():
        distance = 2 * len(registers) + 2 - len(code) + 2 * len(words)
        code += [0x58000000 | distance << 5, ARM64_MSR[register]]  # ldr x0, ...; msr ..., x0
        words.append(value)
    code += [0xD5033FDF, 0x14000000]  # isb; b .
    return write(name + ".bios", struct.pack("<%dI%dQ" % (len(code), len(words)), *code, *words))


def wait_for(machine, text):
    """Until a register has a value."""
    end = time.monotonic() + 60
    while text not in machine.monitor("info registers"):
        assert time.monotonic() < end
        time.sleep(0.02)
    machine.ask("stop")


ARM = {
    "ttbcr": 0xEE020F50, "ttbr0": 0xEE020F10, "ttbr1": 0xEE020F30, "dacr": 0xEE030F10, "mair0": 0xEE0A0F12,
    "mair1": 0xEE0A0F32, "sctlr": 0xEE010F10,
}  # fmt: skip


def arm_firmware(name, registers):
    """The same for a CPU of 32 bits."""
    code = []
    for i, register in enumerate(registers):
        code += [0xE59F0000 | (2 * len(registers) - 2 * i + i) * 4, ARM[register]]  # ldr r0, ...; mcr ..., r0
    code += [0xF57FF06F, 0xEAFFFFFE]  # isb; b .
    return write(name + ".bios", struct.pack("<%dI" % (len(code) + len(registers)), *code, *registers.values()))


# ---- gdb ----

SESSION = """
import gdb, json, signal
said = []
def ask(line):
    try:
        said.append(gdb.execute(line, to_string=True))
    except (gdb.error, KeyboardInterrupt) as failed:
        said.append("%%s: %%s" %% (type(failed).__name__, failed))
gdb.execute("set pagination off")
gdb.execute("set confirm off")
gdb.execute("source %(pgw)s")
gdb.execute("set pgw-program %(program)s")
gdb.execute("target remote %(stub)s", to_string=True)
%(code)s
result, said = said, []
ask("disconnect")
json.dump(result, open("%(out)s", "w"))
"""


def in_gdb(machine, code):
    """Run Python in gdb, which leaves the machine as it stands. @return what each ask() said"""
    script, out = os.path.join(TMP, "session.py"), os.path.join(TMP, "said.json")
    with open(script, "w") as file:
        what = {"pgw": PGW, "program": PAGEWALK, "stub": machine.gdb, "code": code, "out": out}
        file.write(SESSION % what)
    done = subprocess.run(
        [*GDB, "-nx", "-q", "-batch", "-x", script], stdin=subprocess.DEVNULL, capture_output=True, timeout=100
    )
    if done.returncode:
        raise RuntimeError(done.stdout.decode() + done.stderr.decode())
    with open(out) as file:
        return json.load(file)


def ask_gdb(machine, *lines):
    return in_gdb(machine, "for line in %r: ask(line)" % (lines,))


def qemu_says(text):
    """The address in an answer to gva2gpa."""
    found = re.match("gpa: (0x)?([0-9a-f]+)", text)
    return int(found[2], 16) if found else None


def compare(name, machine, ram, dumped, mapped, unmapped):
    """A dump of all, and each address: what it maps to, by what was put in, by QEMU, and by pgw."""
    last = ["--leaves", "--json"]
    lines = ["pgw dump", "pgw dump " + " ".join(last)]
    lines += ["pgw translate %#x" % va for va, pa in mapped] + ["pgw translate %#x" % unmapped]
    shown = ask_gdb(machine, *lines)
    for text, more in zip(shown, ([], last)):
        status, out, err = run("dump", *ram, *dumped, *more)
        check("%s: dump %s" % (name, " ".join(more)), text == out and text.count("\n") > 1, (text, out, err))
    for (va, pa), text in zip(mapped, shown[2:]):
        said = machine.monitor("gva2gpa %#x" % va)
        is_ok = text.startswith("%#018x  %#018x" % (va, pa)) and qemu_says(said) == pa
        check("%s: %#x, and so says QEMU" % (name, va), is_ok, (text, hex(pa), said))
    check("%s: what is not mapped" % name, re.search("!(empty|absent)", shown[-1]), shown[-1])
    stub = Stub(machine)
    check("%s: addresses mean what they meant" % name, stub.ask(b"qqemu.PhyMemMode") == b"0")
    stub.close()
    check("... and it stands", not machine.runs())
    machine.end()


def ram_of_tables(machine, tables):
    return ["--ram", "%#x=%s" % (tables.base, machine.ram)]


def fill(tables, leaves, high=0):
    """Maps leaves (va, offset in memory, depth, and bits that are set beside). @return an address in each"""
    mapped = []
    for va, offset, depth, *bits in leaves:
        tables.map(high | va, tables.base + offset, depth, *bits)
        mapped.append((high | va | 0x123, tables.base + offset + 0x123))
    return mapped


# ---- machines, by what their tables are ----


def test_x86_64_la57():
    tables = Tables(x86([48, 39, 30, 21, 12]), 0, 57)
    mapped = fill(tables, (
        (0xFF10000012345000, 0x300000, 4), (0xFF10000012346000, 0x305000, 4), (0xFFFFFFFF80000000, 0x200000, 3),
        (0x00F0000000400000, 0x400000, 3), (0xFFA0000040000000, 0, 2),
    ))  # fmt: skip
    machine = start(
        "la57", "qemu-system-x86_64",
        ["-S", "-smp", "2", "-cpu", "qemu64,la57=on", "-machine", "pc,memory-backend=m0"], tables.ram,
    )  # fmt: skip
    set_registers(machine, [{"efer": 0xD01, "cr4": 0x1020, "cr3": tables.root, "cr0": 0x80010033}] * 2)
    known = ["--root", "%#x" % tables.root, "--format", "x86_64-la57", "--half", "both"]
    compare("x86_64-la57", machine, ram_of_tables(machine, tables), known, mapped, 0x1234000)


def test_i386_pae():
    tables = Tables(x86([30, 21, 12]), 0, 32)
    mapped = fill(tables, ((0xC0000000, 0, 1), (0xC0400000, 0x300000, 2), (0x8048000, 0x304000, 2)))
    for i in range(4):  # the root's items have no rights
        item = tables.root + 8 * i
        tables.put(item, tables.trees[item] | 1 if item in tables.trees else 0)
    machine = start("pae", "qemu-system-i386", ["-S", "-machine", "pc,memory-backend=m0"], tables.ram)
    set_registers(machine, [{"cr4": 0x20, "cr3": tables.root, "cr0": 0x80010033}])
    known = ["--root", "%#x" % tables.root, "--format", "i386-pae", "--half", "both"]
    compare("i386-pae", machine, ram_of_tables(machine, tables), known, mapped, 0x1234000)


def start_arm64(name, ram, registers, *arguments):
    board = ["-machine", "virt,memory-backend=m0", "-cpu", "max", "-bios", arm64_firmware(name, registers)]
    machine = start(name, "qemu-system-aarch64", [*board, *arguments], ram)
    wait_for(machine, " PC=0000000000000200")
    return machine


def arm64_registers(ttbr1, va_bits, tg1, has_lpa2, mair=0xFF):
    """TTBR0 leads to what is empty; with LPA2 its entries are of 52 bits, too. tg1: 1 = 16K, 2 = 4K, 3 = 64K"""
    tcr = (12 if has_lpa2 else 16) | (64 - va_bits) << 16 | tg1 << 30 | 5 << 32 | has_lpa2 << 59
    return {"mair": mair, "tcr": tcr, "ttbr0": 0x40400000, "ttbr1": 5 << 48 | ttbr1, "sctlr": 0x30D00801}


def test_arm64(name, shifts, va_bits, tg1, has_lpa2, leaves):
    tables = Tables(arm(shifts, max(1 << va_bits - shifts[0], 8)), 0x40000000, va_bits)
    high = (1 << 64) - (1 << va_bits)
    mapped = fill(tables, leaves, high)
    registers = arm64_registers(tables.root, va_bits, tg1, has_lpa2)
    machine = start_arm64(name, tables.ram, registers)
    lower = ask_gdb(machine, "pgw translate 1234000")[0]
    check("%s: an address of the user's is below the other root" % name, "user half" in lower, lower)
    known = ["--root", "cpu0", "--format", name, *given(registers)]
    compare(name, machine, ram_of_tables(machine, tables), known, mapped, high | 0x76540000)


def start_arm(name, ram, registers, board="virt"):
    board = ["-machine", board + ",memory-backend=m0", "-cpu", "cortex-a15", "-bios", arm_firmware(name, registers)]
    machine = start(name, "qemu-system-arm", board, ram)
    wait_for(machine, "R15=0000000c")
    return machine


def test_arm_lpae():
    tables = Tables(arm([30, 21, 12], 4), 0x40000000, 32)
    mapped = fill(tables, ((0xC0000000, 0, 1), (0xC0400000, 0x300000, 2), (0x8048000, 0x304000, 2)))
    registers = {"mair0": 0xFF, "ttbcr": 1 << 31, "ttbr0": tables.root, "sctlr": 0x00C50079}
    machine = start_arm("lpae", tables.ram, registers)
    known = ["--root", "%#x" % tables.root, "--format", "arm-lpae", "--mair", "ff"]
    compare("arm-lpae", machine, ram_of_tables(machine, tables), known, mapped, 0x1234000)


def test_arm_short():
    """Sections, small pages; large pages and a supersection, which are sixteen items each."""
    form = Format(
        [20, 12], lambda pa, level: pa | 1, lambda pa, level: pa | (0x402 if level else 0x12), sizes=[1 << 14, 1 << 10],
        item="<I",
    )  # fmt: skip
    tables = Tables(form, 0x40000000, 32)
    mapped = fill(tables, ((0xC0000000, 0, 0), (0xC0100000, 0x300000, 1), (0x8048000, 0x304000, 1)))
    fill(tables, [(0x9000000 + (i << 20), 0x1000000, 0, 1 << 18) for i in range(16)])
    for i in range(16):
        tables.put(tables.trees[tables.root + 0xC01 * 4] + (0x20 + i) * 4, tables.base + 0x320000 | 0x11)
    mapped += [(0x9500123, tables.base + 0x1500123), (0xC0127123, tables.base + 0x327123)]
    registers = {"ttbcr": 0, "ttbr0": tables.root, "dacr": 1, "mair0": 0, "mair1": 0, "sctlr": 0x00C50079}
    machine = start_arm("short", tables.ram, registers)
    known = ["--root", "cpu0", "--format", "arm-short", *given(registers, "")]
    compare("arm-short", machine, ram_of_tables(machine, tables), known, mapped, 0x1234000)


PTCR = 0xE0000
TREE = 1 << 62 | 5 << 5 | 13  # of 52 bits, whose root has 2^13 items
SF_HV_IR_DR = 9 << 60 | 0x30  # of the machine state register; big-endian


def start_ppc64(name, write_ram, pid, ptcr=PTCR):
    """A POWER9 without a hypervisor above it. Its memory is written when its firmware is in there."""
    path = write(name + ".ram", b"")
    os.truncate(path, 1 << 30)
    board = ["-S", "-machine", "powernv9,memory-backend=m0", "-bios", write(name + ".bios", bytes(4096))]
    machine = start(name, "qemu-system-ppc64", board, path)
    write_ram(path)
    registers = {"ptcr": ptcr, "pid": pid, "lpcr": 1 << 22 | 1 << 20, "msr": SF_HV_IR_DR}
    set_registers(machine, [registers], "big")
    return machine


def put_dwords(path, pa, *dwords):
    with open(path, "r+b") as file:
        file.seek(pa)
        file.write(struct.pack(">%dQ" % len(dwords), *dwords))


def put_partition(path, pa, root, process_table):
    """A partition table: the kernel's tree, by which the process table is found, and that, of 2^(12 + 12) bytes."""
    put_dwords(path, pa, 1 << 63 | TREE | root, 1 << 63 | process_table | 12)


def test_ppc64_radix_4k():
    """Quadrant 3 is process 0's, quadrant 0 that of the process that runs."""
    form = Format(
        [39, 30, 21, 12], lambda pa, level: 1 << 63 | pa | 9, lambda pa, level: 3 << 62 | pa | 0x18E,
        sizes=[1 << 16] + [1 << 12] * 3, item=">Q",
    )  # fmt: skip
    tables = Tables(form, 0, 52)
    # The kernel maps memory, its tables too.
    leaves = ((0, 0, 1), (0x10000345000, 0x300000, 3), (0xFFFFFFFFFF000, 0x305000, 3), (0x8000000000, 0x400000, 2))
    mapped = fill(tables, leaves, 0xC << 60)

    def write_ram(path):
        with open(path, "r+b") as file:
            file.write(tables.ram)
        put_partition(path, PTCR, tables.root, 0x1000000)
        put_dwords(path, 0x1000000, TREE | tables.root, 0)

    machine = start_ppc64("radix4k", write_ram, 7)
    known = ["--root", "%#x" % tables.root, "--format", "ppc64-radix-4k", "--half", "kernel"]
    compare("ppc64-radix-4k", machine, ram_of_tables(machine, tables), known, mapped, 0xC000000123400000)


def test_riscv64_svnapot():
    """Sixteen items that say 64 KiB."""
    tables = Tables(riscv([48, 39, 30, 21, 12]), 0x80000000, 57)
    napot = [(0xFF12345678900000 + (i << 12), 0x300000, 4, 1 << 63 | 1 << 13) for i in range(16)]
    mapped = fill(tables, (
        *napot, (0xFF12345678910000, 0x320000, 4), (0xFFFFFFFF80000000, 0x200000, 3), (0x00F0000000400000, 0x400000, 3),
    ))  # fmt: skip
    mapped = [(va, pa + (va - mapped[0][0] if i < 16 else 0)) for i, (va, pa) in enumerate(mapped)][14:]
    machine = start(
        "sv57", "qemu-system-riscv64",
        ["-S", "-machine", "virt,memory-backend=m0", "-bios", "none", "-cpu", "rv64,svnapot=on"], tables.ram,
    )  # fmt: skip
    set_registers(machine, [{"satp": 10 << 60 | tables.root >> 12, "priv": 1, **PMP}])
    known = ["--root", "%#x" % tables.root, "--format", "riscv-sv57", "--half", "both"]
    compare("riscv-sv57", machine, ram_of_tables(machine, tables), known, mapped, 0x1234000)


def test_riscv32():
    tables = Tables(riscv([22, 12], item="<I"), 0x80000000, 32)
    mapped = fill(tables, ((0xC0000000, 0, 0), (0xC0400000, 0x300000, 1), (0x8048000, 0x304000, 1)))
    machine = start(
        "sv32", "qemu-system-riscv32", ["-S", "-machine", "virt,memory-backend=m0", "-bios", "none"], tables.ram
    )
    set_registers(machine, [{"satp": 1 << 31 | tables.root >> 12, "priv": 1, **PMP}])
    known = ["--root", "%#x" % tables.root, "--format", "riscv-sv32", "--half", "both"]
    compare("riscv-sv32", machine, ram_of_tables(machine, tables), known, mapped, 0x1234000)


def test_s390x():
    """A region-third table, segment tables, page tables: an item of zeroes is a valid one."""
    form = Format(
        [31, 20, 12], lambda pa, level: pa | (7 if level == 2 else 0), lambda pa, level: pa | (0x400 if level else 0),
        empty=lambda level: [0x400, 0x20, 0x24][level], sizes=[1 << 14, 1 << 14, 1 << 11], item=">Q",
    )  # fmt: skip
    tables = Tables(form, 0, 42)
    mapped = fill(tables, ((0x80000000, 0x300000, 2), (0x2A080001000, 0x303000, 2), (0x3FF80500000, 0x500000, 2)))
    machine = start(
        "s390x", "qemu-system-s390x", ["-S", "-machine", "s390-ccw-virtio,memory-backend=m0", "-cpu", "max"], tables.ram
    )
    asce = tables.root | 1 << 2 | 3
    registers = {"cr0": 0x800000, "cr1": asce, "cr7": asce, "cr13": asce, "pswm": 0x0400000180000000}
    set_registers(machine, [registers], "big")
    known = ["--root", "%#x" % tables.root, "--format", "s390x-42", "--half", "kernel"]
    compare("s390x-42", machine, ram_of_tables(machine, tables), known, mapped, 0x1234000)


# ---- real guests ----

SHARED = os.environ.get("PGW_SHARED", "")
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")


def memory_of(name, image, base, size):
    """The memory of an image from base on, in a file."""
    core, path = os.path.join(TMP, name + ".elf"), os.path.join(TMP, name + ".ram")
    assert run("convert", image, core)[0] == 0, image
    ram_of(core, path, size, base)
    return path


def sample(text):
    """(va, pa) of some of the leaves that JSON Lines list and may be read, one of each size among them. And the sizes."""
    leaves = [json.loads(line) for line in text.splitlines()[:-1]]
    leaves = [leaf for leaf in leaves if "r" in leaf.get("kernel", "") + leaf.get("user", "")]
    sizes = {leaf["size"]: leaf for leaf in leaves}
    some = leaves[:: max(len(leaves) // 12, 1)] + list(sizes.values())
    return [(int(leaf["va"], 16), int(leaf["pa"], 16)) for leaf in some], set(sizes)


def test_image(name, base, size, begin, dumped, unmapped, sizes=()):
    """Tables of a real guest in a machine that has its registers. sizes: leaves of these are there."""
    image = os.path.join(SHARED, "images", name + ".elf.zst")
    if not os.path.exists(image):
        print("ok - %s # SKIP shared/images is not there" % name)
        return
    name = os.path.basename(name)
    tables = os.path.join(TMP, name + ".tables")
    assert run("trim", image, tables)[0] == 0
    machine = begin(memory_of(name, tables, base, size))
    compare_guest(name, machine, [tables], dumped, unmapped, sizes)


def compare_guest(name, machine, image, dumped, unmapped, sizes=()):
    status, out, err = run("dump", *dumped, "--leaves", "--json", *image)
    mapped, there = sample(out)
    check("%s: it has leaves" % name, status in (0, 1) and len(out) > 1000, (status, err))
    check("%s: of these sizes" % name, set(sizes) <= there, there)
    compare(name, machine, image, dumped, mapped, unmapped)


def x86_64_guest(ram, *registers):
    machine = start(
        "guest", "qemu-system-x86_64",
        ["-S", "-smp", "2", "-cpu", "max", "-machine", "pc,memory-backend=m0"], ram,
    )  # fmt: skip
    set_registers(machine, registers)
    return machine


def cr(cr3, cr4):
    return {"efer": 0xD01, "cr4": cr4, "cr3": cr3, "cr0": 0x80050033}


def test_images():
    test_image(
        "x86_64-la57-pti", 0, 256 * MIB,
        lambda ram: x86_64_guest(ram, cr(0x6AA000, 0x3516B0), cr(0x6B6000, 0x3516A0)),
        ["--root", "cpu0", "--register", "EFER=d01", "--half", "both"], 0x1234000,
    )  # fmt: skip
    registers = arm64_registers(0x42738000, 52, 1, 1, 0x40044F0FF)
    test_image(
        "arm64-16k-52-lpa2-debian", 0x40000000, 512 * MIB,
        lambda ram: start_arm64("guest", ram, registers),
        ["--root", "cpu0", *given(registers)], (1 << 64) - 0x1234000,
    )  # fmt: skip


def test_svnapot():
    """A Linux 7.2 whose process has leaves of 64 KiB, which are sixteen items; other leaves have bits of Svpbmt."""
    def begin(ram):
        machine = start(
            "guest", "qemu-system-riscv64",
            ["-S", "-machine", "virt,memory-backend=m0", "-bios", "none", "-cpu", "rv64,svnapot=on,svpbmt=on"], ram,
        )  # fmt: skip
        # SUM and MXR: what users may do is the kernel's, too, and what can be executed can be read.
        set_registers(machine, [{"mstatus": 3 << 18, "satp": 0xA000400000083AA4, "priv": 1, **PMP}])
        return machine

    test_image(
        "arch/riscv-72max", 0x80000000, 256 * MIB, begin,
        ["--root", "0x83aa4000", "--format", "riscv-sv57", "--half", "both"], 0x1234000, (1 << 16,),
    )  # fmt: skip


def cut_memory(name, base, size):
    """The tables of a real guest that are in this tree: an image, its memory from base on in a file."""
    image = os.path.join(DATA, "arch", name + ".elf.zst")
    return image, memory_of(name, image, base, size)


def test_short_guest():
    """A Debian 12 for armhf, as it was stopped in a process; but vectors are low, as nothing is there to run."""
    image, ram = cut_memory("armhf-short", 0x40000000, 128 * MIB)
    registers = {
        "ttbcr": 0, "ttbr0": 0x41D0806A, "ttbr1": 0x4020406A, "dacr": 0x55, "mair0": 0xFF0A81A8, "mair1": 0x40E040E0,
        "sctlr": 0x10C5187D,
    }  # fmt: skip
    machine = start_arm("guest", ram, registers, "virt,highmem=off")
    known = ["--root", "cpu0", *given(registers, "")]
    compare_guest("armhf-short", machine, [image], known, 0x1234000, (1 << 12, 1 << 20))


def test_radix_guest():
    """A Debian 12 for ppc64el, pages of 64 KiB. It ran below a hypervisor, and here runs as one does."""
    image, ram = cut_memory("ppc64-radix64k", 0, 256 * MIB)

    def write_ram(path):
        with open(ram, "rb") as tables, open(path, "r+b") as file:
            shutil.copyfileobj(tables, file)
        put_partition(path, 0x24D0000, 0x2740000, 0xE000000)

    machine = start_ppc64("guest", write_ram, 5, 0x24D0000)
    image = ["--ram", "0=" + machine.ram]
    registers = {"ptcr": 0x24D0000, "pid": 5, "iamr": 0}
    known = ["--root", "cpu0", "--format", "ppc64-radix", *given(registers, "")]
    user = ask_gdb(machine, "pgw dump --half user --leaves --json")[0]
    is_same = user == run("dump", *known, "--half", "user", "--leaves", "--json", *image)[1]
    leaves = sample(user)[0]
    is_true = all(qemu_says(machine.monitor("gva2gpa %#x" % va)) == pa for va, pa in leaves)
    check("ppc64-radix64k: the root of the process that runs", is_same and is_true and len(leaves) > 9, user)
    compare_guest("ppc64-radix64k", machine, image, known, 0xC0000000F0000000, (1 << 16, 1 << 21))


def given(registers, suffix="_EL1"):
    return [word for key, value in registers.items() for word in ("--register", "%s%s=%x" % (key, suffix, value))]


def test_processes():
    """Of a Linux 6.1: what its dump says."""
    name = os.path.join(DATA, "linux-6.1-amd64.tasks")
    image = name + ".elf.zst"
    ram = memory_of("processes", image, 0, 160 * MIB)
    with open(os.path.join(TMP, "processes.elf"), "rb") as file:
        text = re.search(rb"OSRELEASE=6\.1[^\0]*", file.read())[0]
    machine = x86_64_guest(ram, cr(0x6E10000, 0x6F0), cr(0x1104000, 0x6E0))
    known = ["--vmcoreinfo", write("vmcoreinfo", text), "--symbols=%s.map" % name]
    questions = (["ps"], ["ps", "--threads", "--json"], ["maps", "--pid", "1"], ["dump", "--pid", "1"])
    shown = ask_gdb(machine, *("pgw " + " ".join([*question, *known]) for question in questions))
    for question, text in zip(questions, shown):
        status, out, err = run(*question, "--symbols=%s.map" % name, image)
        check("processes: %s" % " ".join(question), text == out and out.count("\n") > 4, (text, out, err))
    machine.end()


# ---- manners ----

PROGRAM = """#!%s
import os, signal, socket, sys, time
path, mode = sys.argv[2][4:].split(",")[0], sys.argv[3]
stub = socket.socket(socket.AF_UNIX)
stub.connect(path)
def ask(text):
    stub.sendall(b"$%%s#%%02x" %% (text, sum(text) & 255))
    answer = b""
    while not answer.endswith(b"#") and (more := stub.recv(1 << 16)):
        answer += more
        answer = answer[:-2] if answer[-3:-2] == b"#" else answer
    return answer.lstrip(b"+")[1:-1]
for text in (b"qSupported:xmlRegisters=i386", b"QStartNoAckMode", b"Hg2", b"m0,1000"):
    assert ask(text), text
if mode == "interrupted":
    os.kill(os.getppid(), signal.SIGINT)
    while True:
        ask(b"m0,1000")
elif mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(100)
elif mode == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
elif mode == "fails":
    print("status 3 it is", file=sys.stderr)
    sys.exit(3)
elif mode == "babbles":
    for text in (b"\\0\\xff" * 9, b"$#00$", b"m0,ffffffff", b"mzz,1", b"m0", b"pffff", b"pzz", b"Hgff", b"Hg0", b"D",
                 b"c", b"k", b"X0,1:a", b"M0,1:aa", b"vCont;c", b"qRcmd,zz", b"qXfer:features:read:target.xml:fffff,1"):
        print(text, ask(text))
elif mode == "hangs up":
    stub.close()
    time.sleep(0.1)
elif mode == "prints":
    print("x" * (3 << 20))
"""

AROUND = """
import os
def state():
    threads = gdb.execute("info threads", to_string=True)
    code = gdb.execute("x/2i 0x400000", to_string=True)
    mode = gdb.selected_inferior().connection.send_packet("qqemu.PhyMemMode")
    selected = gdb.selected_thread().num, gdb.selected_frame().level()
    return threads, code, str(mode), selected, os.listdir(os.environ["TMPDIR"])
gdb.execute("thread 2", to_string=True)
before = state()
def ask_around(line):
    ask(line)
    said.append(before == state() or "%s, not %s" % (state(), before))
"""


def manners_machine():
    """Of 4 MiB, so that it can be looked through."""
    tables = Tables(x86([39, 30, 21, 12]), 0, 48, size=4 * MIB, at=1 * MIB)
    fill(tables, ((0x400000, 0x300000, 3), (0xFFFFFFFF80000000, 0x200000, 2)))
    tables.ram[0x300000:0x300004] = b"\xf4\x90\xf4\x90"
    registers = [cr(tables.root, 0x20), cr(tables.root, 0x20)]
    return x86_64_guest(write("manners.ram", tables.ram), *registers), tables


def test_manners():
    os.environ["TMPDIR"] = os.path.join(TMP, "temporary")
    os.mkdir(os.environ["TMPDIR"])
    machine, tables = manners_machine()
    program = write("program", (PROGRAM % sys.executable).encode())
    os.chmod(program, 0o755)
    dump = machine.dump(os.path.join(TMP, "manners.dump"))
    check_questions(machine, dump)
    check_programs(machine, program)
    check_physical(machine)
    check_refusals(machine)
    check_runs_and_gone(machine)


def check_questions(machine, dump):
    """The same as of a dump of it."""
    questions = (["roots"], ["audit"], ["dump", "--json"], ["translate", "400000"])
    lines = ["pgw " + " ".join(question) for question in questions]
    said = in_gdb(machine, AROUND + "for line in %r: ask_around(line)" % lines)
    for question, text, is_same in zip(questions, said[::2], said[1::2]):
        root = ["--root", "cpu1"] if question[0] in ("dump", "translate") else []
        status, out, err = run(question[0], *root, dump, *question[1:])
        check("manners: %s" % " ".join(question), text == out and out, (text, out, err))
        check("... and all is as before", is_same is True, is_same)


def check_programs(machine, program):
    modes = {
        "interrupted": "KeyboardInterrupt", "stubborn": "KeyboardInterrupt", "dies": "ended by signal 9",
        "fails": "status 3", "babbles": "E01", "hangs up": "", "prints": "xxx",
    }  # fmt: skip
    lines = ["set pgw-program " + program, *("pgw info '%s'" % mode for mode in modes)]
    said = in_gdb(machine, AROUND + "for line in %r: ask_around(line)" % lines)
    for (mode, words), text, is_same in zip(modes.items(), said[2::2], said[3::2]):
        check("a program that is or %s" % mode, words in text, text)
        check("... and all is as before", is_same is True, is_same)


def check_physical(machine):
    """One whose memory was physical before, or is said to be."""
    said = in_gdb(machine, """
ask("maintenance packet Qqemu.PhyMemMode:1")
ask("pgw translate 400000")
ask("maintenance packet qqemu.PhyMemMode")
ask("set pgw-memory physical")
ask("pgw translate 400000")
ask("maintenance packet qqemu.PhyMemMode")
ask("maintenance packet Qqemu.PhyMemMode:0")
""")
    check("physical before: it works", said[1].startswith("0x0000000000400000  0x0000000000300000"), said)
    check("... and is so afterwards", '"1"' in said[2], said)
    check("said to be physical: the same", said[4] == said[1] and '"1"' in said[5], said)
    stub = Stub(machine)
    check("... and it is virtual again", stub.ask(b"qqemu.PhyMemMode") == b"0")
    stub.close()


def check_refusals(machine):
    lines = (
        "pgw nosuch", "pgw dump --nosuch", "pgw translate $nosuch + 1", "set pgw-program /nonexistent", "pgw dump",
        "set pgw-program %s" % PAGEWALK, "pgw translate 1234000", "p $pgw_status", "pgw translate $pc", "help pgw",
        *("pgw %s --help" % name for name in COMMANDS),
    )  # fmt: skip
    said = in_gdb(machine, "for line in %r: ask(line)" % (lines,))
    for text, words in zip(said, (
        "there is no command 'nosuch'", "no such option", "", "", "there is no program '/nonexistent'", "",
        "!empty", "= 1", "!empty",
    )):  # fmt: skip
        check("said: %s" % words, words in text, text)
    for name, text in zip(COMMANDS, said[10:]):
        check("%s: it is a command of pagewalk's, and help names it" % name,
              text.startswith("Usage: pagewalk %s " % name) and "pgw %s -- " % name in said[9], text)  # fmt: skip


def check_runs_and_gone(machine):
    """A machine that runs is not looked at, nor waited for; of one that is gone it is said."""
    said = in_gdb(machine, "for line in ('continue &', 'pgw info'): ask(line)")
    check("a machine that runs: said", "while the target is running" in said[1], said)
    said = in_gdb(machine, "import os; os.kill(%d, 9); ask('pgw info'); ask('pgw info')" % machine.qemu.pid)
    machine.end()
    check("a machine that is gone: said", all(text.startswith("error: ") for text in said), said)


ARM64_LEAVES = ((0x1234567890000, 0x300000, 4), (0x1234567891000, 0x302000, 4), (0xF000000200000, 0x400000, 3))
TESTS = {
    "arm64": (
        (test_arm64, "arm64-4k-52-lpa2", [48, 39, 30, 21, 12], 52, 2, 1, ARM64_LEAVES),
        (test_arm64, "arm64-16k-52-lpa2", [47, 36, 25, 14], 52, 1, 1,
         ((0xC234567890000, 0x300000, 3), (0x2000000, 0x2000000, 2))),
        (test_arm64, "arm64-16k-47", [36, 25, 14], 47, 1, 0,
         ((0x434567890000, 0x300000, 2), (0x2000000, 0x2000000, 1))),
        (test_arm64, "arm64-64k-48", [42, 29, 16], 48, 3, 0, ((0xC34567890000, 0x300000, 2),)),
    ),
    "formats": (
        (test_x86_64_la57,), (test_i386_pae,), (test_arm_lpae,), (test_arm_short,), (test_riscv64_svnapot,),
        (test_riscv32,), (test_s390x,), (test_ppc64_radix_4k,),
    ),
    "guests": ((test_short_guest,), (test_radix_guest,), (test_svnapot,)),
    "processes": ((test_processes,),),
    "images": ((test_images,),),
    "manners": ((test_manners,),),
}  # fmt: skip
QEMUS = ("x86_64", "i386", "aarch64", "arm", "riscv64", "riscv32", "s390x", "ppc64")
COMMANDS = (
    "info", "roots", "ps", "maps", "dump", "translate", "find", "stats", "audit", "devices", "report", "symbols",
    "sql", "export", "trim", "convert", "extract",
)  # fmt: skip


def main():
    needs = [GDB[0], *("qemu-system-" + name for name in QEMUS)]
    if missing := [name for name in needs if not shutil.which(name)]:
        print("1..0 # SKIP %s is not installed" % ", ".join(missing))
        return 77
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for test, *arguments in TESTS[sys.argv[2]]:
        test(*arguments)
    return finish()


run_tests(main)
