#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""find_check.py TOOL IMAGE NR SEED [CONSOLE]: what `pagewalk find` says of NR random ranges of memory
is what `pagewalk dump --leaves` of all roots says, turned round here. With what a Linux guest said
on its CONSOLE, also of NR of its symbols and of NR pages of its processes' areas, whose addresses
are the guest's own. Prints TAP.
"""
import itertools
import json
import random
import re
import subprocess
import sys

RIGHTS = [bytes(pair) for pair in itertools.product(b'r-', b'w-', b'x-')]


def tool(*args):
    """The JSON records of a command, and its status."""
    run = subprocess.run([TOOL, *args, '--json'], stdout=subprocess.PIPE, check=False, timeout=300)
    return run.returncode, [json.loads(line) for line in run.stdout.splitlines()]


def all_leaves(image):
    """(root, va, pa, size, rights) of all leaves of all roots."""
    found = []
    sizes = {b'%d%c' % (1 << i % 10, b'BKMGT'[i // 10]): 1 << i for i in range(50)}
    rights = {b'%s/%s' % (k, u): (k + u).decode() for k in RIGHTS for u in RIGHTS}
    for root in tool('roots', image)[1]:
        for half in root.get('halves', ()):
            run = subprocess.run([TOOL, 'dump', '--leaves', '--root', root['root'], '--half', half,
                                  image], stdout=subprocess.PIPE, check=False, timeout=300)
            # FIRST-LAST PA BYTES LEAF RIGHTS/RIGHTS ...; of one leaf BYTES is LEAF
            for line in run.stdout.splitlines():
                words = line.split(maxsplit=5)
                if words[1].startswith(b'0x'):
                    found.append((root['root'], int(words[0][:18], 16), int(words[1], 16),
                                  sizes[words[3]], rights[words[4]]))
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


def sections(console, pattern):
    """The last text of each file on the console whose name matches, by that name."""
    text = open(console, encoding='latin-1').read()
    return dict(re.findall(r'^BEGIN (%s)\n((?:.*\n)*?)END \1 ' % pattern, text, re.M))


def leads_to(leaves, roots, va):
    """Where the leaves of some roots map an address, or None."""
    return next((pa + va - at for root, at, pa, size, _ in leaves
                 if root in roots and at <= va < at + size), None)


def names(console, leaves, kernel, nr, choose):
    """(text, where the kernel's leaves map it) of symbols."""
    symbols = {}
    for line in sections(console, '/proc/kallsyms')['/proc/kallsyms'].splitlines():
        va, letter, name = line.split('\t')[0].split(' ')[:3]
        if '\t' not in line and letter in 'TtDdBbRr' and not re.search('[:+]', name):
            symbols.setdefault(name, int(va, 16))
    for name in choose.sample(sorted(symbols), nr):
        offset = choose.choice((0, 0, 0x10))
        yield f'@{name}' + (f'+{offset:x}' if offset else ''), \
            leads_to(leaves, {kernel}, symbols[name] + offset)


def pages(console, image, leaves, nr, choose):
    """(text, where the process's leaves map it) of pages of areas."""
    roots = {str(r['pid']): r['root'] for r in tool('ps', image)[1] if r.get('root')}
    areas = [(name.split('/')[2], int(first, 16), int(last, 16))
             for name, text in sections(console, r'/proc/\d+/maps').items()
             for first, last in re.findall(r'^([0-9a-f]+)-([0-9a-f]+) ', text, re.M)]
    areas = [area for area in areas if area[0] in roots]
    for pid, first, last in choose.sample(areas, min(nr, len(areas))):
        va = choose.randrange(first, min(last, first + 0x8000))
        yield f'{pid}:{va:x}', leads_to(leaves, {roots[pid]}, va)


def check(image, text, leaves, first, last):
    """What is wrong with the answer, or None, and how many mappings were expected."""
    status, records = tool('find', image, text)
    actual = sorted([r['root'], int(r['first'], 16), int(r['pa'], 16), r['leaf'],
                     r['kernel'] + r['user'], r['bytes']]
                    for r in records if r.get('record') == 'mapping')
    expected = [] if first is None else sorted(pieces(leaves, first, last))
    if actual == expected and status == (0 if expected else 1):
        return None, len(expected)
    return (f'{text}: status {status}, {[x for x in actual if x not in expected][:3]} instead of '
            f'{[x for x in expected if x not in actual][:3]}'), len(expected)


def ranges(frames, nr, choose):
    for i in range(nr):
        first = choose.choice(frames) + choose.choice([0, 0, 0x123,
                                                       -0x1000 if i % 7 == 0 else 0x800])
        first = max(first, 0)
        size = choose.choice([1, 1, 0x1000, 0x3456, 2 << 20])
        yield f'{first:x}-{first + size - 1:x}' if size > 1 else f'{first:x}', first, size


def main(image, nr, seed, console=None):
    choose = random.Random(int(seed))
    leaves = all_leaves(image)
    frames = sorted({pa for _, _, pa, _, _ in leaves})
    asked = list(ranges(frames, int(nr), choose))
    if console:
        kernel = next(r['root'] for r in tool('roots', image)[1] if r.get('state') == 'kernel')
        asked += [(text, pa, 1) for text, pa in names(console, leaves, kernel, int(nr), choose)]
        asked += [(text, pa, 1) for text, pa in pages(console, image, leaves, int(nr), choose)]
    answers = [check(image, text, leaves, first, (first or 0) + size - 1)
               for text, first, size in asked]
    wrong = [why for why, _ in answers if why]
    print('not ok 1' if wrong else 'ok 1', f'- {len(asked)} ranges and addresses (seed {seed}), '
          f'{sum(found for _, found in answers)} mappings, of {len(leaves)} leaves')
    for line in wrong[:10]:
        print(f'# {line}')
    print('1..1')


if __name__ == '__main__':
    TOOL = sys.argv[1]
    main(*sys.argv[2:])
