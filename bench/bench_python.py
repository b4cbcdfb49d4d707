#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bench_python.py [--json]: extents through the Python module, by batches, beside one call of C that
writes all of them into an array. Medians, with the fastest and the slowest of 15 rounds each.

The tables are made here: a million leaves of 4 KiB, no two of which follow each other.
"""
import json
import random
import statistics
import struct
import sys
import tempfile
import time

import pagewalk
from pagewalk._pagewalk import ffi, lib

NR, ROUNDS = 1 << 20, 15


def write_tables(file):
    """An ELF core with four levels of tables, the root at 0."""
    choose = random.Random(1)
    directories = NR >> 18
    first_directory, first_table = 0x2000, 0x2000 + directories * 0x1000
    entries = [0x1007] + 511 * [0]
    entries += [first_directory + (i << 12) | 7 for i in range(directories)] + (512 - directories) * [0]
    entries += [first_table + (i << 12) | 7 for i in range(NR >> 9)]
    entries += [choose.randrange(1 << 24) << 12 | 0x67 for _ in range(NR)]
    size = 8 * len(entries)
    file.write(b'\x7fELF\x02\x01\x01' + bytes(9))
    file.write(struct.pack('<HHIQQQIHHHHHH', 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0))
    file.write(struct.pack('<IIQQQQQQ', 1, 7, 4096, 0, 0, size, size, 4096).ljust(4096 - 64, b'\0'))
    file.write(struct.pack(f'<{len(entries)}Q', *entries))
    file.flush()


def in_c(mm):
    batch = ffi.new('struct pgwpy_batch *')
    array = ffi.new('struct pgw_extent[]', NR + 1)
    batch.extents, batch.capacity = array, NR + 1

    def call():
        lib.pgwpy_scan(mm._mm, mm.first, mm.last, batch)
        return batch.nr if array else 0  # which has to stay
    return call


def timed(call):
    assert call() == NR
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1e9 / NR)
    return times


def main(as_json):
    with tempfile.NamedTemporaryFile(suffix='.elf') as file:
        write_tables(file)
        with pagewalk.Image(file.name) as image:
            mm = pagewalk.Mm(image, 'x86_64-la48', 0, pagewalk.Region.USER)
            cases = {'C, one call': in_c(mm), 'batches': lambda: sum(len(batch) for batch in mm.extents())}
            try:
                import numpy
                cases['batches, NumPy sums pa'] = lambda: sum(
                    len(batch) for batch in mm.extents() if numpy.asarray(batch)['pa'].sum())
            except ImportError:
                pass
            measured = {name: timed(call) for name, call in cases.items()}
    base = statistics.median(measured['C, one call'])
    for name, times in measured.items():
        row = {'bench': 'python', 'case': name, 'ns_per_extent': round(statistics.median(times), 2),
               'min': round(min(times), 2), 'max': round(max(times), 2),
               'ratio': round(statistics.median(times) / base, 2)}
        print(json.dumps(row) if as_json else
              f'python: {name:24} {row["ns_per_extent"]:8.2f} ns an extent'
              f' ({row["min"]:.2f} to {row["max"]:.2f}), {row["ratio"]:.2f} of C')


if __name__ == '__main__':
    main('--json' in sys.argv[1:])
