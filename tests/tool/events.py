#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""events.py TOOL CONSOLE IMAGE...: the images of a guest, one behind the other, and what it said on its
console at each: what `pagewalk diff` says of each two is what the guest did (tests/makers/events_check.py).
Prints TAP.
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'makers'))
import events_check  # noqa: E402


class Tap:
    nr = failed = 0

    def check(self, what, fine, why):
        self.nr += 1
        self.failed += not fine
        print('ok' if fine else 'not ok', self.nr, '-', what)
        if not fine:
            print('#', str(why)[:2000])


def tool(*args):
    run = subprocess.run([TOOL, *args, '--json'], stdout=subprocess.PIPE, check=False, timeout=120)
    return [json.loads(line) for line in run.stdout.splitlines()]


def roots_of(image, state):
    """The process's and the kernel's."""
    kernel = next(r for r in tool('roots', image) if r.get('state') == 'kernel')
    known = tool('find', image, f'{state.frames[events_check.KNOWN]:x}')
    process = next(r for r in known if r.get('record') == 'mapping' and
                   int(r['first'], 16) == events_check.KNOWN)
    return int(process['root'], 16), int(kernel['root'], 16)


def leaves_of(image):
    """Of the kernel: page to (frame, rights)."""
    found = {}
    for leaf in tool('dump', '--leaves', '--half', 'kernel', image):
        for at in range(0, leaf['size'], 4096) if 'pa' in leaf else ():
            found[int(leaf['va'], 16) + at] = int(leaf['pa'], 16) + at, leaf['kernel'].replace('-', '')
    return found


def main(console, *images):
    tap = Tap()
    with open(console, encoding='utf-8') as file:
        states = events_check.states(file.read())
    leaves = [leaves_of(image) for image in images]
    tap.check('a state for each image', len(states) == len(images), len(states))
    for i in range(len(images) - 1):
        events_check.check(tap, states[i + 1].name, tool('diff', images[i], images[i + 1]),
                           leaves[i:i + 2], roots_of(images[i], states[i]), states[i:i + 2])
    print(f'1..{tap.nr}')
    sys.exit(1 if tap.failed else 0)


if __name__ == '__main__':
    TOOL = sys.argv[1]
    main(*sys.argv[2:])
