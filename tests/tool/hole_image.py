#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""hole_image.py FILE LOW UNMAPPED PROCESS: raw memory of an x86_64 machine with LOW bytes from 0 on and
32 MiB from 4 GiB on, one behind the other. The kernel does not map the last UNMAPPED bytes. With PROCESS=1
there is a process all of whose tables are above 4 GiB: 0x400000 leads to 0x101000000 there."""
import struct
import sys

path, low, unmapped, process = sys.argv[1], *(int(arg, 0) for arg in sys.argv[2:])
HIGH, HIGH_SIZE, LARGE = 1 << 32, 32 << 20, 2 << 20
KERNEL, ROOT = 0x1000000, 0x1800000  # as head_64.S has them: the root 8 MiB into the image
pages, pool = {}, 0x2800000


def store(pa, value):
    struct.pack_into('<Q', pages.setdefault(pa & ~4095, bytearray(4096)), pa & 4095, value)


def load(pa):
    return struct.unpack_from('<Q', pages.get(pa & ~4095, bytes(4096)), pa & 4095)[0]


def map_to(root, va, pa, level, flags, table_flags=0x63):
    """A leaf; tables on the way come from the pool."""
    global pool
    table = root
    for at in range(3, level, -1):
        slot = table + 8 * (va >> (12 + 9 * at) & 511)
        if not load(slot):
            store(slot, pool | table_flags)
            pool += 4096
        table = load(slot) & 0xffffffffff000
    store(table + 8 * (va >> (12 + 9 * level) & 511), pa | flags)


# level3_kernel_pgt is linked beside the root and has two slots: the kernel's image and the fixmap.
store(ROOT + 8 * 511, ROOT + 0x2000 | 0x67)
store(ROOT + 0x2000 + 8 * 510, ROOT + 0x3000 | 0x63)
store(ROOT + 0x2000 + 8 * 511, ROOT + 0x4000 | 0x67)
for at in range(0, 16 << 20, LARGE):
    map_to(ROOT, 0xffffffff80000000 + KERNEL + at, KERNEL + at, 1, 0x1e3)
for first, size in ((0, low), (HIGH, HIGH_SIZE - unmapped)):
    for at in range(first, first + size, LARGE):
        map_to(ROOT, 0xffff888000000000 + at, at, 1, 0x80000000000001e3)
if process:
    root = HIGH + (8 << 20)
    pool = root + 4096
    for slot in range(256, 512):
        store(root + 8 * slot, load(ROOT + 8 * slot))
    map_to(root, 0x400000, HIGH + (16 << 20), 0, 0x25, 0x67)
with open(path, 'wb') as file:
    for pa, page in pages.items():
        file.seek(pa if pa < HIGH else pa - HIGH + low)
        file.write(page)
    file.truncate(low + HIGH_SIZE)
