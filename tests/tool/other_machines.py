#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""other_machines.py KIND FILE: an ELF core, as QEMU writes it, of a machine that does not run
Linux. unikernel: one identity map, all of it writable and executable, as in
unikraft/unikraft#414.
"""
import struct
import sys

PAGE = 4096
EM_X86_64 = 62
PT_LOAD, PT_NOTE = 1, 4
CR0 = 0x80010033  # PG, WP, NE, ET, MP, PE
CR4 = 0x668  # PAE and no LA57


class Memory:
    """RAM from base on, and a place in it from where tables come."""

    def __init__(self, size, base=0, tables=0x100000):
        self.base, self.bytes, self.next = base, bytearray(size), base + tables

    def put(self, pa, data):
        self.bytes[pa - self.base:pa - self.base + len(data)] = data

    def put64(self, pa, *values):
        self.put(pa, struct.pack('<%dQ' % len(values), *values))

    def get64(self, pa):
        return struct.unpack_from('<Q', self.bytes, pa - self.base)[0]

    def table(self):
        self.next += PAGE
        return self.next - PAGE

    def map(self, root, va, leaf, shift, table_flags):
        """One leaf of 1 << shift bytes: the entry as it is; 4 levels of 512 slots of 8 bytes."""
        table = root
        for level in (39, 30, 21, 12):
            slot = table + 8 * (va >> level & 511)
            if level == shift:
                self.put64(slot, leaf)
                return
            if not self.get64(slot):
                self.put64(slot, self.table() | table_flags)
            table = self.get64(slot) & ~0xfff & (1 << 48) - 1


def note(name, type_, desc):
    name += b'\0'
    return (struct.pack('<III', len(name), len(desc), type_) + name + bytes(-len(name) % 4) +
            desc + bytes(-len(desc) % 4))


def qemu_cpu(cr3, cr0=CR0, cr4=CR4, idt=0x1000):
    """QEMU's struct QEMUCPUState."""
    state = bytearray(440)
    struct.pack_into('<II', state, 0, 1, len(state))
    struct.pack_into('<Q', state, 384, idt)
    struct.pack_into('<5Q', state, 392, cr0, 0, 0, cr3, cr4)
    return note(b'QEMU', 0, bytes(state))


def write_core(path, machine, memory, notes=b''):
    at = 64 + 2 * 56
    header = struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\2\1\1', 4, machine, 1, 0, 64, 0, 0, 64,
                         56, 2, 0, 0, 0)
    header += struct.pack('<IIQQQQQQ', PT_NOTE, 0, at, 0, 0, len(notes), 0, 0)
    size = len(memory.bytes)
    header += struct.pack('<IIQQQQQQ', PT_LOAD, 0, at + len(notes), memory.base, memory.base,
                          size, size, 0)
    with open(path, 'wb') as file:
        file.write(header + notes + memory.bytes)


def unikernel(path):
    memory = Memory(4 << 20)
    root = memory.table()
    for va in range(0, 64 << 20, 2 << 20):
        memory.map(root, va, va | 0xe3, 21, 0x23)
    write_core(path, EM_X86_64, memory, qemu_cpu(root))


{'unikernel': unikernel}[sys.argv[1]](sys.argv[2])
