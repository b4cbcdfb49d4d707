#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""stats_pieces.py IMAGE NEW: NEW becomes IMAGE, the small x86-64 core of tests/data, whose kernel also maps
8 GiB behind its memory at the direct map's distance, each second page read-only: 2^20 parts of other rights,
which is more than are looked at, with those that it has.
"""
import struct
import sys

ROOT, DISTANCE, BASE, NR_GIB = 0xda0a000, 0xffff969d00000000, 4 << 30, 8
TABLE, LEAF, WRITABLE = 0x63, 1 << 63 | 0x161, 2


def main(path, new):
    with open(path, 'rb') as file:
        body = bytearray(file.read())
    at, = struct.unpack_from('<Q', body, 32)
    size, nr = struct.unpack_from('<HH', body, 54)
    heads = [list(struct.unpack_from('<IIQQQQQQ', body, at + size * i)) for i in range(nr)]

    def offset(pa):
        return next(h[2] + pa - h[4] for h in heads if h[0] == 1 and h[4] <= pa < h[4] + h[5])

    slot = offset(ROOT) + 8 * (DISTANCE + BASE >> 39 & 511)
    below = struct.unpack_from('<Q', body, slot)[0] & 0xffffffffff000
    tables = []
    for gib in range(NR_GIB):
        first = BASE + 4096 * 513 * gib
        struct.pack_into('<Q', body, offset(below) + 8 * ((DISTANCE + BASE >> 30 & 511) + gib), first | TABLE)
        tables.append(struct.pack('<512Q', *[first + 4096 * (1 + i) | TABLE for i in range(512)]))
        for pa in range(BASE + (gib << 30), BASE + (gib + 1 << 30), 2 << 20):
            tables.append(struct.pack('<512Q', *[pa + 4096 * i | LEAF | WRITABLE * (i % 2)
                                                 for i in range(512)]))
    for head in heads:
        head[2] += 4096
    more = b''.join(tables)
    heads.append([1, 6, 4096 + len(body), 0, BASE, len(more), len(more), 0])
    struct.pack_into('<Q', body, 32, 64)
    struct.pack_into('<H', body, 56, len(heads))
    front = bytes(body[:64]) + b''.join(struct.pack('<IIQQQQQQ', *head) for head in heads)
    with open(new, 'wb') as file:
        file.write(front.ljust(4096, b'\0') + body + more)


if __name__ == '__main__':
    main(*sys.argv[1:])
