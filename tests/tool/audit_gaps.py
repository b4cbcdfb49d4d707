#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""audit_gaps.py TOOL IMAGE COPY: in COPY, a copy of IMAGE, an x86-64 core of Linux with its resource tree, a
process gets a leaf of 1 GiB at physical address 0: no-ram has to tell all parts of it that are no RAM,
which is by what QEMU gives a PC: page 0, 640 KiB to 1 MiB, and what is behind the core's memory. Prints TAP.
"""
import json
import shutil
import struct
import subprocess
import sys

from audit_foreign import Copy, Tap, number

LEAF = 0x80000000000000e7  # NX, large, dirty, accessed, user, writable, present
GIB = 1 << 30


def tool(*args):
    run = subprocess.run([TOOL, *args, '--json'], stdout=subprocess.PIPE, check=False, timeout=120)
    return [json.loads(line) for line in run.stdout.splitlines()]


def main(image, path):
    tap = Tap()
    shutil.copyfile(image, path)
    copy = Copy(image, path)
    for root in tool('roots', image):
        if root.get('state') not in ('mapped', 'running') or root['kpti'] == 'user':
            continue
        (top,) = struct.unpack('<Q', copy.core.read(number(root['root']), 8))
        table = top & 0xffffffffff000
        words = struct.unpack('<512Q', copy.core.read(table, 4096)) if top & 1 else ()
        if 0 in words:
            break
    va = words.index(0) * GIB
    copy.put(table + 8 * words.index(0), LEAF)
    told = sorted((number(r['first']) - va, number(r['last']) - va)
                  for r in tool('audit', '--rule', 'no-ram', path)
                  if r.get('record') == 'finding' and va <= number(r['first']) < va + GIB)
    copy.restore()
    end = max(first + size for first, size, *_ in copy.core.loads if first < GIB)
    parts = [part for part in ((0, 0xfff), (0xa0000, 0xfffff), (end, GIB - 1))
             if any(first <= part[0] and part[1] <= last for first, last in told)]
    tap.check(f'no-ram: all gaps of a leaf: {len(told)}', len(parts) == 3 and
              all(a[1] < b[0] for a, b in zip(told, told[1:])), [f'{a:x}-{b:x}' for a, b in told])
    print(f'1..{tap.nr}')
    sys.exit(1 if tap.failed else 0)


if __name__ == '__main__':
    TOOL = sys.argv[1]
    main(*sys.argv[2:])
