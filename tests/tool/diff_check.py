#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""diff_check.py TOOL IMAGE NEW SEED: NEW becomes a copy of IMAGE, an x86-64 core of Linux, in whose
tables some entries are changed at random. What `pagewalk diff` tells is compared, page by page, with
what differs between the leaves that `pagewalk dump` lists of both. Prints TAP.
"""
import json
import random
import shutil
import struct
import subprocess
import sys
from collections import Counter

from trim_check import Core, geometry

PAGE = 4096
P, RW, US, PCD, A, D, NX = 1, 2, 4, 16, 32, 64, 1 << 63


def tool(*args):
    """The JSON records of a command."""
    run = subprocess.run([TOOL, *args, '--json'], stdout=subprocess.PIPE, check=False, timeout=120)
    return run.returncode, [json.loads(line) for line in run.stdout.splitlines()]


def tables(core, root):
    """All tables below a root, with their levels."""
    _, va_bits, below = geometry(root['format'])
    todo, seen = [(int(root['root'], 16), (va_bits - 12) // 9 - 1)], set()
    while todo:
        pa, level = todo.pop()
        data = core.read(pa, PAGE)
        if (pa, level) in seen or not data:
            continue
        seen.add((pa, level))
        for entry in struct.unpack('<512Q', data) if level else ():
            if entry and (below_pa := below(entry, level)):
                todo.append((below_pa, level - 1))
    return seen


def plant(core, path, roots, seed):
    """Change entries of a copy."""
    choose = random.Random(seed)
    known = sorted(set().union(*(tables(core, root) for root in roots)))
    kinds = Counter()
    with open(path, 'r+b') as file:
        for _ in range(600):
            pa, level = choose.choice(known)
            slot = choose.randrange(512)
            (entry,) = struct.unpack('<Q', core.read(pa + slot * 8, 8))
            kind = choose.choice(['clear', 'move', 'write', 'execute', 'cache', 'use', 'copy'])
            if level > 1 or (level and not entry & 0x80 and choose.random() < .9):
                continue
            if entry & P:
                entry = {'clear': 0, 'move': entry ^ 1 << 24, 'write': entry ^ RW,
                         'execute': entry ^ NX, 'cache': entry ^ PCD,
                         'use': entry ^ A ^ D, 'copy': entry}[kind]
            elif kind == 'copy' and level == 0:
                entry = 0x1234000 | choose.choice([0x63, 0x67, 0x8000000000000025])
            else:
                continue
            kinds[kind] += 1
            for first, held, _, offset in core.loads:
                if first <= pa < first + held:
                    file.seek(offset + pa - first + slot * 8)
                    file.write(struct.pack('<Q', entry))
    return kinds


def leaves(path, root, half):
    """The leaves of a root's half: (va, size) to what they look like."""
    _, records = tool('dump', '--leaves', '--root', root, '--half', half, path)
    return {(int(r['va'], 16), r['size']): (int(r['pa'], 16), r['kernel'] + r['user'],
            tuple(a for a in r['attrs'] if a not in ('a', 'd')) +
            # What the entry itself allows, and upper levels perhaps do not.
            (int(r['entry'], 16) & (RW | US | NX),)) for r in records if 'pa' in r}


def pages(mapped, others):
    """Pages of the leaves that the others do not have."""
    return {va + at: (pa + at, rights, size, attrs)
            for (va, size), (pa, rights, attrs) in mapped.items()
            if others.get((va, size)) != (pa, rights, attrs) for at in range(0, size, PAGE)}


def differences(before, after):
    """Page to what differs, as `pagewalk diff` calls it."""
    a, b = pages(before, after), pages(after, before)
    found = {}
    for va in a.keys() | b.keys():
        if va not in b:
            found[va] = 'vanished'
        elif va not in a:
            found[va] = 'appeared'
        else:
            what = [name for name, i in (('moved', 0), ('rights', 1), ('size', 2)) if a[va][i] != b[va][i]]
            if a[va][1:3] == b[va][1:3] and a[va][3] != b[va][3]:
                what.append('attributes')
            if what:
                found[va] = ','.join(what)
    return found


def main(image, new, seed):
    shutil.copyfile(image, new)
    core = Core(image)
    _, roots = tool('roots', image)
    roots = [root for root in roots if 'root' in root]
    print(f'# seed {seed}: planted {dict(plant(core, new, roots, int(seed)))}')
    status, records = tool('diff', image, new)
    told = {}
    for record in records:
        if record.get('record') == 'change':
            for va in range(int(record['first'], 16), int(record['last'], 16) + 1, PAGE):
                told[record['root'], va] = record['what']
    expected = {}
    new_states = {root['root']: root['state'] for root in tool('roots', new)[1] if 'root' in root}
    for root in roots:
        halves = ['user'] * (root['kpti'] != 'user')
        # Of a process in either image the kernel's own root tells.
        states = {root['state'], new_states[root['root']]}
        halves += ['kernel'] * (not states & {'running', 'mapped', 'empty'})
        for half in halves:
            found = differences(leaves(image, root['root'], half), leaves(new, root['root'], half))
            expected |= {(root['root'], va): what for va, what in found.items()}
    fine = told == expected and status == (1 if expected else 0)
    print('ok 1' if fine else 'not ok 1', f'- {len(expected)} pages that differ, as the leaves say:',
          dict(Counter(expected.values())))
    for key in sorted(told.items() ^ expected.items())[:10]:
        print(f'# {key[0][0]} {key[0][1]:#x} {key[1]}')
    sums = Counter()
    for record in records:
        for name in ('appeared', 'vanished', 'moved', 'rights', 'size', 'attributes'):
            sums[name] += record.get(name, 0) if record.get('record') == 'root' else 0
    counted = Counter(name for what in expected.values() for name in what.split(','))
    fine = +sums == Counter({name: nr * PAGE for name, nr in counted.items()})
    print('ok 2' if fine else 'not ok 2', '- the sums that come first are those of the ranges', dict(sums))
    print('1..2')


if __name__ == '__main__':
    TOOL = sys.argv[1]
    main(*sys.argv[2:])
