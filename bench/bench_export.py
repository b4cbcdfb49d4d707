#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bench_export.py [--json] [FORM...]: pagewalk export of ten million ranges in each form, or these, beside a program that does nothing
but write as many bytes to the same file system, in blocks of 128 KiB; each has them on the disk at its end.
Medians, with the fastest and the slowest of 3 rounds each, one after the other in turn. PGW_TOOL is the command.

The image is made here: a table of pages of which no two that follow each other have the same rights, to which
twenty thousand entries lead.
"""
import json
import os
import random
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from made_core import write_core

NR, ROUNDS, BLOCK = 20000, 3, 131072
ROOT, PUDS, PMDS, PTES = 0x1000, 0x2000, 0x10000, 0x100000
FORMS = ('csv', 'jsonl', 'avro', 'sqlite')
GOAL = 0.5  # of a plain write's rate, at least


def write_image(path):
    choose, nr_pmds = random.Random(1), NR + 511 >> 9
    memory = bytearray(PTES + 4096)
    struct.pack_into('<Q', memory, ROOT + 8 * 256, PUDS | 0x63)
    struct.pack_into(f'<{nr_pmds}Q', memory, PUDS, *(PMDS + (i << 12) | 0x63 for i in range(nr_pmds)))
    struct.pack_into(f'<{NR}Q', memory, PMDS, *[PTES | 0x63] * NR)
    struct.pack_into('<512Q', memory, PTES, *(
        choose.randrange(1 << 28) << 12 | 1 << 63 | (0x61 if i % 2 else 0x63) for i in range(512)))
    write_core(path, memory, ROOT)


def size_of(path):
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names) \
        or os.path.getsize(path)


def export(form, image, out):
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run = subprocess.run([os.environ['PGW_TOOL'], 'export', '--format', form, '--table', 'ranges', '-o', out, image],
                         check=True, stdout=subprocess.PIPE)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert f'ranges={NR * 512} '.encode() in run.stdout, run
    size = size_of(out)
    (os.unlink if form == 'sqlite' else shutil.rmtree)(out)
    return seconds, cpu, size


def write_plain(path, size):
    block, began, before = bytes(range(1, 129)) * (BLOCK // 128), time.perf_counter(), time.process_time()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    for at in range(0, size, BLOCK):
        os.write(fd, block[:size - at])
    os.fsync(fd)
    os.close(fd)
    seconds, cpu = time.perf_counter() - began, time.process_time() - before
    os.unlink(path)
    return seconds, cpu


def main(as_json, *forms):
    with tempfile.TemporaryDirectory() as folder:
        image, out = os.path.join(folder, 'image'), os.path.join(folder, 'out')
        write_image(image)
        for form in forms or FORMS:
            times, cpus, plain = [], [], []
            for _ in range(ROUNDS):
                seconds, cpu, size = export(form, image, out)
                times.append(seconds)
                cpus.append(cpu)
                plain.append(write_plain(out, size))
            median, ratio = statistics.median(times), statistics.median(p / t for (p, _), t in zip(plain, times))
            cpu, plain_cpu = statistics.median(cpus), statistics.median(cpu for _, cpu in plain)
            if as_json:
                print(json.dumps({'bench': 'export', 'case': form, 'ns': median * 1e9, 'min': min(times) * 1e9,
                                  'max': max(times) * 1e9, 'bytes': size, 'of_plain': ratio, 'goal_of_plain': GOAL, 'cpu_ns': cpu * 1e9, 'plain_cpu_ns': plain_cpu * 1e9}))
            else:
                print(f'export of {NR * 512} ranges: {form:6} {median:6.2f} s ({min(times):.2f} to {max(times):.2f}), '
                      f'{size / 2**20:.0f} MiB, {ratio:.2f} of the rate of a plain write, goal >= {GOAL}: '
                      f'{"met" if ratio >= GOAL else "MISSED"}; '
                      f'CPU time {cpu:.2f} s, of the plain write {plain_cpu:.2f} s')


if __name__ == '__main__':
    main('--json' in sys.argv, *[form for form in FORMS if form in sys.argv])
