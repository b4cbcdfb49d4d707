#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""guest_image.py TOOL IMAGE HOST SEED: write HOST, the image of a host with one guest, whose memory is that of
IMAGE, an ELF core of an x86_64, arm64 or riscv64 machine, page by page at random places; then see that commands
say of the guest inside (--vm 0) what they say of IMAGE, and that what extract makes of it is the memory of IMAGE.
Prints TAP.

The tables of the host and what says of them are made here: nested tables and VMCBs by AMD's APM, volume 2, 5.3,
15.25 and appendix B; stage 2 by the Arm ARM, D8.3, and the G stage by RISC-V's privileged manual, "Hypervisor
Extension", both with what Linux keeps of a guest (struct kvm_s2_mmu, struct kvm_arch).
"""
import mmap
import os
import random
import shutil
import struct
import subprocess
import sys

PAGE = 4096


class Core:
    """The pages of an ELF core, by physical address, and the QEMU notes of its CPUs."""

    def __init__(self, path):
        with open(path, 'rb') as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (self.machine,) = struct.unpack_from('<H', self.bytes, 18)
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
    """What each page of the host has: bytes, or a list of entries. This one is AMD's."""

    base = 0            # of its memory
    levels = 4          # of the guest's tables
    root_pages = 1      # next to each other, and aligned to all of them
    machine = 62

    def __init__(self, core, choose):
        nr = len(core.pages) + len(core.pages) // 16 + 4096
        self.free = list(range(2 * self.root_pages, nr))
        choose.shuffle(self.free)
        self.pages = [bytes(PAGE)] * nr
        self.tables = {}
        self.root = self.root_pages
        root = [[0] * 512 for _ in range(self.root_pages)]
        self.pages[self.root:2 * self.root_pages] = root
        self.tables.update(((self.levels - 1, i), page) for i, page in enumerate(root))
        for pa in core.pages:
            self.map(pa, self.new(core.page(pa)))
        # Nothing but where they are says which CPU's they are.
        self.free.sort(reverse=True)
        self.tell(core)

    def new(self, page):
        place = self.free.pop()
        self.pages[place] = page
        return place

    def pa(self, place):
        return self.base + place * PAGE

    def map(self, pa, place):
        for level in range(self.levels - 2, -1, -1):
            if (level, pa >> 21 + 9 * level) not in self.tables:
                table = self.new([0] * 512)
                self.tables[level, pa >> 21 + 9 * level] = self.pages[table]
                above = self.tables[level + 1, pa >> 30 + 9 * level]
                above[pa >> 21 + 9 * level & 511] = self.table(self.pa(table))
        self.tables[0, pa >> 21][pa >> 12 & 511] = self.leaf(self.pa(place))

    def table(self, pa):
        return pa | 0x827

    def leaf(self, pa):
        return pa | 0xe67

    def tell(self, core):
        nothing = self.new(bytes(PAGE))
        for state in core.cpus:
            self.new(self.vmcb(state, nothing))

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

    def tell_words(self, *words):
        """Somewhere in a page."""
        self.new(bytes(1024) + struct.pack(f'<{len(words)}Q', *words).ljust(PAGE - 1024, b'\0'))

    def write(self, path):
        size = len(self.pages) * PAGE
        with open(path, 'wb') as file:
            file.write(struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\2\1\1', 4, self.machine, 1, 0, 64, 0, 0, 64, 56,
                                   1, 64, 0, 0))
            file.write(struct.pack('<IIQQQQQQ', 1, 6, PAGE, 0, self.base, size, size, PAGE))
            file.seek(PAGE)
            for page in self.pages:
                file.write(page if isinstance(page, bytes) else struct.pack('<512Q', *page))


class HostArm64(Host):
    """40 bits, so two tables side by side at level 1; as Linux 6.1 has it on a CPU with FEAT_S2FWB."""

    base, levels, root_pages, machine = 0x40000000, 3, 2, 183

    def table(self, pa):
        return pa | 3

    def leaf(self, pa):
        return pa | 0x7db

    def tell(self, core):
        self.tell_words(1, self.pa(self.root), 0xffff000000000000, 0, 0, 0x802d3558)


class HostRiscv64(Host):
    """Sv39x4: a root of four pages, which Linux also has by its virtual address."""

    base, levels, root_pages, machine = 0x80000000, 3, 4, 243

    def table(self, pa):
        return pa >> 2 | 1

    def leaf(self, pa):
        return pa >> 2 | 0xdf

    def tell(self, core):
        self.tell_words(1, 0xffffffd800000000 + self.root * PAGE, self.pa(self.root))


HOSTS = {host.machine: host for host in (Host, HostArm64, HostRiscv64)}


def words(command, image):
    """A command's words: @ stands for the image, which else comes last."""
    listed = command.split()
    return [image if word == '@' else word for word in listed] if '@' in listed else listed + [image]


def run(*args):
    """The status, what is said of the machine (and not of the file), and the errors."""
    done = subprocess.run([TOOL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
                          check=False, encoding='utf-8', errors='replace')
    lines = [line.replace('vmcoreinfo-note,', '') for line in done.stdout.splitlines()
             if not line.startswith('#')]
    return done.returncode, lines, done.stderr


def equal(name, host, image, command):
    """Does a command say of the guest in host what it says of image?"""
    inside = words(command, host)
    ours, theirs = run(inside[0], '--vm', '0', *inside[1:]), run(*words(command, image))
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


def skip(name, why):
    global NR
    NR += 1
    print('ok', NR, '- # SKIP', name, why, flush=True)


def others_open(new, core):
    """binutils lists its memory, and gdb loads it: what tools that are not ours make of an ELF core."""
    if shutil.which('readelf'):
        out = subprocess.run(['readelf', '-lW', new], stdout=subprocess.PIPE, check=True, encoding='ascii').stdout
        loads = [line.split() for line in out.splitlines() if line.startswith('  LOAD')]
        pages = [pa for load in loads for pa in range(int(load[3], 16), int(load[3], 16) + int(load[4], 16), PAGE)]
        check('extract: readelf lists the memory', sorted(pages) == sorted(core.pages))
    else:
        skip('readelf', 'is not installed')
    gdb = shutil.which('gdb-multiarch') or shutil.which('gdb')
    if not gdb:
        skip('gdb', 'is not installed')
        return
    out = subprocess.run([gdb, '-nx', '-batch', '-ex', 'info files', '-c', new], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, encoding='utf-8',
                         errors='replace').stdout
    if 'not supported' in out or 'not recognized' in out or 'architecture of file not' in out:
        skip('gdb', 'does not know the machine')
    else:
        check('extract: gdb loads it as a core', ' is load' in out)


def main(image, host, seed, *commands):
    core = Core(image)
    HOSTS[core.machine](core, random.Random(int(seed))).write(host)
    for command in commands:
        equal(command, host, image, command)
    new = host + '.guest'
    status, _, err = run('extract', '--vm', '0', '--force', host, new)
    check(f'extract: status 0 {err}', status == 0)
    guest = Core(new)
    check(f'extract: the memory of the machine, {len(core.pages)} pages',
          guest.pages.keys() == core.pages.keys() and all(guest.page(pa) == core.page(pa) for pa in core.pages))
    others_open(new, core)
    for command in commands:
        ours, theirs = run(*words(command, new)), run(*words(command, image))
        check(f'{command}: of what was extracted', ours[:2] == theirs[:2])
    os.remove(new)
    print(f'1..{NR}')
    sys.exit(1 if FAILED else 0)


if __name__ == '__main__':
    NR, FAILED = 0, 0
    TOOL = sys.argv[1]
    main(*sys.argv[2:])
