#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""guest_image.py TOOL IMAGE HOST SEED: write HOST, the image of a host with one guest, whose memory is that of
IMAGE, an ELF core of an x86_64 machine, page by page at random places; then see that commands say of the guest
inside (--vm 0) what they say of IMAGE, and that what extract makes of it is the memory of IMAGE. Prints TAP.

The tables of the host and the VMCBs are made here, by AMD's APM: volume 2, 5.3, 15.25 and appendix B.
"""
import mmap
import os
import random
import struct
import subprocess
import sys

PAGE = 4096
TABLE, LEAF = 0x827, 0xe67


class Core:
    """The pages of an ELF core, by physical address, and the QEMU notes of its CPUs."""

    def __init__(self, path):
        with open(path, 'rb') as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (phoff,) = struct.unpack_from('<Q', self.bytes, 32)
        (phnum,) = struct.unpack_from('<H', self.bytes, 56)
        self.pages, self.cpus = {}, []
        for i in range(phnum):
            kind, _, offset, _, pa, held, _, _ = struct.unpack_from('<IIQQQQQQ', self.bytes, phoff + 56 * i)
            if kind == 1:
                self.pages.update((pa + at, offset + at) for at in range(0, held, PAGE))
            elif kind == 4:
                self.take_notes(offset, offset + held)

    def take_notes(self, at, end):
        while at + 12 <= end:
            name, desc, kind = struct.unpack_from('<III', self.bytes, at)
            text = self.bytes[at + 12:at + 12 + name].rstrip(b'\0')
            at += 12 + (name + 3 & -4)
            if text == b'QEMU' and kind == 0:
                self.cpus.append(self.bytes[at:at + desc])
            at += desc + 3 & -4

    def page(self, pa):
        return self.bytes[self.pages[pa]:self.pages[pa] + PAGE]


class Host:
    """What each page of the host has: bytes, or a list of 512 entries."""

    def __init__(self, core, choose):
        nr = len(core.pages) + len(core.pages) // 16 + 4096
        self.free = list(range(1, nr))
        choose.shuffle(self.free)
        self.pages = [bytes(PAGE)] * nr
        self.tables = {}
        self.root = self.new([0] * 512)
        self.tables[3, 0] = self.pages[self.root]
        for pa in core.pages:
            self.map(pa, self.new(core.page(pa)))
        nothing = self.new(bytes(PAGE))
        # Nothing but where they are says which CPU's they are.
        self.free.sort(reverse=True)
        for state in core.cpus:
            self.new(self.vmcb(state, nothing))

    def new(self, page):
        place = self.free.pop()
        self.pages[place] = page
        return place

    def map(self, pa, place):
        for level in (2, 1, 0):
            if (level, pa >> 21 + 9 * level) not in self.tables:
                table = self.new([0] * 512)
                self.tables[level, pa >> 21 + 9 * level] = self.pages[table]
                above = self.tables[level + 1, pa >> 30 + 9 * level]
                above[pa >> 21 + 9 * level & 511] = table * PAGE | TABLE
        self.tables[0, pa >> 21][pa >> 12 & 511] = place * PAGE | LEAF

    def vmcb(self, state, nothing):
        """Where QEMU's note has the registers: target/i386/arch_dump.c, struct QEMUCPUState."""
        cr0, _, _, cr3, cr4 = struct.unpack_from('<5Q', state, 0x188)
        (flags,) = struct.unpack_from('<I', state, 160)
        words = {0x40: nothing * PAGE, 0x48: nothing * PAGE, 0x58: 1, 0x90: 1, 0xb0: self.root * PAGE,
                 0x410: (flags >> 8 & 0xff | flags >> 12 & 0xf00) << 16, 0x4d0: 0x1d01,
                 0x488: struct.unpack_from('<Q', state, 384)[0], 0x548: cr4, 0x550: cr3, 0x558: cr0}
        page = bytearray(PAGE)
        for at, word in words.items():
            struct.pack_into('<Q', page, at, word)
        return bytes(page)

    def write(self, path):
        size = len(self.pages) * PAGE
        with open(path, 'wb') as file:
            file.write(struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\2\1\1', 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0))
            file.write(struct.pack('<IIQQQQQQ', 1, 6, PAGE, 0, 0, size, size, PAGE))
            file.seek(PAGE)
            for page in self.pages:
                file.write(page if isinstance(page, bytes) else struct.pack('<512Q', *page))


def run(*args):
    """The status, what is said of the machine (and not of the file), and the errors."""
    done = subprocess.run([TOOL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
                          check=False, encoding='utf-8', errors='replace')
    lines = [line.replace('vmcoreinfo-note,', '') for line in done.stdout.splitlines()
             if not line.startswith('#')]
    return done.returncode, lines, done.stderr


def equal(name, host, image, *args):
    """Does a command say of the guest in host what it says of image?"""
    ours, theirs = run(*args, '--vm', '0', host), run(*args, image)
    same = ours[:2] == theirs[:2] and theirs[1]
    if not same:
        for path, out in (('guest', ours), ('image', theirs)):
            print(f'# {path}: status {out[0]}: {out[2].strip()}')
        for x, y in [p for p in zip(ours[1], theirs[1]) if p[0] != p[1]][:5]:
            print(f'# {x}\n# {y}')
    check(f'{name}: {len(theirs[1])} lines of the guest are those of the machine', same)


def check(name, is_fine):
    global NR, FAILED
    NR += 1
    FAILED += not is_fine
    print('ok' if is_fine else 'not ok', NR, '-', name, flush=True)


def main(image, host, seed, *commands):
    core = Core(image)
    Host(core, random.Random(int(seed))).write(host)
    for command in commands:
        equal(command, host, image, *command.split())
    new = host + '.guest'
    status, _, err = run('extract', '--vm', '0', '--force', host, new)
    check(f'extract: status 0 {err}', status == 0)
    guest = Core(new)
    check(f'extract: the memory of the machine, {len(core.pages)} pages',
          guest.pages.keys() == core.pages.keys() and all(guest.page(pa) == core.page(pa) for pa in core.pages))
    for command in commands:
        ours, theirs = run(*command.split(), new), run(*command.split(), image)
        check(f'{command}: of what was extracted', ours[:2] == theirs[:2])
    os.remove(new)
    print(f'1..{NR}')
    sys.exit(1 if FAILED else 0)


if __name__ == '__main__':
    NR, FAILED = 0, 0
    TOOL = sys.argv[1]
    main(*sys.argv[2:])
