#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""foreign_answers.py TOOL IMAGE COPY SEED: what `pagewalk find`, `stats` and `diff` say of the tables of
virtual machines and devices is what `pagewalk dump --vm` and `--device` list of them: turned round for random
frames, summed up, and compared with COPY, which becomes a copy of IMAGE with entries changed. Prints TAP.
"""
import random
import shutil
import subprocess
import sys

import audit_foreign
from audit_foreign import PAGE, Copy, Foreign, Tap, number, tool


def spaces(image):
    """Those with tables, by root and format: the first one that has them, and how many have."""
    found = {}
    for record in tool('devices', image):
        if record.get('root'):
            key = number(record['root']), record['format']
            first, nr = found.get(key, (None, 0))
            found[key] = first or Foreign(image, record), nr + 1
    return found


def whose(record):
    return str(record['vm']) if 'vm' in record else record.get('device')


def pieces(leaves, pa):
    """(va, size) of what maps a page."""
    return sorted((number(leaf['va']) + pa - number(leaf['pa']), PAGE) for leaf in leaves
                  if number(leaf['pa']) <= pa < number(leaf['pa']) + leaf['size'])


def check_find(tap, image, found, choose):
    frames = sorted({number(leaf['pa']) for first, _ in found.values() for leaf in first.leaves})
    for pa in choose.sample(frames, min(4, len(frames))):
        records = tool('find', image, f'{pa:x}+1000')
        told = {}
        for record in records:
            if record.get('record') == 'mapping' and whose(record):
                key = whose(record), record['users']
                told.setdefault(key, []).append((number(record['first']), record['bytes']))
        expected = {(first.id, nr): pieces(first.leaves, pa) for first, nr in found.values()}
        expected = {key: value for key, value in expected.items() if value}
        # What goes on in both addresses is told as one.
        told = {key: sorted((va + at, PAGE) for va, size in value for at in range(0, size, PAGE))
                for key, value in told.items()}
        tap.check(f'find {pa:#x}: {len(expected)} of {len(found)}', told == expected, told, expected)


def check_stats(tap, image, found):
    told = {(whose(r), r['users']): (r['bytes'], r['state'] if 'state' in r else None)
            for r in tool('stats', image) if r.get('record') == 'root' and whose(r)}
    expected = {(first.id, nr): (sum(leaf['size'] for leaf in first.leaves), None)
                for first, nr in found.values()}
    tap.check(f'stats: what {len(expected)} map', told == expected, told, expected)


def check_diff(tap, image, path, found, choose):
    same = [r for r in tool('diff', image, image) if r.get('record') == 'root' and whose(r)]
    tap.check('diff with itself: all the same', sorted(whose(r) for r in same) ==
              sorted(first.id for first, _ in found.values()) and
              not any(r['changes'] for r in same), *same)
    first = choose.choice([first for first, _ in found.values() if len(first.pages()) > 1])
    leaf = choose.choice(first.pages())
    copy = Copy(image, path)
    copy.put(first.item(leaf), first.entry(leaf, number(leaf['pa']) ^ 0x100000))
    told = [(r['what'], number(r['first']), number(r['last'])) for r in tool('diff', image, path)
            if r.get('record') == 'change']
    copy.restore()
    va = number(leaf['va'])
    tap.check(f'diff: one page of {first.id} moved', told == [('moved', va, va + PAGE - 1)], told, leaf)


def check_rights(tap, image, found):
    """What asks for programs' rights is refused where there are none, as it would find nothing."""
    for (_, name), (first, _) in found.items():
        run = subprocess.run([audit_foreign.TOOL, 'dump', *first.option, '--perm', 'u:w', image],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)
        has_halves = name.startswith('arm64-') and '-s2-' not in name
        tap.check(f'--perm u:w of {name}: {"taken" if has_halves else "refused"}',
                  run.returncode == (0 if has_halves else 2) and
                  (has_halves or b'its rights are those of k:' in run.stderr), run)


def main(image, path, seed):
    choose, tap = random.Random(int(seed)), Tap()
    shutil.copyfile(image, path)
    found = spaces(image)
    tap.check('there are some', len(found) > 0)
    check_find(tap, image, found, choose)
    check_stats(tap, image, found)
    check_diff(tap, image, path, found, choose)
    check_rights(tap, image, found)
    print(f'1..{tap.nr}')
    sys.exit(1 if tap.failed else 0)


if __name__ == '__main__':
    audit_foreign.TOOL = sys.argv[1]
    main(*sys.argv[2:])
