# SPDX-License-Identifier: BSD-2-Clause
"""An ELF core as QEMU dumps an x86-64 machine: the CPU's registers in a note, and its memory from address 0 on."""
import struct


def write_core(path, memory, root):
    """@param root what CR3 has"""
    state = bytearray(440)
    struct.pack_into('<II', state, 0, 1, len(state))
    struct.pack_into('<5Q', state, 392, 0x80050033, 0, 0, root, 0x20)
    notes = struct.pack('<III', 5, len(state), 0) + b'QEMU\0\0\0\0' + bytes(state)
    with open(path, 'wb') as file:
        file.write(b'\x7fELF\x02\x01\x01' + bytes(9) +
                   struct.pack('<HHIQQQIHHHHHH', 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0))
        file.write(struct.pack('<IIQQQQQQ', 4, 0, 176, 0, 0, len(notes), len(notes), 0))
        file.write(struct.pack('<IIQQQQQQ', 1, 7, 4096, 0, 0, len(memory), len(memory), 4096))
        file.write(notes.ljust(4096 - 176, b'\0'))
        file.write(memory)
