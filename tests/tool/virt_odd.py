#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""virt_odd.py PAGEWALK FOLDER: tables of hypervisors and IOMMUs that are right at the edge of what can be, or one
step behind it, in small ELF dumps made here by the manuals; devices and dump --vm, --device say what is there.
Prints TAP."""

import json
import struct
import subprocess
import sys

PAGE = 0x1000
X86_64, ARM64 = 62, 183
IR, IW = 1 << 61, 1 << 62
RW = IR | IW

nr_tests = 0
has_failed = False


def report(name, got, expected):
    global nr_tests, has_failed
    nr_tests += 1
    is_fine = got == expected
    has_failed |= not is_fine
    print(f"{'ok' if is_fine else 'not ok'} {nr_tests} - {name}")
    if not is_fine:
        print(f"# got {got}\n# expected {expected}")


class Machine:
    """Memory by pages, most of them zero."""

    def __init__(self, machine, base, nr_pages):
        self.machine, self.base = machine, base
        self.memory = bytearray(nr_pages * PAGE)
        self.next = base + 16 * PAGE
        self.end = base + nr_pages * PAGE

    def page(self, nr=1):
        pa = self.next
        self.next += nr * PAGE
        return pa

    def put(self, pa, *words):
        struct.pack_into(f"<{len(words)}Q", self.memory, pa - self.base, *words)

    def write(self, path):
        size = len(self.memory)
        head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 4, self.machine, 1, 0, 64, 0,
                           0, 64, 56, 1, 0, 0, 0)
        head += struct.pack("<IIQQQQQQ", 1, 7, PAGE, 0, self.base, size, size, 0)
        with open(path, "wb") as file:
            file.write(head.ljust(PAGE, b"\0"))
            file.write(self.memory)


def run(*args):
    done = subprocess.run([TOOL, *args], capture_output=True, timeout=30, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def records(*args):
    status, out, err = run(*args)
    if status > 1:
        return [{"error": err}]
    return [json.loads(line) for line in out.splitlines()]


def devices(image):
    return [{key: line[key] for key in ("vm", "device", "through", "format", "root", "readable")
             if key in line} for line in records("devices", "--json", image) if "summary" not in line]


def leaves(image, *who):
    lines = records("dump", "--leaves", "--json", *who, image)
    return [(int(line["va"], 16), int(line["pa"], 16)) for line in lines if "pa" in line], \
        lines[-1].get("summary", lines[-1])


def concatenated(folder):
    """43 bits: sixteen tables side by side, the last ones of the memory; and those one page too far."""
    for name, beyond in (("s2-end", 0), ("s2-beyond", PAGE)):
        m = Machine(ARM64, 0x40000000, 1024)
        root = m.end - 16 * PAGE + beyond
        t1, t0, leaf = m.page(), m.page(), m.page()
        if not beyond:
            m.put(root + 8191 * 8, t1 | 3)
            m.put(t1 + 511 * 8, t0 | 3)
            m.put(t0 + 511 * 8, leaf | 0x7DB)
        m.put(m.page() + 0x100, 7, root, 0, 0, 0, 0x802D3555)
        path = f"{folder}/{name}.elf"
        m.write(path)
        if beyond:
            report(f"{name}: what is behind the memory is no root", devices(path), [])
            continue
        report(f"{name}: devices", devices(path),
               [{"vm": 0, "root": f"0x{root:016x}", "format": "arm64-s2-4k-l1", "readable": PAGE}])
        report(f"{name}: the last page of all", leaves(path, "--vm", "0")[0], [((1 << 43) - PAGE, leaf)])


def astray(folder):
    """Tables of a guest that lead to themselves, and out of the memory: counted, with an end."""
    m = Machine(ARM64, 0x40000000, 1024)
    root, t1, t0 = m.page(2), m.page(), m.page()
    m.put(root, t1 | 3, root | 3)
    m.put(t1, t0 | 3, 0x80000003, t1 | 3)
    m.put(t0, t0 | 0x7DB)
    m.put(m.page() + 0x100, 7, root, 0, 0, 0, 0x802D3558)
    path = f"{folder}/s2-astray.elf"
    m.write(path)
    lines = records("dump", "--json", "--vm", "0", path)
    report("s2-astray: what is outside is unreadable",
           [line["va"] for line in lines if line.get("kind") == "unreadable"][:1],
           [f"0x{1 << 21:016x}"])
    status, _, err = run("dump", "--vm", "0", "--budget", "3", path)
    report("s2-astray: a budget ends it, and that is said", (status, "budget" in err or "table" in err),
           (1, True))


def vmcb(root):
    page = bytearray(PAGE)
    for at, value in ((0x40, PAGE), (0x48, PAGE), (0x58, 1), (0x90, 1), (0xB0, root), (0x4D0, 0x1000)):
        struct.pack_into("<Q", page, at, value)
    return struct.unpack("<512Q", page)


def look_alike(folder):
    """What looks like a VMCB and leads to no table, beside one that does."""
    m = Machine(X86_64, 0, 1024)
    tables, leaf, text = [m.page() for _ in range(4)], m.page(), m.page()
    for above, below in zip(tables, tables[1:]):
        m.put(above, below | 0x827)
    m.put(tables[-1], leaf | 0xE67)
    m.put(text, *[0x6C6C6F6C6C6F6C6F + i for i in range(512)])
    m.put(m.page(), *vmcb(text))
    m.put(m.page(), *vmcb(tables[0]))
    m.put(m.page(), *vmcb(m.end))
    path = f"{folder}/vmcb-alike.elf"
    m.write(path)
    report("vmcb-alike: one of three is a virtual machine's", devices(path),
           [{"vm": 0, "root": f"0x{tables[0]:016x}", "format": "npt-48", "readable": PAGE}])


def amd_modes(folder):
    """A device of each mode that is seldom, and one whose levels do not descend and whose runs do not fit."""
    m = Machine(X86_64, 0, 1024)
    table, leaf = m.page(2), m.page()
    for at in range(0, 2 * PAGE, 32):
        m.put(table + at, 3, 0, 1, 0)
    one = m.page()
    m.put(one + 511 * 8, leaf | RW | 1)
    m.put(table, one | RW | 1 << 9 | 3, 5)
    six = [m.page() for _ in range(6)]
    for level, (above, below) in enumerate(zip(six, six[1:])):
        m.put(above + (127 if not level else 511) * 8, below | RW | 5 - level << 9 | 1)
    m.put(six[-1] + 511 * 8, leaf | RW | 1)
    m.put(table + 8 * 32, six[0] | RW | 6 << 9 | 3, 6)
    # Mode 3: at two levels a table of the level's own; a run as long as the whole table; and one that is right.
    three, two, low = m.page(), m.page(), m.page()
    m.put(three, two | RW | 2 << 9 | 1, three | RW | 3 << 9 | 1)
    m.put(two, low | RW | 1 << 9 | 1, low | RW | 2 << 9 | 1)
    m.put(low, 0xFF000 | RW | 7 << 9 | 1, 0, *[0x201000 | RW | 7 << 9 | 1] * 4)
    m.put(table + 16 * 32, three | RW | 3 << 9 | 3, 7)
    m.put(table + 24 * 32, RW | 3, 8)
    path = f"{folder}/amdvi-modes.elf"
    m.write(path)
    report("amdvi-modes: devices", [(line["device"], line["through"], line["format"])
                                    for line in devices(path)],
           [("00:00.0", "tables", "amdvi-1"), ("00:01.0", "tables", "amdvi-6"),
            ("00:02.0", "tables", "amdvi-3"), ("00:03.0", "pass-through", None)])
    report("amdvi-modes: mode 1", leaves(path, "--device", "00:00.0")[0], [(0x1FF000, leaf)])
    report("amdvi-modes: mode 6", leaves(path, "--device", "00:01.0")[0], [((1 << 64) - PAGE, leaf)])
    got, summary = leaves(path, "--device", "00:02.0")
    report("amdvi-modes: what does not descend is malformed, as a run is that does not fit",
           summary.get("malformed"), 3)
    report("amdvi-modes: runs are where they say", [va for va, _ in got if va == 0x2000], [0x2000])


def vmcs(folder):
    """Intel's: of a VMCS the manual gives the first eight bytes alone. This machine is made by hand."""
    m = Machine(X86_64, 0, 1024)
    four = [m.page() for _ in range(4)]
    for above, below in zip(four, four[1:]):
        m.put(above, below | 7)
    leaf = m.page()
    m.put(four[2] + 8, 0x2000B7)
    m.put(four[3], leaf | 0x37, 1 << 63)
    five = [m.page() for _ in range(5)]
    for above, below in zip(five, five[1:]):
        m.put(above, below | 7)
    m.put(five[4] + 8, leaf | 0x35)
    odd = [m.page() for _ in range(4)]
    for above, below in zip(odd, odd[1:]):
        m.put(above, below | 7)
    m.put(odd[3], leaf | 0x37, leaf | 0x32)   # the second may be written and not read
    nothing = m.page()
    # Of one machine two CPUs; then what is no VMCS, or has no EPTP.
    for head, eptp in ((0x12, four[0] | 0x5E), (0x12, four[0] | 0x5E), (0x12, five[0] | 0x26),
                       (0x12, odd[0] | 0x5E), (0x12, nothing | 0x5E), (0x12, m.end | 0x5E),
                       (0x12, four[0] | 0x56), (0x12, four[0] | 0x5D), (0x12, four[0] | 0x15E),
                       (0x80000012, four[0] | 0x5E), (0x100000012, four[0] | 0x5E), (0, four[0] | 0x5E)):
        page = m.page()
        m.put(page, head)
        m.put(page + 0x2A8, eptp)
    path = f"{folder}/vmcs.elf"
    m.write(path)
    report("vmcs: devices", devices(path),
           [{"vm": 0, "root": f"0x{four[0]:016x}", "format": "ept-4", "readable": 0x201000},
            {"vm": 1, "root": f"0x{five[0]:016x}", "format": "ept-5", "readable": PAGE}])
    report("vmcs: found by it", [line["found"] for line in records("devices", "--json", path)
                                 if "vm" in line], ["vmcs"] * 2)
    report("vmcs: the first guest's memory", leaves(path, "--vm", "0")[0],
           [(0, leaf), (0x200000, 0x200000)])
    report("vmcs: the second one's", leaves(path, "--vm", "1")[0], [(PAGE, leaf)])


def main():
    folder = sys.argv[2]
    concatenated(folder)
    astray(folder)
    look_alike(folder)
    amd_modes(folder)
    vmcs(folder)
    print(f"1..{nr_tests}")
    sys.exit(1 if has_failed else 0)


TOOL = sys.argv[1]
main()
