# SPDX-License-Identifier: BSD-2-Clause
"""LiME of Debian, built for a guest's kernel and loaded into it: lime, padded and raw.

The module runs inside the guest, so memory changes under it. What it must have written is known all
the same: QEMU writes the guest's memory before and after, and a page that is the same in both was
so in between. The guest waits for its console, so these are nearly all, its tables among them.
"""

import mmap
import os
import struct

import maker
from maker import say, run

PAGE = 4096

# A page in use that is the same before and after, and was something else meanwhile: a list that
# grew and shrank, a stack that was used again. There are some, and cannot be many.
MAX_CHANGED_BACK = 64


def build_module(kernel, work):
    """lime.ko from Debian's source, and the source's version."""
    maker.unpack(work, "lime-forensics-dkms")
    source = os.path.join(work, "usr/src", os.listdir(os.path.join(work, "usr/src"))[0])
    maker.install("linux-headers-cloud-amd64", "make", "gcc")
    run("make", "-C", "/usr/src/linux-headers-" + kernel.release, "M=" + source, "modules")
    run("strip", "--strip-debug", os.path.join(source, "lime.ko"))
    return os.path.join(source, "lime.ko")


class Core:
    """The pages of QEMU's ELF core, by its published layout."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.map = mmap.mmap(self.file.fileno(), 0, prot=mmap.PROT_READ)
        at, = struct.unpack_from("<Q", self.map, 32)
        nr, = struct.unpack_from("<H", self.map, 56)
        self.segments = []
        for i in range(nr):
            kind, _, offset, _, pa, size = struct.unpack_from("<IIQQQQ", self.map, at + 56 * i)
            if kind == 1:
                self.segments.append((pa, size, offset))

    def read(self, pa, size):
        for first, length, offset in self.segments:
            if first <= pa and pa + size <= first + length:
                return self.map[offset + pa - first:offset + pa - first + size]
        return None


def system_ram(guest):
    """[(first, last)] of what /proc/iomem calls System RAM at its top level."""
    lines = guest.run("cat /proc/iomem")
    found = [line.split(" : ")[0].split("-") for line in lines if line.endswith(" : System RAM")
             and line[0] != " "]
    return [(int(a, 16), int(b, 16)) for a, b in found]


def ranges_of_lime(data):
    """[(first, last, offset)] by the headers."""
    found, at = [], 0
    while at < len(data):
        magic, number, first, last = struct.unpack_from("<4sIQQ", data, at)
        if magic != b"EMiL" or number != 1:
            raise SystemExit("no header of LiME at %#x" % at)
        found.append((first, last, at + 32))
        at += 32 + last - first + 1
    return found


def ranges_of(name, ram, data):
    if name == "lime":
        return ranges_of_lime(data)
    if name == "padded":
        return [(first, last, first) for first, last in ram]
    found, at = [], 0
    for first, last in ram:
        found.append((first, last, at))
        at += last - first + 1
    return found


def take(guest, work, name, path):
    """Let the module write its file, on a disk of ext4; QEMU writes memory before and after."""
    guest.run("mount -t ext4 /dev/vda /mnt")
    guest.command("stop")
    guest.dump(path + ".before")
    guest.command("cont")
    guest.run("insmod /lime.ko format=%s path=/mnt/memory timeout=0" % name)
    guest.command("stop")
    guest.dump(path + ".after")


def give_back(guest, work, path):
    """The guest goes on; its file is taken from its disk."""
    guest.command("cont")
    guest.run("rmmod lime && umount /mnt")
    run("debugfs", "-R", "dump /memory " + path, os.path.join(work, "disk"))


def compare_pages(tally, name, ranges, path, before, after):
    """
    Each whole page that did not change is in the file as it was. Free pages are zeroes in this
    guest: one that was zeroes before and after may have been in use meanwhile.
    """
    changed = wrong = used = 0
    zeroes = bytes(PAGE)
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        for first, last, offset in ranges:
            for pa in range((first + PAGE - 1) & -PAGE, last + 1 - (PAGE - 1), PAGE):
                was, now = before.read(pa, PAGE), after.read(pa, PAGE)
                is_same = was == data[offset + pa - first:offset + pa - first + PAGE]
                changed += was != now
                used += was == now and not is_same and was == zeroes
                wrong += was == now and not is_same and was != zeroes
    say("%s: pages: %d changed, %d were free before and after and used meanwhile, "
        "%d others differ" % (name, changed, used, wrong))
    tally.check(name + ": all but a few pages that did not change are as QEMU has them",
                wrong <= MAX_CHANGED_BACK, wrong)


def compare_tables(tally, name, image, path, processes, kernel_root, tlb):
    """A process's leaves are QEMU's; the kernel's are those that it had before, or has after."""
    for root in processes:
        found, summary = maker.leaves(root, *image)
        user = [leaf for leaf in found if leaf[0] < 1 << 63]
        qemu = [line for line in tlb[root] if line < "8"]
        tally.same("%s: leaves of process %#x are those of info tlb" % (name, root), qemu,
                   maker.as_info_tlb(user))
        tally.same("%s: process %#x: nothing is missing" % (name, root), (0, 0),
                   (summary.get("unreadable"), summary.get("malformed")))
    found = set(maker.leaves(kernel_root, *image)[0])
    before = set(maker.leaves(kernel_root, path + ".before")[0])
    after = set(maker.leaves(kernel_root, path + ".after")[0])
    tally.same(name + ": info tlb of the kernel's root is our walk of QEMU's core",
               tlb[kernel_root], maker.as_info_tlb(sorted(after)))
    tally.same(name + ": leaves of the kernel that stayed are there", set(),
               (before & after) - found)
    # Stacks of threads that came and went.
    others = found - before - after
    say("%s: the kernel's leaves: %d before, %d after, %d of both, %d in the file, %d of these in "
        "neither" % (name, len(before), len(after), len(before & after), len(found), len(others)))
    tally.check(name + ": what the kernel had meanwhile only are a few pages of data",
                len(others) <= MAX_CHANGED_BACK and
                all(size == PAGE and entry >> 63 for _, _, size, entry in others), others)


def names_of(name, ram, path):
    """How pagewalk is told what the file is: nothing, or for raw where each range is."""
    if name != "raw":
        return [path]
    found, at = [], 0
    for first, last in ram:
        found += ["--ram", "%#x=%s@%#x+%#x" % (first, path, at, last - first + 1)]
        at += last - first + 1
    return found


def one_format(tally, guest, work, name, ram):
    path = os.path.join(work, "memory." + name)
    take(guest, work, name, path)
    kernel_root = int(maker.records("info", path + ".after")[0]["kernel_root"]["root"], 16)
    tlb = {root: guest.info_tlb(root)
           for root in [kernel_root] + maker.process_roots(maker.roots(path + ".after"))}
    # The shell runs meanwhile.
    processes = [root for root in tlb if maker.is_victim(tlb[root])]
    give_back(guest, work, path)
    say("%s: %d bytes" % (name, os.path.getsize(path)))
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        ranges = ranges_of(name, ram, data)
    tally.same(name + ": has the ranges of /proc/iomem", ram, [r[:2] for r in ranges])
    tally.same(name + ": size", os.path.getsize(path), ranges[-1][2] + ram[-1][1] + 1 - ram[-1][0])
    compare_pages(tally, name, ranges, path, Core(path + ".before"), Core(path + ".after"))
    image = names_of(name, ram, path)
    info = maker.records("info", *image)
    tally.same(name + ": the kernel's root", kernel_root,
               int(info[0]["kernel_root"]["root"], 16) if info else None)
    # Others are of processes that ended meanwhile: the one that loads the module, for one.
    found = maker.roots(*image)
    tally.same(name + ": roots of processes", [],
               sorted(set(processes) - set(maker.process_roots(found))))
    tally.same(name + ": roots that lack a table", [],
               [hex(r) for r in found if found[r]["missing"]])
    compare_tables(tally, name, image, path, processes, kernel_root, tlb)
    memory = [(int(r["first"], 16), int(r["last"], 16)) for r in info[0]["memory"]] if info else []
    tally.same(name + ": has the memory that it should have",
               [(0, ram[-1][1])] if name == "padded" else ram, memory)
    tally.result("%s, %d ranges: kind %s, place by proof %s, roots of processes %d" %
                 (name, len(ram), info[0]["kind"] if info else "?",
                  info[0]["placed_by_proof"] if info else "?", len(processes)))
    return path


def refuse_unplaced(tally, path):
    """A PC's first range ends within a page, so nothing behind it is where pages are."""
    _, said, status = maker.pagewalk("info", path, status=(3,))
    tally.check("raw: is refused where nobody says where its ranges are",
                status == 3 and "--ram" in said, said)
    tally.result("raw, by itself: status %d" % status)


def add_memory(guest):
    """Memory of a slot, added while the guest runs; it lies from 4 GiB on."""
    guest.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m", "size": 128 << 20})
    guest.command("device_add", driver="pc-dimm", id="dimm", memdev="m")
    guest.run("until grep -q '^1000.*System RAM' /proc/iomem; do sleep 1; done; sleep 2")
    guest.run("for f in /sys/devices/system/memory/memory*/state; do "
              "grep -q online $f || echo online >$f; done")


def main():
    tally = maker.Tally()
    work = maker.work_folder("lime")
    maker.install("qemu-system-x86", "gcc", "libc6-dev")
    kernel = maker.Kernel(os.path.join(work, "kernel"))
    module = build_module(kernel, os.path.join(work, "lime"))
    archive = maker.guest_archive(
        kernel, os.path.join(work, "tree"),
        ["virtio_pci", "virtio_blk"], "for n in 0 1 2; do victim $n & done; sleep 1")
    archive.file("lime.ko", module)
    initrd = os.path.join(work, "initrd")
    archive.write(initrd)
    disk = os.path.join(work, "disk")
    with open(disk, "wb") as file:
        file.truncate(2 << 30)
    run("mke2fs", "-q", "-t", "ext4", "-F", disk)
    guest = maker.Guest(work, kernel, initrd, [
        "-m", "256M,slots=2,maxmem=2G", "-smp", "2",
        "-drive", "if=virtio,format=raw,file=" + disk], "init_on_free=1 memmap=16M$96M")
    try:
        guest.wait("READY")
        say("the guest runs")
        ram = system_ram(guest)
        say("System RAM: " + ", ".join("%#x-%#x" % r for r in ram))
        for name in "lime", "padded", "raw":
            one_format(tally, guest, work, name, ram)
        refuse_unplaced(tally, os.path.join(work, "memory.raw"))
        add_memory(guest)
        ram = system_ram(guest)
        say("System RAM: " + ", ".join("%#x-%#x" % r for r in ram))
        for name in "lime", "raw":
            one_format(tally, guest, work, name, ram)
    finally:
        guest.end()
    tally.end(os.path.join(os.path.dirname(__file__), "lime.expect"))


main()
