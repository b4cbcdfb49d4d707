#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""audit_plant.py TOOL IMAGE COPY SEED...: plants one fault of each rule of `pagewalk audit` in COPY,
which becomes a copy of IMAGE, at random places by each seed, and beside them decoys: entries that
look wrong and are not in effect. Every fault has to be found, every decoy silent, and nothing else
be told but what follows from a fault. Prints TAP. With "leave" before one seed the faults are left in
COPY, and nothing is checked.

This walks the tables itself: what a fault is, is said here by the bits of the architectures.
"""
import json
import random
import shutil
import struct
import subprocess
import sys

from trim_check import Core, geometry

class X86:
    """x86-64: SDM volume 3A, tables 4-14 to 4-20."""
    address = 0xffffffffff000
    present = 1
    no_ram = 0xfd000000
    reserved_table = 1 << 7  # of the top table's entries

    @staticmethod
    def is_leaf(entry, level):
        return entry & 1 and (not level or entry & 0x80)

    @staticmethod
    def is_data(entry, path, user):
        return (entry & 1 and entry & 2 and bool(entry & 4) == user and entry >> 63
                and all(e & 6 == 6 or (e & 2 and not user) for e in path)
                and not entry & 0x200)

    @staticmethod
    def may_execute(path):
        return not any(e >> 63 for e in path)

    wx = staticmethod(lambda e: e & ~(1 << 63) | 2)
    rx = staticmethod(lambda e: e & ~(1 << 63 | 2))
    user = staticmethod(lambda e: e | 4)
    put = staticmethod(lambda e, pa: e & ~0xffffffffff000 | pa)
    bad_leaf = staticmethod(lambda e: e & 0xfff | 0x80 | 0x2000)  # a large one, of an odd page
    link_no_x = staticmethod(lambda e: e | 1 << 63)
    link_no_w = staticmethod(lambda e: e & ~2)
    link_no_user = staticmethod(lambda e: e & ~4)
    absent = staticmethod(lambda e: e & ~(1 | 1 << 63) | 2)
    link = staticmethod(lambda pa: pa | 0x67)
    bad_level = 1


class Arm64:
    """arm64: Arm ARM D8.3, D8.4."""
    address = (1 << 48) - 1 & -4096
    no_ram = 0xf000000
    reserved_table = 1 << 50
    bad_level = 0

    @staticmethod
    def is_leaf(entry, level):
        return entry & 3 == (1 if level else 3)

    @staticmethod
    def is_data(entry, path, user):
        return (entry & 3 == 3 and not entry & 1 << 7 and bool(entry & 1 << 6) == user
                and not entry & 1 << 52 and entry & 1 << 53 and entry & 1 << 54
                and not any(e & 3 << 61 for e in path) and not entry & 1 << 56)

    @staticmethod
    def may_execute(path):
        return not any(e >> 59 & 1 for e in path)

    wx = staticmethod(lambda e: e & ~(1 << 53 | 1 << 7))
    rx = staticmethod(lambda e: e & ~(1 << 53 | 1 << 51) | 1 << 7)
    user = staticmethod(lambda e: e | 1 << 6)
    put = staticmethod(lambda e, pa: e & ~Arm64.address | pa)
    bad_leaf = staticmethod(lambda e: e & ~3 | 1)
    link_no_x = staticmethod(lambda e: e | 3 << 59)
    link_no_w = staticmethod(lambda e: e | 1 << 62)
    link_no_user = staticmethod(lambda e: e | 1 << 61 | 1 << 60)
    absent = staticmethod(lambda e: e & ~(1 | 1 << 53 | 1 << 7))
    link = staticmethod(lambda pa: pa | 3)


class Riscv:
    """riscv64: privileged manual, figures of Sv39 to Sv57. Upper levels take no rights away."""
    address = (1 << 54) - (1 << 10)
    no_ram = 0x10100000
    reserved_table = 1 << 7
    bad_level = 0

    @staticmethod
    def is_leaf(entry, _):
        return entry & 1 and entry & 0xe

    @staticmethod
    def is_data(entry, path, user):
        return entry & 0xf == 7 and bool(entry & 16) == user and not entry & 0x100 and path is not None

    may_execute = staticmethod(lambda path: True)
    wx = staticmethod(lambda e: e | 0xe)
    rx = staticmethod(lambda e: e & ~4 | 0xa)
    user = staticmethod(lambda e: e | 16)
    # One page, also where the entry was one of a larger piece (Svnapot's N).
    put = staticmethod(lambda e, pa: e & ~(Riscv.address | 1 << 63) | pa >> 2)
    bad_leaf = staticmethod(lambda e: e | 1 << 54)
    link_no_x = link_no_w = link_no_user = None
    absent = staticmethod(lambda e: e & ~1 | 0xe)
    link = staticmethod(lambda pa: pa >> 2 | 1)


def arch_of(name):
    return {'x86_64': X86, 'arm64': Arm64, 'riscv': Riscv}[name.split('-')[0]]


class Tree:
    """A root's leaf tables, each once: (va, pa, path of entries, levels' slots' addresses, items)."""

    def __init__(self, core, root):
        self.core, self.name, self.root = core, root['format'], int(root['root'], 16)
        self.arch = arch_of(self.name)
        self.page_lg2, self.va_bits, self.below = geometry(self.name)
        self.bits = self.page_lg2 - 3
        self.levels = -(-(self.va_bits - self.page_lg2) // self.bits)
        self.top_bits = self.va_bits - self.page_lg2 - (self.levels - 1) * self.bits
        self.tables, self.uppers = [], []
        self.walk(root)

    def span(self, level):
        return 1 << self.page_lg2 + self.bits * level

    def canonical(self, va):
        return va | -1 << self.va_bits & (1 << 64) - 1 if self.is_upper(va) else va

    def is_upper(self, va):
        return self.kernel_only or va >> self.va_bits - 1 & 1

    def walk(self, root):
        split = self.name.startswith('arm64')
        self.kernel_only = split and root['state'] == 'kernel'
        todo = [(self.root, self.levels - 1, 0, [], [], 1 << self.top_bits)]
        seen = set()
        while todo:
            pa, level, va, path, places, nr = todo.pop()
            raw = self.core.read(pa, nr * 8)
            if (pa, level) in seen or raw is None:
                continue
            seen.add((pa, level))
            items = struct.unpack(f'<{nr}Q', raw)
            (self.uppers if level else self.tables).append((va, pa, path, places, items, level))
            for slot, entry in enumerate(items) if level else ():
                if entry and not self.arch.is_leaf(entry, level) and (at := self.below(entry, level)):
                    todo.append((at, level - 1, va + slot * self.span(level), path + [entry],
                                 places + [pa + slot * 8], 1 << self.bits))

    def translate(self, va):
        """The frame of an address of the kernel's."""
        pa, nr = self.root, 1 << self.top_bits
        low = va & (1 << self.va_bits) - 1
        for level in range(self.levels - 1, -1, -1):
            slot = low >> self.page_lg2 + self.bits * level & nr - 1
            (entry,) = struct.unpack('<Q', self.core.read(pa + slot * 8, 8))
            if self.arch.is_leaf(entry, level):
                frame = (entry >> 10 << 12) if self.arch is Riscv else entry & self.arch.address
                frame &= -self.span(level) & (1 << 44) - 1
                return frame + (low & self.span(level) - 1)
            pa, nr = self.below(entry, level), 1 << self.bits
        return None


class Plants:
    """Changes of a copy, and what should be told of them."""

    def __init__(self, core, path):
        self.core = core
        self.file = open(path, 'r+b', buffering=0)
        self.undo, self.faults, self.decoys = [], [], []
        self.ranges, self.frames = [], set()

    def write(self, pa, entry):
        for first, held, _, offset in self.core.loads:
            if first <= pa and pa + 8 <= first + held:
                self.undo.append((offset + pa - first, self.core.read(pa, 8)))
                self.file.seek(offset + pa - first)
                self.file.write(struct.pack('<Q', entry))
                return
        raise ValueError(f'{pa:#x} is not in the image')

    def fault(self, rule, va, size, frame=None):
        self.faults.append((rule, va, va + size - 1))
        self.ranges.append((va, va + size - 1))
        if frame is not None:
            self.frames.add(frame)

    def restore(self):
        for offset, raw in reversed(self.undo):
            self.file.seek(offset)
            self.file.write(raw)
        self.file.close()


def tool(*args):
    """A command's status, and the JSON records that it prints."""
    run = subprocess.run([TOOL, *args, '--json'], stdout=subprocess.PIPE, check=False, timeout=120)
    return run.returncode, [json.loads(line) for line in run.stdout.splitlines()]


def symbols(image):
    run = subprocess.run([TOOL, 'symbols', image], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         check=False, timeout=120, encoding='utf-8', errors='replace')
    wanted = ('_stext', '_etext', '_end', 'swapper_pg_dir')
    return {line.split()[2]: int(line.split()[0], 16) for line in run.stdout.splitlines()
            if line.split()[2:3] and line.split()[2] in wanted}


class Planter:
    def __init__(self, image, choose):
        self.core, self.choose = Core(image), choose
        _, roots = tool('roots', image)
        roots = [r for r in roots if 'root' in r and r['state'] != 'guest']
        kernel = next(r for r in roots if r['state'] == 'kernel' and r['kpti'] != 'user')
        self.kernel = Tree(self.core, kernel)
        # What is found by its looks is not found any more once it looks odd.
        self.is_known = 'table-bits' not in kernel['found']
        self.users = [Tree(self.core, r) for r in roots
                      if r['state'] in ('running', 'mapped') and r['kpti'] != 'user']
        self.arch, self.page = self.kernel.arch, 1 << self.kernel.page_lg2
        self.symbols = symbols(image)
        direct = next(r for r in tool('stats', image)[1] if r.get('record') == 'direct_map')
        self.distance = int(direct['distance'], 16)
        self.used, self.empty = set(), None

    def frame_of(self, tree, entry):
        """The frame of a leaf of the smallest size."""
        if self.arch is Riscv:
            return entry >> 10 << 12 & (1 << 56) - 1
        return entry & (1 << 48) - 1 & -self.page

    def is_dynamic(self, va, entry):
        """Neither direct map nor image: vmalloc and the like."""
        distance = va - self.frame_of(self.kernel, entry) & (1 << 64) - 1
        if distance == self.distance or va >= 0xffff_fe00_0000_0000 and self.arch is X86:
            return False
        text = self.symbols.get('_stext')
        return not text or not text - (1 << 31) <= va < text + (1 << 30)

    def leaf_tables(self, tree, user):
        """Tables with data, as (va, pa, path, places, items, a slot with data)."""
        for va, pa, path, places, items, _ in tree.tables:
            if bool(tree.is_upper(va)) == user:
                continue
            va = tree.canonical(va)
            data = [i for i, e in enumerate(items) if self.arch.is_data(e, path, user)
                    and (user or self.is_dynamic(va + i * self.page, e))]
            # Not beside another fault: neighbours that look alike are told as one.
            free = [i for i, e in enumerate(items) if not e
                    and not self.used & {(pa, i - 1), (pa, i), (pa, i + 1)}]
            if data and free:
                yield va, pa, path, places, items, data, free

    def pick(self, tree, user, wanted=lambda *_: True):
        tables = [t for t in self.leaf_tables(tree, user) if wanted(t)]
        if not tables:
            return None
        return self.choose.choice(tables)

    def new_leaf(self, plants, rule, table, entry, frame=None):
        """A leaf where none was. @return its address"""
        va, pa, _, _, _, _, free = table
        slot = self.choose.choice(free)
        self.used.add((pa, slot))
        plants.write(pa + slot * 8, entry)
        if rule:
            plants.fault(rule, va + slot * self.page, self.page, frame)
        else:
            plants.decoys.append((va + slot * self.page, va + (slot + 1) * self.page - 1))
        return va + slot * self.page

    def template(self, table):
        entries = [table[4][slot] for slot in table[5]]
        # Memory, and no device's, if there is some in the image.
        held = [e for e in entries if self.core.read(self.frame_of(self.kernel, e), 8) is not None]
        return self.choose.choice(held or entries)

    # ---- faults ----

    def leaves_of_kernel(self, plants, unchecked):
        arch = self.arch
        for rule, change in (('kernel-wx', arch.wx), ('kernel-user', arch.user)):
            wanted = (lambda t: arch.may_execute(t[2])) if rule == 'kernel-wx' else (
                lambda t: arch is not X86 or all(e & 4 for e in t[2]))
            if rule not in unchecked and (table := self.pick(self.kernel, False, wanted)):
                entry = self.template(table)
                entry = arch.put(entry, self.empty_page() or self.frame_of(self.kernel, entry))
                self.new_leaf(plants, rule, table, change(entry), self.frame_of(self.kernel, entry))
        text = self.symbols.get('_stext')
        if text and 'text-writable' not in unchecked and (table := self.pick(self.kernel, False)):
            size = (self.symbols['_etext'] - text) // self.page
            frame = self.kernel.translate(text + self.choose.randrange(size) * self.page)
            self.new_leaf(plants, 'text-writable', table, arch.put(self.template(table), frame & -self.page))
        if 'table-alias' not in unchecked and (table := self.pick(self.kernel, False)):
            frame = self.choose.choice(self.kernel.tables)[1]
            self.new_leaf(plants, 'table-alias', table, arch.put(self.template(table), frame))
        if arch is Arm64 and (table := self.pick(self.kernel, False)):
            frame = self.kernel.root & -self.page
            self.new_leaf(plants, 'table-ro', table, arch.put(self.template(table), frame))

    def direct_map(self, plants, unchecked):
        """Leaves of the direct map, or of the image: what is mapped there is memory, and no code."""
        found = []
        for va, pa, path, _, items, _ in self.kernel.tables:
            if not self.kernel.is_upper(va):
                continue
            va = self.kernel.canonical(va)
            for slot, e in enumerate(items):
                at = va + slot * self.page
                frame = self.frame_of(self.kernel, e)
                if (self.arch.is_data(e, path, False) and frame > 4 << 20
                        and at - frame & (1 << 64) - 1 == self.distance):
                    found.append((at, pa + slot * 8, e, path, frame))
        self.choose.shuffle(found)
        tables = {pa for _, pa, *_ in self.kernel.tables}
        for rule in ('x-outside', 'no-ram'):
            fit = [f for f in found if f[4] not in tables and (rule == 'no-ram' or self.arch.may_execute(f[3]))]
            if not fit or rule in unchecked:
                continue
            at, place, e, _, frame = fit[0]
            found.remove(fit[0])
            plants.write(place, self.arch.rx(e) if rule == 'x-outside' else self.arch.put(e, self.arch.no_ram))
            plants.fault(rule, at, self.page, frame)

    def leaves_of_users(self, plants, unchecked):
        arch = self.arch
        for rule in ('user-table', 'user-kernel', 'no-ram'):
            table = self.pick(self.choose.choice(self.users), True)
            if not table or rule in unchecked:
                continue
            frame = {'user-table': self.choose.choice(self.kernel.tables)[1],
                     'user-kernel': self.symbols and self.kernel.translate(
                         self.symbols['_stext'] + 16 * self.page) & -self.page,
                     'no-ram': arch.no_ram}[rule]
            self.new_leaf(plants, rule, table, arch.put(self.template(table), frame))

    def upper(self, tree, user, level):
        """An upper table with room and something below."""
        fit = []
        for va, pa, path, _, items, at in tree.uppers:
            slots = [i for i, e in enumerate(items) if e and not self.arch.is_leaf(e, at)
                     and (pa, i) not in self.used]
            free = [i for i, e in enumerate(items) if not e and (pa, i) not in self.used]
            if at == level and bool(tree.is_upper(va)) != user and slots and len(free) > 1:
                fit.append((tree.canonical(va), pa, items, slots, free))
        return self.choose.choice(fit) if fit else None

    def own_tree(self):
        """Whose tables are linked wrongly. On arm64 a process's root that is would not look like one."""
        return self.kernel if self.arch is Arm64 else self.choose.choice(self.users)

    def links(self, plants, *rules):
        tree = self.own_tree()
        user = tree is not self.kernel
        for rule, level in rules:
            if not (table := self.upper(tree, user, max(level, 1))):
                continue
            va, pa, items, slots, free = table
            slot, size = self.choose.choice(free), tree.span(1)
            self.used.add((pa, slot))
            other = self.choose.choice(slots)
            if rule == 'table-twice':
                # The one that comes later is told.
                plants.write(pa + slot * 8, items[other])
                plants.fault(rule, va + max(slot, other) * size, size)
                continue
            if rule == 'loop':
                entry = self.arch.put(items[other], pa)
                plants.write(pa + slot * 8, entry)
                plants.fault(rule, va + slot * size, size)
                continue
            entry = self.arch.put(items[other], self.empty_page() or pa) | self.arch.reserved_table
            if self.arch is X86:
                entry = self.arch.bad_leaf(items[other])
            if level == 0:
                if not (leaf := self.pick(tree, user)):
                    continue
                self.new_leaf(plants, 'reserved', leaf, self.arch.bad_leaf(self.template(leaf)))
                continue
            plants.write(pa + slot * 8, entry)
            plants.fault(rule, va + slot * size, size)

    def root_loop(self, plants):
        tree = self.own_tree()
        level = tree.levels - 1
        va, pa, _, _, items, _ = next(t for t in tree.uppers if t[5] == level)
        va = tree.canonical(va)
        half = len(items) if self.arch is Arm64 else len(items) // 2
        free = [i for i in range(half) if not items[i]]
        links = [e for e in items[:half] if e and not self.arch.is_leaf(e, level)]
        if pa % self.page or not free:
            return
        slot = self.choose.choice(free)
        plants.write(pa + slot * 8, self.arch.put(self.choose.choice(links), pa))
        plants.fault('loop', va + slot * tree.span(level), tree.span(level))

    def unmarked(self, plants, unchecked):
        """A process's table is moved to a page of which the kernel does not know that it is one; where it was,
        the kernel takes for a table what none is any more."""
        tree = self.choose.choice(self.users)
        table, page = self.upper(tree, True, 1), self.empty_page()
        if 'table-mark' in unchecked or not table or page is None:
            return
        va, pa, items, slots, _ = table
        # What was planted below would not be in effect any more.
        planted = {pa for pa, _ in self.used}
        slots = [slot for slot in slots if tree.below(items[slot], 1) not in planted]
        if not slots:
            return
        slot = self.choose.choice(slots)
        self.used.add((pa, slot))
        below = tree.below(items[slot], 1)
        for at in range(0, self.page, 8):
            (entry,) = struct.unpack('<Q', self.core.read(below + at, 8))
            if entry:
                plants.write(page + at, entry)
        plants.write(pa + slot * 8, self.arch.put(items[slot], page))
        plants.fault('table-mark', va + slot * tree.span(1), tree.span(1))
        if 'table-lost' not in unchecked:
            plants.fault('table-lost', below + self.distance & (1 << 64) - 1, self.page)

    def shared(self, plants):
        if len(self.users) < 2:
            return
        tree, other = self.choose.sample(self.users, 2)
        table, theirs = self.upper(tree, True, 1), [t for t in other.tables if not other.is_upper(t[0])]
        if not table or not theirs:
            return
        va, pa, items, slots, free = table
        slot, (their_va, their_pa, *_) = self.choose.choice(free), self.choose.choice(theirs)
        plants.write(pa + slot * 8, self.arch.put(items[self.choose.choice(slots)], their_pa))
        size = tree.span(1)
        plants.faults.append(('table-shared', 0, (1 << 64) - 1))
        plants.ranges += [(va + slot * size, va + (slot + 1) * size - 1), (their_va, their_va + size - 1)]

    # ---- decoys ----

    def empty_pages(self):
        """Pages of memory with nothing in them, which no process has, nor the kernel at another address."""
        taken = {pa for tree in self.users + [self.kernel] for _, pa, *_ in tree.tables + tree.uppers}
        for tree in self.users:
            taken |= {self.frame_of(tree, e) for table in tree.tables for e in table[4]}
            for *_, items, level in tree.uppers:
                for e in items:
                    if self.arch.is_leaf(e, level):
                        frame = self.frame_of(tree, e)
                        taken |= set(range(frame, frame + tree.span(level), self.page))
        taken |= {self.frame_of(self.kernel, e) for va, *_, items, _ in self.kernel.tables
                  if self.kernel.is_upper(va) for slot, e in enumerate(items)
                  if e and self.is_dynamic(self.kernel.canonical(va) + slot * self.page, e)}
        nothing = bytes(self.page)
        # Where the kernel is there is memory, and no device; of the kernel's image, pages are empty that
        # are its own; at the end firmware has its tables.
        first, held, *_ = next(load for load in self.core.loads if 0 <= self.kernel.root - load[0] < load[1])
        image = self.kernel.translate(self.symbols['_stext']) if self.symbols else self.kernel.root
        last = min(first + held, max(first + held - (1 << 20), first + (2 << 20)))
        return [pa for pa in range(first + -first % self.page, last - self.page + 1, self.page)
                if pa > 1 << 20 and pa not in taken and not image - (4 << 20) <= pa < image + (64 << 20)
                and self.core.read(pa, self.page) == nothing]

    def empty_page(self):
        """One of them, once; None: there is none."""
        if self.empty is None:
            self.empty = self.empty_pages()
            self.choose.shuffle(self.empty)
        return self.empty.pop() if self.empty else None

    def decoys(self, plants):
        arch = self.arch
        if table := self.pick(self.kernel, False):  # not valid: nothing of it is in effect
            self.new_leaf(plants, None, table, arch.absent(self.template(table)))
        if arch is Riscv or not self.is_known:
            return
        text = self.symbols.get('_stext')
        ends = ((arch.link_no_x, arch.wx), (arch.link_no_user, arch.user),
                (arch.link_no_w, lambda e: arch.put(e, self.kernel.translate(text) & -self.page)))
        for link, leaf in ends if text else ends[:2]:
            table, data = self.upper(self.kernel, False, 1), self.pick(self.kernel, False)
            if not table or not data:
                continue
            va, pa, items, slots, free = table
            slot, below = self.choose.choice(free), self.empty_page()
            if below is None:
                return
            other = items[self.choose.choice(slots)]
            plants.write(pa + slot * 8, link(arch.put(other, below)))
            entry = self.template(data)
            entry = arch.put(entry, self.empty_page() or self.frame_of(self.kernel, entry))
            plants.write(below + 8, leaf(entry))
            plants.decoys.append((va + slot * self.kernel.span(1), va + (slot + 1) * self.kernel.span(1) - 1))

    def plant(self, path, unchecked):
        plants = Plants(self.core, path)
        self.leaves_of_kernel(plants, unchecked)
        self.direct_map(plants, unchecked)
        if self.users:
            self.leaves_of_users(plants, unchecked)
            self.shared(plants)
            if self.is_known:
                self.links(plants, ('reserved', self.arch.bad_level), ('reserved', 1))
        self.decoys(plants)
        return plants

    def plant_loops(self, path, unchecked):
        """Faults that make other things of what is there: much follows from them. And one that moves it."""
        plants = Plants(self.core, path)
        if self.users:
            self.unmarked(plants, unchecked)
        if self.users and self.is_known:
            self.links(plants, ('table-twice', 1), ('loop', 1))
            self.root_loop(plants)
        return plants


def findings(image):
    """What is told of an image, and which rules are not checked at all."""
    status, records = tool('audit', image)
    told = [r for r in records if r.get('record') == 'finding' and r['rule'] not in NOTES]
    why = {r['rule'] for r in records if r.get('record') == 'unchecked' and 'functions alone' not in r['why']}
    return status, [(r['rule'], int(r['first'], 16), int(r['last'], 16), int(r['pa'], 16), r['root'])
                    for r in told if 'first' in r], why


def of_what(told, ranges):
    """Those findings that are of some addresses."""
    return [t for t in told if any(t[1] <= r[1] and t[2] >= r[0] for r in ranges)]


def run_one(copy, plants, clean):
    """What is told of a copy and not without the plants, and which faults are not."""
    status, told, _ = findings(copy)
    plants.restore()
    told = [t for t in told if t[:4] not in {c[:4] for c in clean}]
    missed = [f for f in plants.faults
              if not any(t[0] == f[0] and t[1] <= f[2] and t[2] >= f[1] for t in told)]
    return told, missed + [('status', status, 1)] * (bool(plants.faults) and status != 1)


def check(nr, image, copy, seed):
    planter = Planter(image, random.Random(seed))
    _, clean, unchecked = findings(image)
    plants = planter.plant(copy, unchecked)
    told, missed = run_one(copy, plants, clean)
    loud = of_what(told, plants.decoys)
    explained = of_what(told, plants.ranges)
    other = [t for t in told if t not in explained and t[3] & -planter.page not in plants.frames]
    loops = planter.plant_loops(copy, unchecked)
    missed += run_one(copy, loops, clean)[1]
    faults = plants.faults + loops.faults
    fine = faults and not missed and not loud and not other
    print('ok' if fine else 'not ok', nr, f'- seed {seed}: {len(faults)} faults found',
          f'({" ".join(sorted({f[0] for f in faults}))}), {len(plants.decoys)} decoys silent')
    for what, list_ in (('missed', missed), ('of a decoy', loud), ('of nothing planted', other)):
        for t in list_[:10]:
            print(f'# {what}:', *(f'{x:#x}' if isinstance(x, int) else x for x in t))
    return fine


def main(image, copy, *seeds):
    shutil.copyfile(image, copy)
    if seeds[0] == 'leave':
        Planter(image, random.Random(int(seeds[1]))).plant(copy, findings(image)[2])
        return
    is_fine = [check(nr, image, copy, int(seed)) for nr, seed in enumerate(seeds, 1)]
    print(f'1..{len(seeds)}')
    sys.exit(0 if all(is_fine) else 1)


NOTES = ('user-wx', 'no-kpti', 'no-smep', 'no-nx', 'no-wxn')

if __name__ == '__main__':
    TOOL = sys.argv[1]
    main(*sys.argv[2:])
