#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""kernels.py KIND FILE: an ELF core, as QEMU writes it, of an x86_64 machine whose kernels are
linked at one address. two: the dump was taken while a crash kernel ran on CPU 0 (as in
osandov/drgn#617); both have their VMCOREINFO in memory. two-note: the same, and a note has the
VMCOREINFO of the first. cut: one kernel, and a file that ends before the tables of its image.
wrong: a note has a VMCOREINFO that is not true (osandov/drgn#350). text: FILE is the second
kernel's VMCOREINFO. note: the same as an ELF note.
"""
import sys

from other_machines import EM_X86_64, Memory, note, qemu_cpu, write_core

KERNEL_VA, DIRECT_VA = 0xffffffff81000000, 0xffff888000000000
FIRST, SECOND = 0x10000, 0x30000  # where the kernels' images are: 16 pages
ROOT = 0x2000  # in the image
TEXT = 0x4000
USER_PAGE = 0x3f0000
CUT = 0x300000


def text(release, image):
    return ('OSRELEASE=%s\nPAGESIZE=4096\nSYMBOL(swapper_pg_dir)=%x\nNUMBER(phys_base)=%d\n'
            'NUMBER(pgtable_l5_enabled)=0\n' % (
                release, KERNEL_VA + ROOT, image - (KERNEL_VA - 0xffffffff80000000))).encode()


def kernel(memory, image, release, tables=None):
    """@return its process's root"""
    root = image + ROOT
    memory.map(root, DIRECT_VA, 0x1e3, 21, 0x63)
    process = memory.table()
    memory.map(process, 0x400000, USER_PAGE | 0x25, 12, 0x67)
    memory.next = tables or memory.next
    for page in range(0, 0x10000, 0x1000):
        memory.map(root, KERNEL_VA + page, image + page | 0x63, 12, 0x63)
    memory.put(process + 2048, bytes(memory.bytes[root + 2048:root + 4096]))
    memory.put(image + TEXT, note(b'VMCOREINFO', 0, text(release, image)))
    return process


def two(path):
    memory = Memory(4 << 20)
    first = kernel(memory, FIRST, '6.1.0-first')
    second = kernel(memory, SECOND, '6.1.0-second')
    write_core(path, EM_X86_64, memory, qemu_cpu(second) + qemu_cpu(first))


def two_note(path):
    memory = Memory(4 << 20)
    first = kernel(memory, FIRST, '6.1.0-first')
    second = kernel(memory, SECOND, '6.1.0-second')
    write_core(path, EM_X86_64, memory, note(b'VMCOREINFO', 0, text('6.1.0-first', FIRST)) +
               qemu_cpu(first) + qemu_cpu(second))


def cut(path):
    memory = Memory(4 << 20)
    process = kernel(memory, FIRST, '6.1.0-first', CUT)
    notes = qemu_cpu(process)
    write_core(path, EM_X86_64, memory, notes)
    with open(path, 'r+b') as file:
        file.truncate(64 + 2 * 56 + len(notes) + CUT)


def wrong(path):
    memory = Memory(4 << 20)
    process = kernel(memory, FIRST, '6.1.0-first')
    write_core(path, EM_X86_64, memory, qemu_cpu(process) +
               note(b'VMCOREINFO', 0, text('6.1.0-first', FIRST + 0x200000)))


def write_text(path, before):
    with open(path, 'wb') as file:
        file.write(before(text('6.1.0-second', SECOND)))


KINDS = {'two': two, 'two-note': two_note, 'cut': cut, 'wrong': wrong,
         'text': lambda path: write_text(path, lambda content: content),
         'note': lambda path: write_text(path, lambda content: note(b'VMCOREINFO', 0, content))}

if __name__ == '__main__':
    KINDS[sys.argv[1]](sys.argv[2])
