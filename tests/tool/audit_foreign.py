#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""audit_foreign.py TOOL IMAGE COPY SEED: what `pagewalk audit` says of virtual machines' and devices'
tables. In COPY, which becomes a copy of IMAGE, leaves of such tables are made to lead to the host's
code, to a page table, to free memory, and to another machine's memory: each has to be found where it
is, and nothing else be told. Decoys, which may only be read, stay silent. Prints TAP.

Frames are known by other means than the audit's: code by `symbols` and the host's own tables, tables
by `dump`'s and `translate`'s paths, free memory by the zeroes that init_on_free=1 leaves in whole
blocks of 4 MiB, machines' memory by `dump --vm`.
"""
import json
import random
import shutil
import struct
import subprocess
import sys

from trim_check import Core

PAGE = 4096
# Of a leaf: address bits, the bit or bits that let it write, and how the address is put there.
FORMATS = {'npt': ((1 << 52) - PAGE, 2, 0), 'vtd': ((1 << 52) - PAGE, 2, 0),
           'amdvi': ((1 << 52) - PAGE, 1 << 62, 0), 'arm64': ((1 << 48) - PAGE, 1 << 7, 0),
           'riscv': ((1 << 54) - (1 << 10), 4, 2)}


def tool(*args):
    run = subprocess.run([TOOL, *args, '--json'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         check=False, timeout=120)
    return [json.loads(line) for line in run.stdout.splitlines()]


def number(text):
    return int(text, 16)


class Copy:
    def __init__(self, image, path):
        self.core = Core(image)
        self.file = open(path, 'r+b', buffering=0)
        self.undo = []

    def put(self, pa, entry):
        for first, held, _, offset in self.core.loads:
            if first <= pa and pa + 8 <= first + held:
                self.file.seek(offset + pa - first)
                self.undo.append((offset + pa - first, self.file.read(8)))
                self.file.seek(offset + pa - first)
                self.file.write(struct.pack('<Q', entry))

    def restore(self):
        while self.undo:
            offset, raw = self.undo.pop()
            self.file.seek(offset)
            self.file.write(raw)


class Foreign:
    """A virtual machine, or a device with tables of its own."""

    def __init__(self, image, record):
        self.is_vm = record['record'] == 'vm'
        self.id = str(record['vm']) if self.is_vm else record['device']
        self.option = ['--vm', self.id] if self.is_vm else ['--device', self.id]
        self.image = image
        self.name = record['format'].split('-')[0]
        self.address, self.write, self.shift = FORMATS[self.name]
        # Stage 2 of arm64 has a bit that allows, stage 1 one that forbids.
        self.forbids = self.name == 'arm64' and '-s2-' not in record['format']
        self.leaves = [r for r in tool('dump', *self.option, '--leaves', image) if 'va' in r]

    def pages(self):
        return [leaf for leaf in self.leaves if leaf['size'] == PAGE and self.may_write(leaf)]

    def may_write(self, leaf):
        return bool(number(leaf['entry']) & self.write) != self.forbids

    def item(self, leaf):
        path = tool('translate', *self.option, self.image, leaf['va'])[0]['path']
        return number(path[-1]['item'])

    def entry(self, leaf, pa, writes=True):
        entry = number(leaf['entry']) & ~self.address | pa >> self.shift
        return entry if writes else entry ^ self.write


def free_block(core, taken):
    """A frame in the middle of the longest run of whole blocks of 4 MiB with nothing in them. The
    kernel's code, of which the images have zeroes too, is shorter."""
    size, runs = 4 << 20, []
    for first, held, *_ in core.loads:
        for pa in range(first + -first % size, first + held - size, size):
            if core.read(pa, size) != bytes(size) or any(pa <= t < pa + size for t in taken):
                continue
            if runs and sum(runs[-1]) == pa:
                runs[-1][1] += size
            else:
                runs.append([pa, size])
    pa, length = max(runs, key=lambda run: run[1], default=(0, 0))
    return pa + length // 2 + 3 * PAGE if length > 24 << 20 else None


def code_frame(image):
    """A frame of the kernel's text, by its symbols and the host's own tables."""
    stext = next((r for r in tool('symbols', image, '_stext') if r.get('name') == '_stext'), None)
    if not stext:
        return None
    at = tool('translate', image, hex(number(stext['va']) + 16 * PAGE))[0]
    return number(at['pa']) & -PAGE if at['kind'] == 'leaf' else None


def table_frame(image):
    """A lowest table of the kernel's, which its direct map or any other address is mapped by."""
    for leaf in tool('dump', '--leaves', '--region', 'direct-map', image):
        if leaf.get('size') == PAGE:
            path = tool('translate', image, leaf['va'])[0]['path']
            return number(path[-1]['item']) & -PAGE
    root = next((r for r in tool('roots', image) if r.get('state') == 'kernel'), None)
    return number(root['root']) & -PAGE if root else None


class Tap:
    nr = failed = 0

    def check(self, what, fine, *notes):
        self.nr += 1
        self.failed += not fine
        print('ok' if fine else 'not ok', self.nr, '-', what)
        for note in notes if not fine else ():
            print('#', note)


def told(image):
    """Findings about virtual machines and devices, and the rules about them that are not checked."""
    records = tool('audit', image)
    return ([r for r in records if r.get('record') == 'finding' and ('vm' in r or 'device' in r)],
            {r['rule'] for r in records if r.get('record') == 'unchecked'})


def places(foreign, image, choose, others):
    """What leaves are made to lead to, by rule."""
    core = Core(image)
    taken = [number(leaf['pa']) for leaf in foreign.leaves]
    ret = {'foreign-code': code_frame(image), 'foreign-table': table_frame(image),
           'foreign-freed': free_block(core, taken)}
    # A device's registers may be there for both: memory that the image has is none.
    theirs = [leaf for other in others for leaf in other.pages()
              if core.read(number(leaf['pa']), PAGE) is not None]
    if foreign.is_vm and theirs:
        ret['foreign-shared'] = number(choose.choice(theirs)['pa'])
    return ret


def plant(tap, foreign, copy, path, frames, choose, clean, unchecked):
    leaves = foreign.pages()
    for rule, pa in frames.items():
        if pa is None or rule in unchecked:
            continue
        what = f'{"vm" if foreign.is_vm else "device"} {foreign.id}: {rule}'
        leaf, decoy = choose.sample(leaves, 2)
        copy.put(foreign.item(leaf), foreign.entry(leaf, pa))
        if rule != 'foreign-shared':
            copy.put(foreign.item(decoy), foreign.entry(decoy, pa, writes=False))
        new = [f for f in told(path)[0] if f not in clean]
        copy.restore()
        # Of two machines that share a frame either may be the one that is told.
        fine = (len(new) == 1 and new[0]['rule'] == rule and number(new[0]['pa']) == pa
                and (rule == 'foreign-shared' or number(new[0]['first']) == number(leaf['va'])))
        tap.check(what, fine, leaf, hex(pa), *new)


def main(image, path, seed):
    choose = random.Random(int(seed))
    shutil.copyfile(image, path)
    tap = Tap()
    clean, unchecked = told(image)
    loud = [f for f in clean if f['level'] != 'note']
    tap.check('the machine as it was: nothing but notes', not loud, *loud)
    found = [Foreign(image, r) for r in tool('devices', image)
             if r.get('root') and r.get('through') != 'identity']
    # One of them: each takes a dozen audits.
    foreign = choose.choice([f for f in found if len(f.pages()) > 1])
    others = [f for f in found if f.is_vm and f is not foreign]
    frames = places(foreign, image, choose, others)
    plant(tap, foreign, Copy(image, path), path, frames, choose, clean, unchecked)
    tap.check('something was planted', tap.nr > 1)
    print(f'1..{tap.nr}')
    sys.exit(1 if tap.failed else 0)


if __name__ == '__main__':
    TOOL = sys.argv[1]
    main(*sys.argv[2:])
