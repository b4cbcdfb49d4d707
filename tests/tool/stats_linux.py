#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""stats_linux.py STATS LEAVES CONSOLE: what `pagewalk stats --json` says of a Linux guest is what its
kernel said on the CONSOLE: VmPTE of processes, DirectMap of /proc/meminfo. LEAVES is `pagewalk dump
--leaves --json` of the kernel's half. Prints TAP.

VmPTE counts a table that is put aside for each transparent huge page, which no root leads to. On
x86, DirectMap4k counts what is split in the kernel image's own mapping, too.
"""
import json
import re
import sys

IMAGE = 0xffffffff80000000
HUGE = 2 << 20


def files(console, pattern):
    """(name, text) of each file on the console whose name matches."""
    text = open(console, encoding='latin-1').read()
    for name in re.findall(r'^BEGIN (%s)$' % pattern, text, re.M):
        yield name, text.rsplit(f'BEGIN {name}\n', 1)[1].split(f'END {name} ', 1)[0]


def kib(text, key):
    """A value of a file like meminfo, in KiB, or None."""
    found = re.search(rf'^{key}:\s+(\d+) kB$', text, re.M)
    return found and int(found[1])


def marked_pages(console):
    """Pages that the kernel calls tables: KPF_PGTABLE, bit 26 of /proc/kpageflags, told in runs."""
    text = open(console, encoding='latin-1').read().rsplit('BEGIN /proc/kpageflags', 1)[1]
    runs = re.findall(r'^([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)$', text.split('END ', 1)[0], re.M)
    return sum(int(nr, 16) for _, nr, flags in runs if int(flags, 16) >> 26 & 1)


def who_split(direct, leaves, console):
    """Is what the record says of `who` what the leaves and the guest's list of modules say?"""
    all_leaves = [(int(r['va'], 16), int(r['pa'], 16), r['size'], r['level'], r['kernel'])
                  for r in map(json.loads, open(leaves, encoding='ascii')) if 'pa' in r]
    distance = int(direct['distance'], 16)
    usual = max(direct['rights'], key=lambda item: item['bytes'])['kernel']
    odd, other = set(), {}
    for va, pa, size, level, rights in all_leaves:
        if (va - pa) % (1 << 64) == distance:
            odd |= {pa} if level == 0 and rights != usual else set()
        else:
            for page in range(pa, pa + min(size, HUGE), 4096):
                other.setdefault(page, va + page - pa)
    listed = dict(files(console, '/proc/modules'))['/proc/modules']
    blocks = [(int(base, 16), int(size)) for size, base in
              re.findall(r'^\w+ (\d+) .* (0x\w+)', listed, re.M)]
    unknown = 4096 * sum(page not in other for page in odd)
    modules = 4096 * sum(any(base <= other.get(page, 0) < base + size for base, size in blocks)
                         for page in odd)
    told = {}
    for item in direct['who']:
        told[item['who']] = told.get(item['who'], 0) + item['bytes']
    # Since 6.4 a module is in several places, of which that list has one.
    fine = sum(told.values()) == 4096 * len(odd) and told.get('unknown', 0) == unknown and \
        0 < modules <= told['modules'] and ('text' in told)
    version = dict(files(console, '/proc/version'))['/proc/version']
    if version.startswith('Linux version 6.1.'):
        fine = fine and modules == told['modules']
    return fine, (told, 4096 * len(odd), unknown, modules)


def main(stats, leaves, console):
    records = [json.loads(line) for line in open(stats, encoding='ascii')]
    failed = number = 0

    def check(name, fine, why):
        nonlocal failed, number
        number += 1
        failed += not fine
        print('ok' if fine else 'not ok', number, f'- {name}')
        if not fine:
            print(f'# {why}')

    ours = {sum(table['bytes'] for table in record['tables'] if table['name'] != 'pgd') >> 10
            for record in records if record.get('region') == 'user' and 'tables' in record}
    huge = {name.split('/')[2]: kib(text, 'AnonHugePages') or 0
            for name, text in files(console, r'/proc/\d+/smaps_rollup')}
    theirs = {kib(text, 'VmPTE') - 2 * huge[name.split('/')[2]] // 1024
              for name, text in files(console, r'/proc/\d+/status')
              # Process 1 grew after it had printed this.
              if kib(text, 'VmPTE') and name.split('/')[2] != '1'}
    check(f'VmPTE of each process: {sorted(theirs)}', theirs and theirs <= ours, sorted(ours))

    # Of the areas what smaps has: Rss, but for a zero page. Process 1 grew; mapper has hugetlb, which
    # smaps leaves out, and PROT_NONE, which maps nothing. Of those that share an mm, one is told.
    rollup = {name.split('/')[2]: text for name, text in files(console, r'/proc/\d+/smaps_rollup')}
    # One whose first thread has exited has no smaps.
    processes = {str(r['pid']): r for r in records if r.get('record') == 'process' and
                 kib(rollup.get(str(r['pid']), ''), 'Rss')}
    odd = {pid for pid, r in processes.items() if r['name'] in ('init', 'mapper')}
    told = {pid: (kib(rollup[pid], 'Rss'), r['mapped'] >> 10) for pid, r in processes.items()}
    check(f'Rss of each process: {len(told) - len(odd)}', len(told) > 10 and len(odd) == 2 and
          all(0 <= ours - theirs <= (4 if pid not in odd else 1 << 20)
              for pid, (theirs, ours) in told.items()), told)
    huge = {pid: (sum(kib(rollup[pid], key) for key in
                      ('AnonHugePages', 'Shared_Hugetlb', 'Private_Hugetlb')), r['huge'] >> 10)
            for pid, r in processes.items()}
    check('huge pages of each process', any(theirs for theirs, _ in huge.values()) and
          all(theirs == ours for theirs, ours in huge.values()), huge)
    check('names and roots of processes are those beside roots',
          processes and all(any(r.get('record') == 'root' and r['root'] == p['root'] and
                                r.get('pid') == p['pid'] and r['name'] == p['name']
                                for r in records) for p in processes.values()), processes)

    meminfo = dict(files(console, '/proc/meminfo'))['/proc/meminfo']
    # All CPUs had been idle for longer than they keep what they have not passed on.
    huge_pages = [(kib(text, 'AnonHugePages') or 0) // 2048 for text in rollup.values()]
    counted = next(r for r in records if r.get('record') == 'page_tables')
    pages = marked_pages(console)
    check(f'PageTables: {kib(meminfo, "PageTables")} KiB, and as many pages in /proc/kpageflags',
          counted['counted'] >> 10 == kib(meminfo, 'PageTables') == 4 * pages, (counted, pages))
    check('... of which are aside as many as there are anonymous huge pages',
          counted['aside'] == 4096 * sum(huge_pages) > 0, counted)
    direct = next(r for r in records if r.get('record') == 'direct_map')
    check('who split the direct map', *who_split(direct, leaves, console))
    if kib(meminfo, 'DirectMap4k'):
        sizes = {leaf['size']: leaf['bytes'] >> 10 for leaf in direct['leaves']}
        split = {int(leaf['va'], 16) // HUGE for leaf in map(json.loads, open(leaves, encoding='ascii'))
                 if leaf.get('level') == 0 and IMAGE <= int(leaf['va'], 16) < IMAGE + (1 << 30)}
        split = len(split) * HUGE >> 10
        expected = kib(meminfo, 'DirectMap4k'), kib(meminfo, 'DirectMap2M')
        actual = sizes[4096] + split, sizes[HUGE] - split
        check(f'DirectMap4k and DirectMap2M: {expected}', expected == actual, actual)
    print(f'1..{number}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
