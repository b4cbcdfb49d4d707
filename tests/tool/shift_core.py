#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""shift_core.py CORE FOLDER: write the memory of CORE, an ELF core of 64 bits, in one piece, zeroes where it has
none. FOLDER/plain is as QEMU writes such cores. FOLDER/exact is as it writes one whose CPUs' notes are of several
sizes: the headers say that notes take 64 bytes more, and memory begins so much later, than they do and it does.
FOLDER/more is that with something behind it, so that nothing but the notes tells."""
import struct
import sys

with open(sys.argv[1], 'rb') as file:
    core = file.read()
(phoff,) = struct.unpack_from('<Q', core, 32)
(phnum,) = struct.unpack_from('<H', core, 56)
notes, loads = b'', []
for at in range(phoff, phoff + 56 * phnum, 56):
    kind, _, offset, _, pa, held, size, _ = struct.unpack_from('<IIQQQQQQ', core, at)
    if kind == 4:
        notes = core[offset:offset + held]
    elif kind == 1:
        loads.append((pa, offset, held, size))
size = max(pa + size for pa, _, _, size in loads)
for name, shift, behind in (('plain', 0, b''), ('exact', 64, b''), ('more', 64, b'x' * 100)):
    begin = 64 + 2 * 56
    with open(f'{sys.argv[2]}/{name}', 'wb') as file:
        file.write(core[:16] + struct.pack('<HHIQQQIHHHHHH', 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0))
        file.write(struct.pack('<IIQQQQQQ', 4, 0, begin, 0, 0, len(notes) + shift, len(notes) + shift, 0))
        file.write(struct.pack('<IIQQQQQQ', 1, 7, begin + len(notes) + shift, 0, 0, size, size, 0))
        file.write(notes)
        for pa, offset, held, _ in loads:
            file.seek(begin + len(notes) + pa)
            file.write(core[offset:offset + held])
        file.truncate(begin + len(notes) + size)
        file.seek(0, 2)
        file.write(behind)
