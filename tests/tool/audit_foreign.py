#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""audit_foreign.py TOOL IMAGE COPY SEED: what `pagewalk audit` says of virtual machines' and devices'
tables. In COPY, which becomes a copy of IMAGE, leaves of such tables are made to lead to the host's
code, to a page table, to free memory, and to another machine's memory: each has to be found where it
is, and nothing else be told. Decoys, which may only be read, stay silent. A device of one machine is
made up that reaches another's memory, and tables that translate become an identity. Prints TAP.

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
        self.image, self.root = image, record['root']
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


def put_device(copy, at, frames):
    """VT-d's tables of a device 00:05.0 in six free pages, by chapter 9 of its specification: a root
    table, a context table, and three levels whose lowest one has these frames, all writable."""
    root, context, *levels = (at + PAGE * i for i in range(5))
    copy.put(root, context | 1)
    copy.put(context + 16 * (5 << 3), levels[0] | 1)
    copy.put(context + 16 * (5 << 3) + 8, 1 | 7 << 8)  # three levels, domain 7
    copy.put(levels[0], levels[1] | 3)
    copy.put(levels[1], levels[2] | 3)
    for i, frame in enumerate(frames):
        copy.put(levels[2] + 8 * i, frame | 3)


def plant_device_of_machine(tap, machines, copy, path, choose, clean, free):
    """A device that is one machine's, and has a page of another's; and one that is all of one's."""
    core = copy.core
    frames = [[number(leaf['pa']) for leaf in machine.pages()
               if core.read(number(leaf['pa']), PAGE) is not None] for machine in machines[:2]]
    if free is None or len(frames) < 2 or not frames[0] or not frames[1]:
        return
    choose.shuffle(frames)
    own = choose.sample(frames[0], min(8, len(frames[0])))
    other = choose.choice(frames[1])
    for name, of_other in (('none', []), ('a page', [other])):
        put_device(copy, free & -PAGE, own + of_other)
        found = [r for r in tool('devices', path) if r.get('device') == '00:05.0']
        new = [f for f in told(path)[0] if f not in clean]
        copy.restore()
        fine = len(found) == 1 and [(f['rule'], number(f['pa'])) for f in new] == \
            [('foreign-shared', frame) for frame in of_other]
        tap.check(f'a device of one machine that reaches {name} of another one', fine, found, *new)


def one_to_one(foreign, image):
    """The slot of 1 GiB that has the machine's first memory, of a table of the device's, and a leaf there
    that maps it to itself. None: its format has no such leaf that this knows."""
    leaf = {'vtd': 0x83, 'amdvi': 1 | 3 << 61, 'arm64': 0x70d}.get(foreign.name)
    memory = 1 << 30 if foreign.name == 'arm64' else 0
    path = tool('translate', *foreign.option, image, foreign.leaves[0]['va'])[0]['path']
    # Three levels from the lowest are below 1 GiB, for pages of 4 KiB.
    if leaf is None or len(path) < 3 or number(foreign.leaves[0]['va']) >> 39:
        return None
    return (number(path[-3]['item']) & -PAGE) + 8 * (memory >> 30), memory | leaf


def plant_identity(tap, devices, copy, path, image, choose, clean):
    """A device whose tables translate gets ones that do not."""
    known = [(device, found) for device in devices
             if device.leaves and (found := one_to_one(device, image))]
    if not known:
        return
    device, (item, entry) = choose.choice(known)
    copy.put(item, entry)
    new = [f for f in told(path)[0] if f not in clean]
    copy.restore()
    fine = [f['rule'] for f in new] == ['device-identity'] and \
        (new[0].get('root') == device.root or new[0].get('device') == device.id)
    tap.check(f'device {device.id}: all memory, one to one, by its tables', fine, hex(item), *new)


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
    copy = Copy(image, path)
    plant(tap, foreign, copy, path, frames, choose, clean, unchecked)
    if found[0].name == 'npt':
        plant_device_of_machine(tap, [f for f in found if f.is_vm], copy, path, choose, clean,
                                frames['foreign-freed'])
    plant_identity(tap, [f for f in found if not f.is_vm], copy, path, image, choose, clean)
    tap.check('something was planted', tap.nr > 1)
    print(f'1..{tap.nr}')
    sys.exit(1 if tap.failed else 0)


if __name__ == '__main__':
    TOOL = sys.argv[1]
    main(*sys.argv[2:])
