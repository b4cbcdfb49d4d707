#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""stats_check.py IMAGE ROOTS STATS: STATS, what `pagewalk stats --json IMAGE` printed, is what a
second, naive walker counts below the roots of ROOTS (`pagewalk roots --json`). Prints TAP.
"""
import json
import struct
import sys
from collections import Counter, defaultdict

from trim_check import Core, geometry


def is_leaf(name, entry, level):
    """Whether an entry that is no table maps memory, by the manuals, of what Linux makes."""
    arch = name.split('-')[0]
    if arch == 'x86_64':
        return entry & 1
    if arch == 'riscv':
        return entry & 1 and entry & 14
    return entry & 3 == (3 if level == 0 else 1)


def history(name, entry):
    """(accessed, dirty); None: the format does not say."""
    arch = name.split('-')[0]
    if arch == 'x86_64':
        return entry >> 5 & 1, entry >> 6 & 1
    if arch == 'riscv':
        return entry >> 6 & 1, entry >> 7 & 1
    return entry >> 10 & 1, None


class Walk:
    """What one region of a root has, each table once."""

    def __init__(self, core, name):
        self.core, self.name = core, name
        self.page_lg2, va_bits, self.below = geometry(name)
        self.bits = self.page_lg2 - 3
        self.top = -(-(va_bits - self.page_lg2) // self.bits) - 1
        self.root_slots = 1 << va_bits - self.page_lg2 - self.top * self.bits
        self.tables, self.leaves, self.accessed, self.dirty = set(), Counter(), 0, 0

    def slots(self, kernel, whole):
        """The root's slots of a region; whole: the root has no other."""
        half = self.root_slots // 2
        return range(self.root_slots) if whole else range(half * kernel, half * (1 + kernel))

    def table(self, pa, level, slots):
        """Look at some slots of a table, and below."""
        data = self.core.read(pa, (slots[-1] + 1) * 8)
        for slot in slots if data else ():
            entry = struct.unpack_from('<Q', data, slot * 8)[0]
            below = level and self.below(entry, level)
            if below:
                if (below, level - 1) not in self.tables:
                    self.tables.add((below, level - 1))
                    self.table(below, level - 1, range(1 << self.bits))
            elif is_leaf(self.name, entry, level):
                size = 1 << self.page_lg2 + level * self.bits
                accessed, dirty = history(self.name, entry)
                self.leaves[level] += size
                self.accessed += size * accessed
                self.dirty += size * (dirty or 0)


def main(image, roots_path, stats_path):
    core = Core(image)
    roots = [json.loads(line) for line in open(roots_path, encoding='ascii')]
    roots = [root for root in roots if 'root' in root]
    records = [json.loads(line) for line in open(stats_path, encoding='ascii')]
    walks, users = {}, defaultdict(set)
    for root in roots:
        pair = min(root['root'], root['twin'] or root['root'])
        for number, half in enumerate(root['halves']):
            walk = Walk(core, root['format'])
            top = (int(root['root'], 16), walk.top)
            walk.table(*top, walk.slots(half == 'kernel', len(root['halves']) == 1))
            walks[root['root'], half] = walk
            for table in walk.tables | {top}:
                users[table].add(pair)
            if number == 0:
                walk.tables.add(top)
    failed = number = 0
    for record in records:
        if record.get('record') != 'root':
            continue
        walk = walks.pop((record['root'], record['region']))
        expected = {'bytes': sum(walk.leaves.values()), 'accessed': walk.accessed}
        if 'dirty' in record:
            expected['dirty'] = walk.dirty
        actual = {key: record[key] for key in expected}
        if 'tables' in record:
            expected['tables'] = sorted(Counter(level for _, level in walk.tables).items())
            expected['private'] = sorted(Counter(
                table[1] for table in walk.tables if len(users[table]) == 1).items())
            actual['tables'] = sorted((t['level'], t['tables']) for t in record['tables'])
            actual['private'] = sorted(
                (t['level'], t['private']) for t in record['tables'] if t['private'])
        elif not all(len(users[table]) > 1 for table in walk.tables if table[1] < walk.top):
            actual['shared'] = 'not so'
        number += 1
        failed += actual != expected
        print('ok' if actual == expected else 'not ok', number,
              f'- {record["root"]} {record["region"]}: tables and leaves are those of a naive walk')
        if actual != expected:
            print(f'# {actual}\n# instead of {expected}')
    distinct = len(users)
    summary = records[-1]['summary']
    fine = not walks and summary['tables'] == distinct and summary['roots'] == len(roots)
    print('ok' if fine else 'not ok', number + 1, f'- {distinct} distinct tables of all roots')
    print(f'1..{number + 1}')
    return 1 if failed or not fine else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
