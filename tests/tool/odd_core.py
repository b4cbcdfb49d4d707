#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Write cores of a tiny x86-64 machine that QEMU or others wrote in odd ways: odd_core.py FOLDER.

The machine has 64 KiB of memory and one CPU, on the root 0x1000. Its table 0x4000 is all zeroes: what it
would map, 0x10000000, is empty; 0x10200000 is mapped to 0x7000 by table 0x5000."""
import os
import struct
import sys

ROOT, SIZE, DATA = 0x1000, 0x10000, 0x2000
memory = bytearray(SIZE)


def put(pa, value):
    struct.pack_into('<Q', memory, pa, value)


put(0x1000, 0x2007)
put(0x2000, 0x3007)
put(0x3000 + 128 * 8, 0x4007)
put(0x3000 + 129 * 8, 0x5007)
put(0x5000, 0x7007)


def note(name, kind, desc):
    pad = lambda data: data + bytes(-len(data) % 4)
    return struct.pack('<III', len(name) + 1, len(desc), kind) + pad(name + b'\0') + pad(desc)


def qemu_note(cr0):
    """QEMU's struct QEMUCPUState: version, size, and where the registers of paging are."""
    state = bytearray(440)
    struct.pack_into('<II', state, 0, 1, len(state))
    struct.pack_into('<QQQQQ', state, 392, cr0, 0, 0, ROOT, 0x20)
    return note(b'CORE', 1, bytes(336)) + note(b'QEMU', 0, bytes(state))


def core(name, loads, data, notes=qemu_note(0x80050033), shift=0, machine=62):
    """loads: (p_paddr, p_memsz, p_filesz, p_vaddr, offset in data). shift: so many bytes the notes are
    said to take more than they do."""
    at = 64 + 56 * (1 + len(loads))
    headers = struct.pack('<IIQQQQQQ', 4, 0, at, 0, 0, len(notes) + shift, 0, 0)
    for pa, memsz, filesz, va, offset in loads:
        headers += struct.pack('<IIQQQQQQ', 1, 7, at + len(notes) + shift + offset, va & 2**64 - 1,
                               pa & 2**64 - 1, filesz, memsz, 0)
    with open(os.path.join(sys.argv[1], name), 'wb') as f:
        f.write(b'\x7fELF\2\1\1' + bytes(9) +
                struct.pack('<HHIQQQIHHHHHH', 4, machine, 1, 0, 64, 0, 0, 64, 56, 1 + len(loads), 0, 0, 0))
        f.write(headers + notes + data)


whole = (0, SIZE, SIZE, 0, 0)
core('plain', [whole], memory)
# as makedumpfile -E -d 1: 0x4000 lies between p_filesz and p_memsz of the first segment
core('zero', [(0, 0x5000, 0x4000, 0, 0), (0x5000, SIZE - 0x5000, 0x3000, 0, 0x4000)],
     memory[:0x4000] + memory[0x5000:0x8000])
# the same, and the last two pages are lost
core('zero-cut', [(0, 0x5000, 0x4000, 0, 0), (0x5000, SIZE - 0x5000, 0x3000, 0, 0x4000)],
     memory[:0x4000] + memory[0x5000:0x6000])
# as /proc/kcore: vmalloc's area, huge and without a physical address, lies past the end of the file
core('kcore', [(-1, 2**45 - 1, 2**45 - 1, 0xffffb81c40000000, 2**46), whole], memory)
core('kcore-old', [(0, 0x2000, 0x2000, 0xffffffff81000000, 0x3000), (0, SIZE, SIZE, 0xffff888000000000, 0)],
     memory)
for name, shift in (('shorter', 1632), ('longer', -440), ('most', 2**63)):
    core('shift-' + name, [whole], memory, shift=shift)
# the file is shorter than the headers say, but the notes are not
core('cut', [whole], memory[:-1632])
# more missing tables than are looked at: 2^20. Tables of tables at 2 MiB on, what they lead to not there
many, pages = bytearray(14 << 20), 5 * 512
many[:SIZE] = memory
for i in range(5):
    struct.pack_into('<Q', many, 0x1000 + (1 + i) * 8, 0x20007 + i * 0x1000)
struct.pack_into('<%dQ' % pages, many, 0x20000, *(0x200007 + i * 0x1000 for i in range(pages)))
struct.pack_into('<%dQ' % (pages * 512), many, 0x200000, *(0x10000007 + i * 0x1000 for i in range(pages * 512)))
core('many-missing', [(0, 8 << 30, len(many), 0, 0)], many)
core('real-mode', [whole], bytes(SIZE), qemu_note(0x60000010))
core('mips', [whole], memory, b'', machine=8)
