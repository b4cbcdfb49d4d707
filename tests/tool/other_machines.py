#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""other_machines.py KIND FILE: an ELF core, as QEMU writes it, of a machine that does not run
Linux, or not as others do.

unikernel: one identity map, all of it writable and executable, as in unikraft/unikraft#414.
linux-absent: entries that are not valid but say something.
linux-absent-shadow: such an entry 2^32 times but for one page in 512, on 4 tables.
firmware: UEFI's boot services at work, memory mapped where it is and with it 4 GiB.
firmware-left: the same after ExitBootServices(), when the firmware's root is not its own any more.
arm64-firmware: UEFI's, with no register in the file: 16 MiB of RAM and some devices.
arm64-identity: the same, without UEFI's tables.
riscv32-bare: the same of 32 bits, an ELF file of that class: one leaf of 4 MiB.
riscv-bare: a machine with one leaf of 1 GiB in an Sv39 root, and no note at all.
"""
import struct
import sys
import zlib

PAGE = 4096
EM_X86_64, EM_AARCH64, EM_RISCV = 62, 183, 243
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
            table = self.get64(slot) & ~0xfff & (1 << 40) - 1


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


def linux_absent(path):
    """A process of Linux 6.1, with what that keeps in entries that are not valid: by the
    definitions of its arch/x86/include/asm/pgtable*.h and include/linux/swap.h."""
    def frame(pa, flags):  # PROT_NONE, __pte_needs_invert()
        return ~pa & 0xffffffffff000 | flags

    def swap(type_, offset, flags=0):  # __swp_entry()
        return (~offset << 14 & (1 << 64) - 1) >> 5 | type_ << 59 | flags

    memory = Memory(4 << 20)
    root = memory.table()
    entries = {
        0x400000: 0x301025,
        0x700000: frame(0x305000, 0x8000000000000160),
        0x701000: swap(2, 0x1234),
        0x702000: swap(25, 0x302 | 1 << 34),  # SWP_MIGRATION_WRITE, young
        0x703000: frame(0x308000, 0x160),
        0x704000: frame(0x309000, 0x160),
        0x705000: frame(0x30b000, 0x160),
        0x706000: swap(30, 1),  # SWP_PTE_MARKER, PTE_MARKER_UFFD_WP
        0x707000: swap(30, 1),
        0x708000: swap(0, 0x10, 8),  # _PAGE_SWP_EXCLUSIVE
        0x709000: swap(0, 0x11, 8),
    }
    for va, entry in entries.items():
        memory.map(root, va, entry, 12, 0x67)
    memory.map(root, 0x800000, frame(0x200000, 0x80000000000001e0), 21, 0x67)
    text = b'OSRELEASE=6.1.0-test\nPAGESIZE=4096\n'
    write_core(path, EM_X86_64, memory, qemu_cpu(root) + note(b'VMCOREINFO', 0, text))


def linux_absent_shadow(path):
    """All 16 TiB from 4 TiB on lead to one lowest table."""
    memory = Memory(4 << 20)
    root, pud, pmd, pte = (memory.table() for _ in range(4))
    memory.put64(root + 8 * 8, *[pud | 0x67] * 32)
    memory.put64(pud, *[pmd | 0x67] * 512)
    memory.put64(pmd, *[pte | 0x67] * 512)
    memory.put64(pte, *[~0x305000 & 0xffffffffff000 | 0x160] * 511, 0x306025)
    text = b'OSRELEASE=6.1.0-test\nPAGESIZE=4096\n'
    write_core(path, EM_X86_64, memory, qemu_cpu(root) + note(b'VMCOREINFO', 0, text))


def riscv_bare(path):
    memory = Memory(4 << 20, 0x80000000)
    root = memory.table()
    memory.put64(root + 8 * 2, 0x80000000 >> 2 | 0xcf)  # D A X W R V
    write_core(path, EM_RISCV, memory)


def riscv32_bare(path):
    memory = bytearray(4 << 20)
    struct.pack_into('<I', memory, 0x100000 + 4 * (0x80000000 >> 22), 0x80000000 >> 2 | 0xcf)
    at = 52 + 32
    header = struct.pack('<16sHHIIIIIHHHHHH', b'\x7fELF\1\1\1', 4, EM_RISCV, 1, 0, 52, 0, 0, 52,
                         32, 1, 0, 0, 0)
    header += struct.pack('<8I', PT_LOAD, at, 0x80000000, 0x80000000, len(memory), len(memory), 0, 0)
    with open(path, 'wb') as file:
        file.write(header + memory)


def sme(path):
    """Pages of 4K in a row, of which the third and fourth are shared: AMD's C-bit is 47."""
    c_bit = 1 << 47
    memory = Memory(4 << 20)
    root = memory.table()
    for i in range(8):
        pa = i * PAGE
        memory.map(root, 0x40000000 + pa, pa | 0x63 | (0 if i in (2, 3) else c_bit), 12,
                   0x23 | c_bit)
    write_core(path, EM_X86_64, memory, qemu_cpu(root | c_bit))


def tdx(path):
    """The same where the bit says shared: bit 51."""
    shared = 1 << 51
    memory = Memory(4 << 20)
    root = memory.table()
    for i in range(8):
        pa = i * PAGE
        memory.map(root, 0x40000000 + pa, pa | 0x63 | (shared if i in (2, 3) else 0), 12, 0x23)
    write_core(path, EM_X86_64, memory, qemu_cpu(root))


def efi_tables(memory, pa, boot_services=True):
    """UEFI specification 2.10, 4.2 to 4.4: the system table, and boot services behind it."""
    table = bytearray(120)
    struct.pack_into('<8sIIII', table, 0, b'IBI SYST', 2 << 16 | 70, len(table), 0, 0)
    if boot_services:
        struct.pack_into('<Q', table, 96, pa + 0x200)
        memory.put(pa + 0x200, struct.pack('<8sII', b'BOOTSERV', 2 << 16 | 70, 376))
    struct.pack_into('<I', table, 16, zlib.crc32(table))
    memory.put(pa, table)


def firmware(path, boot_services=True):
    memory = Memory(8 << 20)
    root = memory.table()
    for va in range(0, 4 << 30, 2 << 20):
        memory.map(root, va, va | 0x83, 21, 0x23)
    efi_tables(memory, 0x200018, boot_services)
    write_core(path, EM_X86_64, memory, qemu_cpu(root))


def firmware_left(path):
    firmware(path, False)


def arm64_firmware(path, efi=True):
    base = 0x40000000
    memory = Memory(16 << 20, base, 0xff0000)
    root = memory.table()
    # EDK2: RAM is of type 3 (write-back), devices of type 0 and never executed.
    for va in range(base, base + (16 << 20), 2 << 20):
        memory.map(root, va, va | 0x70d, 21, 3)
    memory.map(root, 0x8000000, 0x8000000 | 0x60000000000401, 21, 3)
    memory.map(root, 0x4000000000, 0x4000000000 | 0x60000000000401, 30, 3)
    if efi:
        efi_tables(memory, base + 0x300008)
    write_core(path, EM_AARCH64, memory)


def arm64_identity(path):
    arm64_firmware(path, False)


KINDS = {
    'unikernel': unikernel,
    'linux-absent': linux_absent,
    'linux-absent-shadow': linux_absent_shadow,
    'sme': sme,
    'tdx': tdx,
    'firmware': firmware,
    'firmware-left': firmware_left,
    'arm64-firmware': arm64_firmware,
    'arm64-identity': arm64_identity,
    'riscv-bare': riscv_bare,
    'riscv32-bare': riscv32_bare,
}

if __name__ == '__main__':
    KINDS[sys.argv[1]](sys.argv[2])
