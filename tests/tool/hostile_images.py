#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""hostile_images.py KIND FILE: small files that make a search look at much, or for ever, if what
they say is believed. Each is what one search costs most for:

e820-wrap   raw memory; a firmware map with a piece that ends at 2^64
runs        30000 roots of an identity map over 30000 pieces of memory
cpus        8192 CPUs without an IDT of Linux's, and 16 VMCOREINFO texts
roots       2000 roots that lead to half a million tables that are not there
texts       16 texts and 16 CPUs of a kernel that leads to a million such tables
"""
import struct
import sys

PAGE = 4096
KERNEL_MAP = 0xffffffff80000000
SWAPPER = 0x100000
MISSING = 0x100000000  # claimed, and not in the file


def table(slots):
    items = bytearray(PAGE)
    for index, item in slots.items():
        struct.pack_into('<Q', items, 8 * index, item)
    return bytes(items)


def tables(first, number):
    """Entries that lead to tables in a row, in whole pages."""
    items = struct.pack(f'<{number}Q', *((first + PAGE * i) | 0x67 for i in range(number)))
    return items + bytes(-len(items) % PAGE)


def note(name, kind, desc):
    name += b'\0'
    return (struct.pack('<III', len(name), len(desc), kind) + name + bytes(-len(name) % 4) + desc +
            bytes(-len(desc) % 4))


def cpu(cr3, idt=0):
    state = bytearray(440)
    struct.pack_into('<II', state, 0, 1, len(state))
    struct.pack_into('<Q', state, 384, idt)
    struct.pack_into('<5Q', state, 392, 0x80000001, 0, 0, cr3, 0x20)
    return note(b'QEMU', 0, bytes(state))


def text(swapper):
    lines = (f'OSRELEASE=6.1.0\nSYMBOL(swapper_pg_dir)={KERNEL_MAP + swapper:x}\n'
             'NUMBER(phys_base)=0\nNUMBER(pgtable_l5_enabled)=0\n')
    return note(b'VMCOREINFO', 0, lines.encode())


def write_core(path, segments, notes=b'', size=0):
    """Segments are (address, bytes or None, memory's size); the same bytes are there once."""
    headers = [struct.pack('<IIQQQQQQ', 4, 0, 64 + 56 * (len(segments) + 1), 0, 0, len(notes),
                           len(notes), 0)]
    at = -(-(64 + 56 * (len(segments) + 1) + len(notes)) // PAGE) * PAGE
    places = {}
    for pa, data, memory in segments:
        if data is not None and id(data) not in places:
            places[id(data)] = at, data
            at += -(-len(data) // PAGE) * PAGE
        offset, there = (places[id(data)][0], len(data)) if data is not None else (0, 0)
        headers.append(struct.pack('<IIQQQQQQ', 1, 7, offset, 0, pa, there, memory, 0))
    with open(path, 'wb') as core:
        core.write(struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\2\1\1', 4, 62, 1, 0, 64, 0, 0, 64, 56,
                               len(headers), 0, 0, 0))
        core.write(b''.join(headers) + notes)
        for offset, data in places.values():
            core.seek(offset)
            core.write(data)
        core.truncate(max(at, size))


def e820_wrap(path):
    size, tail = 0x400000, 0x1000
    memory = bytearray(size)
    memory[0x10000:0x11000] = table({511: 0x11063})
    memory[0x11000:0x12000] = table({510: 0x12063})
    memory[0x12000:0x13000] = table({0: 0x1e3})
    vmcoreinfo = text(0x10000)
    memory[0x20000:0x20000 + len(vmcoreinfo)] = vmcoreinfo
    last = 2**64 - (size - 0x200000 - tail) - tail
    entries = struct.pack('<IQQIQQI', 2, 0, 0x200000, 1, last, tail, 1)
    memory[0x30000:0x30000 + len(entries)] = entries
    with open(path, 'wb') as raw:
        raw.write(memory)


def runs(path):
    root, pud = table({0: 0x1067}), table({i: i << 30 | 0xe7 for i in range(512)})
    segments = [(0x1000, pud, PAGE)]
    segments += [(0x10000 + i * 0x2000, root, PAGE) for i in range(30000)]
    write_core(path, segments, size=30000 * PAGE // 15)


def cpus(path):
    segments = [(0x5000, table({0: 0x67}), PAGE), (0x2000000, table({}), PAGE)]
    write_core(path, segments, cpu(0x5000) * 8192 + text(0x2000000) * 16)


def roots(path):
    puds, pmds, nr = 0x10000000, 0x11000000, 1024
    root = table({**{i: (puds + i * PAGE) | 0x67 for i in range(nr // 512)}, 511: 0x1063})
    segments = [(0x1000, table({510: 0x2063}), PAGE), (0x2000, table({0: 0x1e3}), PAGE),
                (MISSING, None, 1 << 32)]
    for pa, data in (puds, tables(pmds, nr)), (pmds, tables(MISSING, nr * 512)):
        segments.append((pa, data, len(data)))
    segments += [(SWAPPER + i * PAGE, root, PAGE) for i in range(2000)]
    write_core(path, segments, text(SWAPPER), size=2000 * PAGE // 15)


def texts(path):
    puds, pmds, nr = 0x10000000, 0x11000000, 2052
    root = table({**{256 + i: (puds + i * PAGE) | 0x63 for i in range(-(-nr // 512))}, 511: 0x1063})
    segments = [(0x1000, table({510: MISSING | 0x63}), PAGE), (MISSING, None, 1 << 33),
                (SWAPPER, root, PAGE)]
    for pa, data in (puds, tables(pmds, nr)), (pmds, tables(MISSING + PAGE, nr * 512)):
        segments.append((pa, data, len(data)))
    write_core(path, segments, cpu(SWAPPER, 1 << 63) * 16 + text(SWAPPER) * 16)


{
    'e820-wrap': e820_wrap,
    'runs': runs,
    'cpus': cpus,
    'roots': roots,
    'texts': texts,
}[sys.argv[1]](sys.argv[2])
