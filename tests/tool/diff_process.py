#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""diff_process.py TOOL IMAGE COPY SEED: IMAGE is an ELF core of a Linux whose processes are known. In COPY,
which becomes a copy of it, the kernel's structs say that two processes have each other's root: by place
and content all roots are what they were, and by process each of the two has all the other's memory. In
another copy one of them has another start: it has ended, and one with its number was started. Prints TAP.
"""
import json
import random
import shutil
import struct
import subprocess
import sys

from audit_foreign import Copy, Tap, number


def tool(*args):
    run = subprocess.run([TOOL, *args, '--json'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         check=False, timeout=120)
    return [json.loads(line) for line in run.stdout.splitlines()]


def find_words(copy, image, value, near):
    """Where a page that has the kernel's address `near` has a word, in the page and the next one."""
    found = []
    for page in (near & -4096, (near & -4096) + 4096):
        at = tool('translate', image, hex(page))[0]
        data = copy.core.read(number(at['pa']), 4096) if at.get('kind') == 'leaf' else None
        for offset in range(0, 4096, 8) if data else ():
            (word,) = struct.unpack_from('<Q', data, offset)
            if word == value and page + offset >= near:
                found.append(number(at['pa']) + offset)
    return found


def roots(records):
    return {r['pid']: (number(r['root']), number(r['new_root'])) for r in records
            if r.get('record') == 'root' and 'pid' in r and 'new_root' in r}


def only(records):
    return sorted((r['pid'], r['only']) for r in records if r.get('record') == 'root' and
                  'pid' in r and 'only' in r)


def main(image, path, seed):
    choose, tap = random.Random(int(seed)), Tap()
    shutil.copyfile(image, path)
    copy = Copy(image, path)
    processes = [r for r in tool('ps', image) if r.get('root') and r.get('mm')]
    own = [r for r in processes if sum(p['root'] == r['root'] for p in processes) == 1]
    one, two = choose.sample(own, 2)
    distance = number(next(r for r in tool('stats', image)
                           if r.get('record') == 'direct_map')['distance'])
    same = tool('diff', image, image)
    tap.check(f'the image and itself: all of {len(own)} processes', len(roots(same)) >= len(own) and
              all(a == b for a, b in roots(same).values()) and not only(same), only(same))
    for mine, other in ((one, two), (two, one)):
        place = find_words(copy, image, (number(mine['root']) + distance) % (1 << 64), number(mine['mm']))
        tap.check(f'{mine["pid"]}: its pgd is in its mm', place, mine)
        copy.put(place[0], (number(other['root']) + distance) % (1 << 64))
    records = tool('diff', image, path)
    pair = number(one['root']), number(two['root'])
    told = roots(records)
    tap.check('two processes with each other\'s root: by process', told.get(one['pid']) == pair and
              told.get(two['pid']) == pair[::-1] and records[-1]['summary']['changes'] > 0 and
              not only(records), one, two, told)
    others = {pid: pair for pid, pair in told.items() if pid not in (one['pid'], two['pid'])}
    tap.check('... and the others are what they were', others and
              all(a == b for a, b in others.values()), others)
    copy.restore()
    start = struct.unpack('<Q', copy.core.read(find_start(copy, image, one), 8))[0]
    copy.put(find_start(copy, image, one), start + 1)
    records = tool('diff', image, path)
    copy.restore()
    tap.check('another process with that number: one has ended, one began', only(records) ==
              [(one['pid'], 'after'), (one['pid'], 'before')] and one['pid'] not in roots(records),
              only(records))
    print(f'1..{tap.nr}')
    sys.exit(1 if tap.failed else 0)


def find_start(copy, image, process):
    return find_words(copy, image, process['start_ns'], number(process['task']))[0]


if __name__ == '__main__':
    TOOL = sys.argv[1]
    main(*sys.argv[2:])
