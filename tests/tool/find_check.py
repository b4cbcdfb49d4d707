#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""find_check.py TOOL IMAGE NR SEED: what `pagewalk find` says of NR random ranges of memory is what
`pagewalk dump --leaves` of all roots says, turned round here. Prints TAP.
"""
import json
import random
import subprocess
import sys


def tool(*args):
    """The JSON records of a command, and its status."""
    run = subprocess.run([TOOL, *args, '--json'], stdout=subprocess.PIPE, check=False, timeout=300)
    return run.returncode, [json.loads(line) for line in run.stdout.splitlines()]


def all_leaves(image):
    """(root, va, pa, size, rights) of all leaves of all roots."""
    found = []
    for root in tool('roots', image)[1]:
        for half in root.get('halves', ()):
            for leaf in tool('dump', '--leaves', '--root', root['root'], '--half', half, image)[1]:
                if 'pa' in leaf:
                    found.append((root['root'], int(leaf['va'], 16), int(leaf['pa'], 16),
                                  leaf['size'], leaf['kernel'] + leaf['user']))
    return found


def pieces(found, first, last):
    """The parts of leaves that map some of first to last, joined where they go on."""
    parts = sorted((root, va + max(first - pa, 0), max(first, pa), size, rights,
                    min(last, pa + size - 1) - max(first, pa) + 1)
                   for root, va, pa, size, rights in found if pa <= last and pa + size > first)
    joined = []
    for root, va, pa, size, rights, nr in parts:
        end = joined[-1] if joined else None
        if end and end[0] == root and end[1] + end[5] == va and end[2] + end[5] == pa and \
                end[3:5] == [size, rights]:
            end[5] += nr
        else:
            joined.append([root, va, pa, size, rights, nr])
    return joined


def main(image, nr, seed):
    choose = random.Random(int(seed))
    leaves = all_leaves(image)
    frames = sorted({pa for _, _, pa, _, _ in leaves})
    wrong, total = [], 0
    for i in range(int(nr)):
        first = choose.choice(frames) + choose.choice([0, 0, 0x123, -0x1000 if i % 7 == 0 else 0x800])
        first = max(first, 0)
        size = choose.choice([1, 1, 0x1000, 0x3456, 2 << 20])
        status, records = tool('find', image, f'{first:x}-{first + size - 1:x}' if size > 1 else f'{first:x}')
        actual = sorted([r['root'], int(r['first'], 16), int(r['pa'], 16), r['leaf'],
                         r['kernel'] + r['user'], r['bytes']] for r in records if 'pa' in r)
        expected = sorted(pieces(leaves, first, first + size - 1))
        total += len(expected)
        if actual != expected or status != (0 if expected else 1):
            wrong.append(f'{first:#x}+{size:#x}: status {status}, '
                         f'{[x for x in actual if x not in expected][:3]} instead of '
                         f'{[x for x in expected if x not in actual][:3]}')
    print('not ok 1' if wrong else 'ok 1', f'- {nr} ranges (seed {seed}), {total} mappings, '
          f'of {len(leaves)} leaves')
    for line in wrong[:10]:
        print(f'# {line}')
    print('1..1')


if __name__ == '__main__':
    TOOL = sys.argv[1]
    main(*sys.argv[2:])
