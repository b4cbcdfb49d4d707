#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bench_report.py [--json]: pagewalk report of a million ranges: how long it takes to write the page,
how large it is, and how long Chromium takes until it is drawn, to zoom, to search and to sort.
Medians, with the fastest and the slowest of 5 rounds each. PGW_TOOL is the command.

The image is made here: a million pages of 4 KiB, scattered over 1 TiB of memory, of which no two that
follow each other have the same rights.
"""
import json
import os
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'tests' / 'tool'))

from chromium import Browser  # noqa: E402
from made_core import write_core  # noqa: E402

NR, ROUNDS = 1 << 20, 5
GOALS = {'written': 2, 'drawn': 1}  # seconds, at most
SIZE_GOAL = 12 << 20
ROOT, PUDS, PMDS, PTES = 0x1000, 0x2000, 0x10000, 0x100000


def write_image(path):
    choose = random.Random(1)
    memory = bytearray(PTES + 8 * NR)
    rights = {True: 1 << 63 | 0x61, False: 1 << 63 | 0x63}  # read only and writable, not executable
    struct.pack_into('<Q', memory, ROOT + 8 * 256, PUDS | 0x63)
    struct.pack_into(f'<{NR >> 18}Q', memory, PUDS, *(PMDS + (i << 12) | 0x63 for i in range(NR >> 18)))
    struct.pack_into(f'<{NR >> 9}Q', memory, PMDS, *(PTES + (i << 12) | 0x63 for i in range(NR >> 9)))
    struct.pack_into(f'<{NR}Q', memory, PTES, *(
        choose.randrange(1 << 28) << 12 | (0x63 if i % 50021 == 3 else rights[i % 2 == 0]) for i in range(NR)))
    write_core(path, memory, ROOT)


def write_page(image, page):
    began = time.perf_counter()
    run = subprocess.run([os.environ['PGW_TOOL'], 'report', '--force', image, '-o', page], check=False,
                         stdout=subprocess.PIPE)
    assert run.returncode <= 1 and f'rows={NR} '.encode() in run.stdout, run
    return time.perf_counter() - began


TIMED = '''(() => {
    const timed = run => { const began = performance.now(); run(); return (performance.now() - began) / 1000; };
    const map = document.querySelector('#map canvas'), place = document.getElementById('first-ranges');
    const [search, order] = [place.querySelector('input'), place.querySelector('select')];
    const times = {
        zoom: timed(() => map.dispatchEvent(new KeyboardEvent('keydown', { key: '+' }))),
        sort: timed(() => { order.value = 2; order.dispatchEvent(new Event('change')); }),
        search: timed(() => { search.value = 'wx'; search.dispatchEvent(new Event('input')); }),
    };
    return [times, place.querySelector('output').textContent, document.querySelectorAll('*').length];
})()'''


def look(page, times):
    with Browser() as browser:
        for _ in range(ROUNDS):
            times['drawn'].append(browser.open(page) / 1000)
            parts, found, elements = browser.run(TIMED)
            assert found.startswith(str(len(range(3, NR, 50021)))) and not browser.errors, (found, browser.errors)
            for name, value in parts.items():
                times[name].append(value)
    return elements


def goal(value, at_most, unit):
    return f', goal <= {at_most} {unit}: {"met" if value <= at_most else "MISSED"}' if at_most else ''


def main(as_json):
    times = {name: [] for name in ('written', 'drawn', 'zoom', 'sort', 'search')}
    with tempfile.TemporaryDirectory() as folder:
        image, page = os.path.join(folder, 'image'), os.path.join(folder, 'page.html')
        write_image(image)
        for _ in range(ROUNDS):
            times['written'].append(write_page(image, page))
        size, elements = os.path.getsize(page), look(page, times)
    for name, values in times.items():
        median, low, high = statistics.median(values), min(values), max(values)
        print(json.dumps({'bench': 'report', 'case': name, 'ns': median * 1e9, 'min': low * 1e9, 'max': high * 1e9,
                          'goal_ns': GOALS.get(name, 0) * 1e9})
              if as_json else f'report of {NR} ranges: {name:8} {median:7.3f} s ({low:.3f} to {high:.3f})'
              f'{goal(median, GOALS.get(name), "s")}')
    print(json.dumps({'bench': 'report', 'case': 'size', 'bytes': size, 'goal_bytes': SIZE_GOAL, 'elements': elements})
          if as_json else f'report of {NR} ranges: size     {size / 2**20:7.2f} MiB, {elements} elements'
          f'{goal(size / 2**20, SIZE_GOAL >> 20, "MiB")}')


if __name__ == '__main__':
    main('--json' in sys.argv[1:])
