#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""manners_check.py TOOL: what long work says on a terminal and not in a pipe, and how it ends when a
signal comes. The work is without end for all that a test waits: tables that lead back to
themselves. Prints TAP.
"""
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time

BASE, STEP = 0x40000000, 0x1000
LINE = (r'(reading page tables|comparing): \d+%, \d+ (tables|pieces), \d+/s, \d+ s left')
number = 0
failed = False


def tap(name, why):
    """One test, which fails with a reason."""
    global number, failed
    number += 1
    failed |= bool(why)
    print('not ok' if why else 'ok', number, '-', name)
    if why:
        print('#', ascii(why)[:500])


def make(path, size=0):
    """A core, with memory of so many bytes at least, of a machine whose CPU runs on a table in which
    each slot leads to the table itself, but the last one, which leads to the next page."""
    memory = struct.pack('<512Q', *[BASE | 7] * 511, BASE + STEP | 7) + bytes(STEP)
    qemu = bytearray(440)
    struct.pack_into('<II', qemu, 0, 1, len(qemu))
    struct.pack_into('<QxxxxxxxxxxxxxxxxQQ', qemu, 392, 1 << 31, BASE, 1 << 5)
    notes = struct.pack('<III5s3x', 5, len(qemu), 0, b'QEMU') + bytes(qemu)
    with open(path, 'wb') as file:
        noise = os.urandom(1 << 20)
        file.write(struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\2\1\1', 4, 62, 1, 0, 64, 0, 0,
                               64, 56, 2, 0, 0, 0))
        at = 64 + 2 * 56
        for kind, pa, data in (4, 0, notes), (1, BASE, memory):
            held = max(len(data), size if kind == 1 else 0)
            file.write(struct.pack('<IIQQQQQQ', kind, 4, at, pa, pa, held, held, 0))
            at += held
        file.write(notes + memory)
        # No hole, which nobody would look through.
        while file.tell() < at:
            file.write(noise[:at - file.tell()])


def read_until(fd, pattern, seconds):
    text, end = '', time.monotonic() + seconds
    while not re.search(pattern, text) and time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                part = os.read(fd, 65536)
            except OSError:
                break
            if not part:
                break
            text += part.decode(errors='replace')
    return text


def on_terminal(args, out):
    """Start the command; how far it is is shown, and goes away when a signal ends it."""
    controller, terminal = pty.openpty()
    with open(out, 'wb') as file:
        child = subprocess.Popen([TOOL, *args], stdin=subprocess.DEVNULL, stdout=file,
                                 stderr=terminal)
    os.close(terminal)
    text = read_until(controller, LINE, 30)
    tap(f'{args[0]}: how far it is, the rate, the time that is left', not re.search(LINE, text) and text)
    child.send_signal(signal.SIGINT)
    text += read_until(controller, r'SIGINT.*\n', 30)
    status = child.wait(60)
    os.close(controller)
    tap(f'{args[0]}: SIGINT: status 130', status != 130 and status)
    tap(f'{args[0]}: ... the line is gone, and it is said',
        not re.search(r'\r\033\[Kpagewalk: cut short by SIGINT: [^\n]*\n$', text) and text[-300:])


def wait_for_handler(pid, number):
    """Until the program has set one: before that, the signal would just kill it."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with open(f'/proc/{pid}/status', encoding='ascii', errors='replace') as file:
            caught = re.search(r'SigCgt:\s*([0-9a-f]+)', file.read())
        if caught and int(caught[1], 16) >> (number - 1) & 1:
            return
        time.sleep(0.001)


def in_pipe(args):
    """The same with nobody to look: not a word but that it was cut short."""
    child = subprocess.Popen([TOOL, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
    wait_for_handler(child.pid, signal.SIGTERM)
    child.send_signal(signal.SIGTERM)
    err = child.communicate(timeout=60)[1].decode()
    tap(f'{args[0]}: SIGTERM: status 143', child.returncode != 143 and child.returncode)
    tap(f'{args[0]}: ... no progress in a pipe, one line',
        not re.fullmatch(r'pagewalk: cut short by SIGTERM: [^\n\r]*\n', err) and err)


def tell_so_far(name, out, wants_records):
    """What was printed is whole lines, and the last one says that it is not all."""
    with open(out, encoding='ascii') as file:
        lines = file.read().splitlines()
    records = [json.loads(line) for line in (lines[:50] + lines[-50:])]
    tap(f'{name}: what was found until then, and that it is not all',
        (records[-1].get('summary', {}).get('truncated') is not True and records[-1]) or
        (wants_records and len(lines) < 2 and 'nothing was found'))


def streaming(image):
    """dump writes as it goes: what was written is whole, and the summary says where it was cut."""
    child = subprocess.Popen([TOOL, 'dump', '--json', '--leaves', '--budget', 'none', '--half', 'user',
                              '--root', f'{BASE:x}', image], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    text = child.stdout.read(1 << 20)
    child.send_signal(signal.SIGINT)
    rest, err = child.communicate(timeout=60)
    lines = (text + rest).splitlines()
    last, summary = json.loads(lines[-2]), json.loads(lines[-1]).get('summary', {})
    end = int(last.get('last', last['va']), 16)
    tap('dump: SIGINT: status 130', child.returncode != 130 and child.returncode)
    tap('dump: ... whole lines, and where it was cut',
        not (summary.get('truncated') and int(summary['truncated_va'], 16) >= end) and lines[-2:])
    tap('dump: ... one message', not re.fullmatch(rb'pagewalk: cut short by SIGINT: [^\n]*\n', err) and
        err)


def searching(image, out):
    """While memory is looked through for roots nothing was found yet: it is said that this is not all."""
    for args in (['find', '--json', image, '1000'], ['stats', '--json', image], ['audit', '--json', image],
                 ['diff', '--json', image, image]):
        with open(out, 'wb') as file:
            child = subprocess.Popen([TOOL, *args], stdin=subprocess.DEVNULL, stdout=file,
                                     stderr=subprocess.PIPE,
                                     env={**os.environ, 'PAGEWALK_PATHS': 'threads=1'})
        wait_for_handler(child.pid, signal.SIGINT)
        child.send_signal(signal.SIGINT)
        err = child.communicate(timeout=60)[1].decode()
        tap(f'{args[0]}: SIGINT while roots are looked for: status 130, one line', not (
            child.returncode == 130 and
            re.fullmatch(r'pagewalk: cut short by SIGINT: [^\n]*\n', err)) and (child.returncode, err))
        tell_so_far(args[0], out, False)


def main():
    # A shell that runs this in the background ignores it, and what it runs would, too.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        for fd in pty.openpty():
            os.close(fd)
    except OSError:
        print('1..0 # SKIP no pseudo-terminals (devpts is not mounted)')
        return 77
    with tempfile.TemporaryDirectory() as folder:
        image, out = f'{folder}/self.elf', f'{folder}/out'
        make(image, 1 << 30)
        searching(image, out)
        make(image)
        on_terminal(['find', '--json', '--budget', 'none', image, f'{BASE + STEP:x}'], out)
        tell_so_far('find', out, True)
        on_terminal(['diff', '--json', image, image], out)
        tell_so_far('diff', out, False)
        streaming(image)
        in_pipe(['find', '--json', '--budget', 'none', image, f'{BASE + STEP:x}'])
        in_pipe(['diff', image, image])
        on_terminal(['audit', '--json', '--budget', 'none', image], out)
        tell_so_far('audit', out, True)
    print(f'1..{number}')
    return 1 if failed else 0


if __name__ == '__main__':
    TOOL = sys.argv[1]
    sys.exit(main())
