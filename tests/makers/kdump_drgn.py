# SPDX-License-Identifier: BSD-2-Clause
"""kdump_drgn.py DUMP: drgn's walker over lines "ROOT VA: PA FLAGS" of standard input.

At each address drgn is to read the same as at the physical address beside it. Prints how many lines
there were, and at how many it did not, or could not.
"""
import sys

import _drgn
import drgn

PAGE_OFFSET_SLOTS = range(0xFFFF << 48, 0xFFFFC8 << 40)


def main():
    program = drgn.Program()
    program.set_core_dump(sys.argv[1])
    lines = [line.replace(":", "").split() for line in sys.stdin]
    lines = [(int(root, 16), int(va, 16), int(pa, 16)) for root, va, pa, _ in lines]
    # drgn wants a root's virtual address: the first of the kernel's mappings is of all memory.
    base = min(va - pa for _, va, pa in lines if va in PAGE_OFFSET_SLOTS)
    nr_wrong = 0
    for root, va, pa in lines:
        if va >> 63:
            found = program.read(va, 32)
        else:
            found = _drgn._linux_helper_read_vm(program, base + root, va, 32)
        nr_wrong += found != program.read(pa, 32, True)
    print(len(lines), nr_wrong)


main()
