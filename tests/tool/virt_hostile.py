# SPDX-License-Identifier: BSD-2-Clause
"""virt_hostile.py FOLDER: write ELF dumps of machines whose memory is nothing but one kind of page."""

import struct
import sys

PAGE = 0x1000
NR_PAGES = 4096
X86_64, ARM64, RISCV64 = 62, 183, 243


def words(*values):
    page = struct.pack(f"<{len(values)}Q", *values)
    return page * (PAGE // len(page))


def vmcb(pa):
    page = bytearray(PAGE)
    for at, value in ((0x40, pa), (0x48, pa), (0x58, 1), (0x90, 1), (0xB0, pa), (0x4D0, 0x1000)):
        struct.pack_into("<Q", page, at, value)
    struct.pack_into("<Q", page, 0, pa | 0x27)
    return bytes(page)


def neighbour(pa, base):
    return base + (pa - base + PAGE) % (NR_PAGES * PAGE)


IMAGES = {
    # Nested roots that lead to themselves.
    "vmcb": (X86_64, 0x100000, lambda pa, base: vmcb(pa)),
    # Roots, contexts and PASID tables at once, each of the next page.
    "vtd": (X86_64, 0x100000, lambda pa, base: words(neighbour(pa, base) | 1, 0)),
    "vtd-legacy": (X86_64, 0x100000, lambda pa, base: words(neighbour(pa, base) | 1, 0x102)),
    "amdvi": (X86_64, 0x100000, lambda pa, base: words(pa | 0x6000000000000603, 1, 0, 0)),
    "smmu-s1": (ARM64, 0x40000000, lambda pa, base: words(pa | 0xB, 0, 0, 0, 0, 0, 0, 0)),
    "smmu-s2": (ARM64, 0x40000000,
                lambda pa, base: words(0xD, 0, 0x44C359400000001, pa, 0, 0, 0, 0)),
    "smmu-l1": (ARM64, 0x40000000, lambda pa, base: words(pa | 9)),
    "vtcr": (ARM64, 0x40000000, lambda pa, base: words(1, pa, 0, 0x802D3558)),
    # 16 concatenated tables that end behind the memory.
    "vtcr-end": (ARM64, 0x40000000,
                 lambda pa, base: words(1, base + NR_PAGES * PAGE - 0x8000, 0, 0x802D3555)),
    "hgatp": (RISCV64, 0x80000000,
              lambda pa, base: words(1, 0xFFFFFFD880000000, base, base >> 2 | 1)),
}


def main():
    for name, (machine, base, page) in IMAGES.items():
        size = NR_PAGES * PAGE
        head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 4, machine, 1, 0, 64, 0, 0,
                           64, 56, 1, 0, 0, 0)
        head += struct.pack("<IIQQQQQQ", 1, 7, PAGE, 0, base, size, size, 0)
        with open(f"{sys.argv[1]}/{name}.elf", "wb") as file:
            file.write(head.ljust(PAGE, b"\0"))
            for at in range(0, size, PAGE):
                file.write(page(base + at, base))


main()
