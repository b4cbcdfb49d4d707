#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""symbol_files.py KIND KALLSYMS FILE: what a build leaves of the kernel whose /proc/kallsyms this
is, before it was moved (KASLR): a System.map (map), an ELF file with those symbols (elf, nm's
letters t, d, b, r and their upper case alone), one that has them in two tables (two), or in the one that a
loader needs (dynamic), one of another kernel (other), or an ELF file with bytes changed (hostile-N).
"""
import random
import struct
import sys

LINKED = 0xffffffff81000000


def symbols(path):
    """(address where it was linked, letter, name)"""
    with open(path, encoding='ascii') as file:
        lines = [line.rstrip('\n').split(' ', 2) for line in file]
    slide = int(next(va for va, _, name in lines if name == '_stext'), 16) - LINKED
    for va, letter, name in lines:
        value = int(va, 16)
        if value >= 0xffffffff80000000 and letter != 'A':
            value -= slide
        yield value, letter, name


def as_map(path, to, moved=None):
    with open(to, 'w', encoding='ascii') as file:
        for va, letter, name in symbols(path):
            print(f"{va + 64 if name == moved else va:016x} {letter} {name}", file=file)


SECTIONS = {'t': (1, 0x6, 1), 'd': (1, 0x3, 2), 'r': (1, 0x2, 3), 'b': (8, 0x3, 4)}


SYMTAB, DYNSYM = 2, 11


def as_elf(path, tables=(SYMTAB,)):
    """Tables of these types, each with every so many-th symbol."""
    names, parts = bytearray(b'\0'), [bytearray(24) for _ in tables]
    for i, (va, letter, name) in enumerate(symbols(path)):
        bind = 0 if letter.islower() else 1
        section = 0xfff1 if letter in 'aA' else SECTIONS.get(letter.lower(), SECTIONS['d'])[2]
        if letter in 'vVwW':
            bind = 2
        parts[i % len(parts)] += struct.pack('<IBBHQQ', len(names), bind << 4 | 1, 0, section, va, 0)
        names += name.encode() + b'\0'
    nr = 6 + len(parts)
    at = 64 + nr * 64
    headers = struct.pack('<IIQQQQIIQQ', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    for kind, flags, _ in SECTIONS.values():
        headers += struct.pack('<IIQQQQIIQQ', 0, kind, flags, LINKED, at, 0, 0, 0, 1, 0)
    for kind, part in zip(tables, parts):
        headers += struct.pack('<IIQQQQIIQQ', 0, kind, 0, 0, at, len(part), nr - 1, 1, 8, 24)
        at += len(part)
    headers += struct.pack('<IIQQQQIIQQ', 0, 3, 0, 0, at, len(names), 0, 0, 1, 0)
    return struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\2\1\1', 2, 62, 1, 0, 0, 64, 0, 64, 0, 0, 64,
                       nr, nr - 1) + headers + b''.join(parts) + names


def hostile(elf, seed):
    """Some bytes of the headers and of the first symbols."""
    chance = random.Random(seed)
    elf = bytearray(elf)
    for _ in range(1 + seed % 8):
        elf[chance.randrange(16, 1024)] = chance.randrange(256)
    return bytes(elf[:chance.randrange(len(elf))]) if seed % 3 == 0 else bytes(elf)


if __name__ == '__main__':
    kind, kallsyms, to = sys.argv[1:]
    if kind == 'map':
        as_map(kallsyms, to)
    elif kind == 'other':
        as_map(kallsyms, to, 'init_uts_ns')
    else:
        content = as_elf(kallsyms, {'two': (SYMTAB, SYMTAB), 'dynamic': (DYNSYM,)}.get(kind, (SYMTAB,)))
        with open(to, 'wb') as output:
            output.write(hostile(content, int(kind.split('-')[1])) if '-' in kind else content)
