#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""trim_check.py IMAGE NEW ROOTS [SEED]: NEW holds of IMAGE's memory what it should, and
nothing else. ROOTS is what `pagewalk roots IMAGE` printed. Prints TAP.

This is a second, naive walker, which shares nothing with the library: it follows the
tables of all roots in IMAGE, and knows by their signatures the pages that roots are
found by. NEW's file is accounted for to the byte.
"""
import mmap
import random
import re
import struct
import sys
import time

PAGE = 4096
PT_LOAD, PT_NOTE, PN_XNUM = 1, 4, 0xffff
WINDOW = 32
TEXT = re.compile(rb'[ -~]{%d,}' % (WINDOW + 4))


class Core:
    """An ELF core: headers, notes, and memory as (pa, bytes held, bytes described, offset)."""

    def __init__(self, path):
        with open(path, 'rb') as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        phoff, shoff = struct.unpack_from('<QQ', self.data, 32)
        nr = struct.unpack_from('<H', self.data, 56)[0]
        self.machine = struct.unpack_from('<H', self.data, 18)[0]
        self.accounted = [(0, 64)]
        if nr == PN_XNUM:
            nr = struct.unpack_from('<I', self.data, shoff + 44)[0]
            self.accounted.append((shoff, 64))
        self.accounted.append((phoff, nr * 56))
        self.notes, self.loads = [], []
        for i in range(nr):
            kind, _, offset, _, pa, held, size, _ = struct.unpack_from(
                '<IIQQQQQQ', self.data, phoff + i * 56)
            self.accounted.append((offset, held))
            if kind == PT_NOTE:
                self.notes.append(self.data[offset:offset + held])
            elif kind == PT_LOAD:
                self.loads.append((pa, held, size, offset))

    def read(self, pa, size):
        """Bytes of memory, or None; across segments it is not needed."""
        for first, held, _, offset in self.loads:
            if first <= pa and pa + size <= first + held:
                return self.data[offset + pa - first:offset + pa - first + size]
        return None

    def described(self):
        """What memory there is, held or not, joined."""
        joined = []
        for pa, _, size, _ in sorted(self.loads):
            if joined and joined[-1][1] == pa:
                joined[-1][1] = pa + size
            elif size:
                joined.append([pa, pa + size])
        return joined


def geometry(name):
    """Of a format by its name: the page's and the address's bits, and which entries are tables."""
    arch, *rest = name.split('-')
    if arch == 'x86_64':
        def below(entry, level):
            return entry & 1 and not (level and entry & 0x80) and entry & 0xffffffffff000
        return 12, {'la48': 48, 'la57': 57}[rest[0]], below
    if arch == 'riscv':
        def below(entry, _):
            return entry & 15 == 1 and (entry >> 10 & (1 << 44) - 1) << 12
        return 12, int(rest[0][2:]), below
    page_lg2 = {'4k': 12, '16k': 14, '64k': 16}[rest[0]]
    va_bits = int(rest[1])

    def below(entry, _):
        if entry & 3 != 3:
            return 0
        low = entry & (1 << 48) - 1 & -(1 << page_lg2)
        if va_bits == 52 and page_lg2 == 16:
            return low | (entry >> 12 & 15) << 48
        if va_bits == 52:
            return entry & (1 << 50) - 1 & -(1 << page_lg2) | (entry >> 8 & 3) << 50
        return low
    return page_lg2, va_bits, below


def table_pages(core, name, roots):
    """The pages that hold the tables of roots of one format: (address, size)."""
    page_lg2, va_bits, below = geometry(name)
    bits = page_lg2 - 3
    levels = -(-(va_bits - page_lg2) // bits)
    root_size = 8 << va_bits - page_lg2 - (levels - 1) * bits
    seen = set()
    todo = [(root, levels - 1, root_size) for root in roots]
    while todo:
        pa, level, size = todo.pop()
        table = core.read(pa, size)
        if (pa, level) in seen or table is None:
            continue
        seen.add((pa, level))
        for entry in struct.unpack(f'<{size // 8}Q', table) if level else ():
            if entry and (pa_below := below(entry, level)):
                todo.append((pa_below, level - 1, 1 << page_lg2))
    return {pa >> page_lg2 << page_lg2 for pa, _ in seen}, 1 << page_lg2


def known_pages(core):
    """Pages by their signatures: VMCOREINFO's note, unless the file has it; riscv's Image."""
    noted = any(b'VMCOREINFO\0' in notes for notes in core.notes)
    for first, held, _, offset in core.loads:
        for pa in range(first + -first % PAGE, first + held - PAGE + 1, PAGE):
            at = offset + pa - first
            if not noted and core.data[at + 12:at + 23] == b'VMCOREINFO\0':
                name_size, size, kind = struct.unpack_from('<III', core.data, at)
                if name_size == 11 and kind == 0 and 0 < size <= 1 << 17:
                    yield from range(pa, pa + 24 + size, PAGE)
            if core.machine == 243 and pa % (2 << 20) == 0 and \
                    core.data[at + 56:at + 60] == b'RSC\x05':
                yield pa


def windows_found(core, new, keep, seed):
    """Bytes of pages that were left out that the new file has: of each such page some
    at random and some of each line of text. All in it lies at multiples of 4."""
    choose = random.Random(seed)
    there = {new.data[at:at + WINDOW] for at in range(0, len(new.data) - WINDOW + 1, 4)}
    kept = b''.join(core.read(pa, PAGE) or b'' for pa in sorted(keep)) + b''.join(core.notes)
    for first, held, _, offset in core.loads:
        for pa in range(first + -first % PAGE, first + held - PAGE + 1, PAGE):
            page = core.data[offset + pa - first:offset + pa - first + PAGE]
            if pa in keep or not page.strip(b'\0'):
                continue
            starts = [choose.randrange((PAGE - WINDOW) // 4 + 1) * 4]
            starts += [-(-text.start() // 4) * 4 for text in TEXT.finditer(page)]
            for sample in (page[at:at + WINDOW] for at in starts):
                # It may hold what a kept page does: a freed table, VMCOREINFO's source.
                if len(set(sample)) > 8 and sample in there and sample not in kept:
                    yield f'{pa:#x}: {sample!r}'


def breaches(core, new, keep):
    """What is in the new file and should not be, or is not and should be, as lines."""
    if new.notes != core.notes:
        yield 'the notes differ'
    if new.described() != core.described():
        yield f'memory: {new.described()} instead of {core.described()}'
    held = set()
    for first, size, _, offset in new.loads:
        held.update(range(first, first + size, PAGE))
        if new.data[offset:offset + size] != core.read(first, size):
            yield f'other bytes at {first:#x}'
    for pa in sorted(held - keep):
        yield f'should not be there: {pa:#x}'
    for pa in sorted(keep - held):
        yield f'is missing: {pa:#x}'
    end = 0
    for offset, size in sorted(part for part in new.accounted if part[1]):
        if offset != end:
            yield f'bytes of no account, or two: file offset {end:#x} to {offset:#x}'
        end = offset + size
    if end != len(new.data):
        yield f'bytes of no account at the end: file offset {end:#x}'


def main(image, new_path, roots_path, seed=None):
    seed = seed or str(time.time_ns())
    print(f'# PGW_TEST_SEED={seed}')
    core, new = Core(image), Core(new_path)
    roots = {}
    with open(roots_path, encoding='ascii') as lines:
        for line in lines:
            if line.startswith('0x'):
                pa, name, *_ = line.split()
                roots.setdefault(name, []).append(int(pa, 16))
    keep = set(known_pages(core))
    for name, of_format in roots.items():
        pages, size = table_pages(core, name, of_format)
        keep.update(pa + at for pa in pages for at in range(0, size, PAGE))
    tests = {
        f'it holds {len(keep)} pages and no other byte': breaches(core, new, keep),
        'the kernel\'s banner is in the image and not in it':
            ['no banner in the image'] * (core.data.find(b'Linux version ') < 0) +
            ['there it is'] * (new.data.find(b'Linux version ') >= 0),
        'strings and bytes of other memory are not in it': windows_found(core, new, keep, seed),
    }
    failed = 0
    for number, (name, found) in enumerate(tests.items(), 1):
        found = list(found)
        failed += bool(found)
        print(f'{"not ok" if found else "ok"} {number} - {name}')
        for line in found[:20]:
            print(f'# {line}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
