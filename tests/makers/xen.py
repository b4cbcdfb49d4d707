# SPDX-License-Identifier: BSD-2-Clause
"""Debian's Xen with a PV and a PVH guest: cores by xl dump-core, and the dump of the host.

A PV guest's tables are the machine's own, so QEMU's walker says what its leaves are, and QEMU's
memory at the machine's frames what its pages hold. Of both guests a program inside says which page
of the guest is where, and writes into each what can be found again.
"""

import gzip
import mmap
import os
import re
import struct

import maker
from maker import run, say

PAGE = 4096
NO_FRAME = (1 << 64) - 1  # of a page that Xen counts and xl finds nowhere
GUEST_RAM = 144 << 20
XEN = "/usr/lib/xen-4.17/bin/"
# What Xen itself has in each root, and lacks in a core: slots 256 to 271.
XEN_FIRST, XEN_LAST = 0xFFFF800000000000, 0xFFFF87FFFFFFFFFF
# Rings that a paused guest shares with dom0 (console, xenstore), its shared info, its clocks.
MAX_CHANGED = 16

PROGRAM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void)
{
	char *at = (char *)0x700000000000;
	uint64_t entry;
	int pagemap, console, i;

	mount("proc", "/proc", "proc", 0, 0);
	mount("dev", "/dev", "devtmpfs", 0, 0);
	console = open("/dev/hvc0", O_RDWR);
	dup2(console, 1);
	mmap(at, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (i = 0; i < 64; i++)
		sprintf(at + i * 4096, "page %d of the program in the guest", i);
	mprotect(at + 16 * 4096, 16 * 4096, PROT_READ);
	mprotect(at + 32 * 4096, 16 * 4096, PROT_READ | PROT_EXEC);
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	for (i = 0; i < 64; i++) {
		pread(pagemap, &entry, 8, ((uintptr_t)at / 4096 + i) * 8);
		dprintf(1, "PAGE %d %llx\n", i, (unsigned long long)entry & ((1ull << 55) - 1));
	}
	dprintf(1, "GUEST DONE\n");
	for (;;)
		pause();
}
"""

# xl asks for each frame up to 4 GiB, where a PVH guest's last ones are, one by one: an hour here.
# Those between its RAM and 0xfc000 are left out of the core, where Linux has no memory of its own.
SHORT_CUT = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
void *xenforeignmemory_map(void *handle, uint32_t domain, int prot, size_t pages,
			   const unsigned long *frames, int *err)
{
	void *(*next)(void *, uint32_t, int, size_t, const unsigned long *, int *) =
		dlsym(RTLD_NEXT, "xenforeignmemory_map");

	if (pages == 1 && frames[0] >= %d && frames[0] < 0xfc000) {
		errno = EINVAL;
		return NULL;
	}
	return next(handle, domain, prot, pages, frames, err);
}
""" % (GUEST_RAM // PAGE)

# dom0: Xen's own daemons, then what its console is told, a line at a time.
INIT = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:%s
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir /dev/pts
mount -t devpts pts /dev/pts
exec </dev/hvc0 >/dev/hvc0 2>&1
stty -echo -onlcr
for m in $(cat /modules/order); do insmod "/modules/$m" || echo "no module $m"; done
mount -t xenfs xenfs /proc/xen
ip link set lo up
mkdir -p /var/run/xen /var/run/xenstored /var/lib/xenstored /var/log/xen /run/lock
xenstored --pid-file /run/xenstored.pid
sleep 1
xen-init-dom0
xenconsoled --log=guest --log-dir=/log --pid-file=/run/xenconsoled.pid
echo "READY"
while read -r line; do
	eval "$line"
	echo "DONE $?"
done
""" % XEN

CONFIG = """name = "%s"
type = "%s"
kernel = "/guest/vmlinuz"
ramdisk = "/guest/initrd"
extra = "console=hvc0 quiet"
memory = %d
vcpus = 2
"""

PACKAGES = """busybox-static xen-utils-4.17 libxenmisc4.17 libxenstore4 libxentoollog1
libxentoolcore1 libxencall1 libxenevtchn1 libxengnttab1 libxenforeignmemory1 libxendevicemodel1
libxenhypfs1 libyajl2""".split()


class Dom0Kernel(maker.Kernel):
    """Debian's kernel: the one for clouds is not made to be dom0's."""

    def __init__(self, folder):
        self.folder = folder
        package = maker.depends("linux-image-amd64")[0]
        maker.unpack(folder, package)
        self.release = package.replace("linux-image-", "")
        self.image = os.path.join(folder, "boot", "vmlinuz-" + self.release)


def guest_initrd(work):
    program, initrd = os.path.join(work, "program"), os.path.join(work, "guest-initrd")
    run("gcc", "-O1", "-static", "-x", "c", "-o", program, "-", input=PROGRAM)
    archive = maker.Archive()
    for folder in "proc", "dev":
        archive.add(folder, b"", 0o40755)
    archive.file("init", program)
    archive.write(initrd)
    return initrd


def dom0_initrd(kernel, work):
    tree = os.path.join(work, "tree")
    maker.unpack(tree, *PACKAGES)
    libraries = os.path.join(tree, "usr/lib/x86_64-linux-gnu")
    short_cut = os.path.join(work, "short_cut.so")
    run("gcc", "-O1", "-shared", "-fPIC", "-x", "c", "-o", short_cut, "-", input=SHORT_CUT)
    os.environ["LD_LIBRARY_PATH"] = ":".join(
        (libraries, os.path.join(tree, "lib/x86_64-linux-gnu")))
    archive = maker.Archive()
    for folder in "proc sys dev run log tmp guest usr usr/lib var var/lib var/lib/xen".split():
        archive.add(folder, b"", 0o40755)
        archive.folders.add(folder)
    archive.file("bin/busybox", os.path.join(tree, "bin/busybox"))
    have = set()
    for name in "xl", "xenstored", "xenconsoled", "xen-init-dom0":
        archive.file(XEN + name, tree + XEN + name)
        for word in run("ldd", tree + XEN + name).split():
            base = os.path.basename(word)
            if word.startswith("/") and base not in have:
                have.add(base)
                where = "lib64/" if base.startswith("ld-linux") else "lib/x86_64-linux-gnu/"
                archive.file(where + base, os.path.realpath(word))
    del os.environ["LD_LIBRARY_PATH"]
    archive.file("short_cut.so", short_cut)
    archive.file("lib/x86_64-linux-gnu/libgcc_s.so.1",
                 os.path.realpath("/lib/x86_64-linux-gnu/libgcc_s.so.1"))
    modules = kernel.with_needed(["xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd",
                                  "xenfs", "virtio_pci", "virtio_blk"])
    for name in modules:
        archive.file("modules/%s.ko" % name, kernel.module(name))
    archive.add("modules/order", "".join(m + ".ko\n" for m in modules).encode(), 0o100644)
    archive.add("init", INIT.encode(), 0o100755)
    archive.add("etc/xen/xl.conf", b"", 0o100644)
    for kind in "pv", "pvh":
        archive.add(kind + ".cfg", (CONFIG % (kind, kind, GUEST_RAM >> 20)).encode(), 0o100644)
    archive.file("guest/vmlinuz", kernel.image)
    archive.file("guest/initrd", guest_initrd(work))
    initrd = os.path.join(work, "initrd")
    archive.write(initrd)
    return initrd


class Xen:
    """The hypervisor as what QEMU boots; dom0's kernel and its initramfs are its modules."""

    def __init__(self, work):
        maker.unpack(work, "xen-hypervisor-4.17-amd64")
        self.image = os.path.join(work, "xen")
        with open(self.image, "wb") as file:
            file.write(gzip.open(os.path.join(work, "boot/xen-4.17-amd64.gz")).read())


class Core:
    """The sections of what xl dump-core writes, by their published layout."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        at, = struct.unpack_from("<Q", self.map, 40)
        nr, names = struct.unpack_from("<HH", self.map, 60)
        headers = [struct.unpack_from("<IIQQQQIIQQ", self.map, at + 64 * i) for i in range(nr)]
        self.sections = {}
        for header in headers:
            name = headers[names][4] + header[0]
            self.sections[self.map[name:self.map.find(b"\0", name)].decode()] = header[4:6]
        self.is_pv = ".xen_p2m" in self.sections
        offset, size = self.sections[".xen_p2m" if self.is_pv else ".xen_pfn"]
        words = struct.unpack_from("<%dQ" % (size // 8), self.map, offset)
        # Of the guest's frame, that by which pagewalk finds it; and of that, its bytes.
        self.frames = dict(zip(words[::2], words[1::2])) if self.is_pv else {w: w for w in words}
        frames = words[1::2] if self.is_pv else words
        self.at = {f: self.sections[".xen_pages"][0] + i * PAGE for i, f in enumerate(frames)
                   if f != NO_FRAME}
        self.nr_padded = len(frames) - len(self.at)

    def page(self, frame):
        return self.map[self.at[frame]:self.at[frame] + PAGE]


def fetch(guest, disk, path, name):
    """A file of dom0 through a disk, from its first MiB on."""
    size = int(guest.run("stat -c %%s %s" % name)[-1])
    guest.run("dd if=%s of=/dev/vda bs=1M seek=1 conv=fsync 2>/dev/null && rm %s" % (name, name),
              900)
    with open(disk, "rb") as source, open(path, "wb") as file:
        source.seek(1 << 20)
        while size:
            data = source.read(min(size, 1 << 20))
            file.write(data)
            size -= len(data)


def take_core(guest, disk, path, kind):
    """Run a guest until its program says that it stands still; what it said, and its core."""
    say("a %s guest" % kind)
    guest.run("xl create /%s.cfg" % kind, 900)
    guest.run("until grep -q 'GUEST DONE' /log/guest-%s.log; do sleep 2; done" % kind, 1800)
    said = guest.run("cat /log/guest-%s.log" % kind)
    guest.run("xl pause %s" % kind)
    short_cut = "" if kind == "pv" else "LD_PRELOAD=/short_cut.so "
    guest.run("%sxl dump-core %s /tmp/core" % (short_cut, kind), 1800)
    fetch(guest, disk, path, "/tmp/core")
    say("%s: %d bytes" % (kind, os.path.getsize(path)))
    return [int(m[1], 16) for m in (re.search(r"PAGE \d+ ([0-9a-f]+)", line) for line in said) if m]


def check_core(tally, kind, path, pages):
    """What the program in the guest says of its pages is so in the core, as pagewalk has it."""
    core = Core(path)
    info = maker.records("info", path)[0]
    tally.same(kind + ": kind", ("xen", kind == "pv", 2),
               (info["kind"], info["xen_pv"], len(info["cpus"])))
    tally.same(kind + ": memory", len(core.at) * PAGE, info["readable"])
    found = maker.roots(path)
    wanted = [core.frames[page] * PAGE for page in pages]
    tally.same(kind + ": the program has all its pages", 64, len(wanted))
    owners = []
    for root in maker.process_roots(found):
        leaves = [leaf for leaf in maker.leaves(root, path, half="user")[0]
                  if 0x700000000000 <= leaf[0] < 0x700000040000]
        if [leaf[1] for leaf in leaves] == wanted:
            owners.append(root)
    tally.check(kind + ": a root maps them where the guest says", owners, found)
    tally.check(kind + ": with what the program wrote",
                all(core.page(frame // PAGE).startswith(b"page %d of the program" % i)
                    for i, frame in enumerate(wanted)))
    tally.check(kind + ": the kernel proves itself", info["kernel_root"]["proof"] == "passed", info)
    tally.result("%s: %d pages, %d more without a frame; kind %s, PV %s" %
                 (kind, len(core.at), core.nr_padded, info["kind"], info["xen_pv"]))
    return core, found


def is_guests(line):
    return not "%016x" % XEN_FIRST <= line[:16] <= "%016x" % XEN_LAST


def check_pv(tally, guest, core, path, found, host):
    """QEMU has the same pages at the same addresses, and its walker the same leaves."""
    memory = HostMemory(host)
    changed = sum(memory.page(frame) != core.page(frame) for frame in core.at)
    say("pv: %d of %d pages differ from what QEMU has" % (changed, len(core.at)))
    tally.check("pv: pages are those at the machine's frames", changed <= MAX_CHANGED, changed)
    # The kernel's root and those that programs run on; each of the others has the kernel again,
    # and with it Xen's view of the tables themselves, of a hundred thousand lines.
    for root in [r for r in found if found[r]["state"] in ("kernel", "unknown")]:
        qemu = [line for line in guest.info_tlb(root) if is_guests(line)]
        ours = maker.as_info_tlb(maker.leaves(root, path)[0])
        tally.same("pv: leaves of root %#x are those of info tlb" % root, qemu,
                   [line for line in ours if is_guests(line)])


class HostMemory:
    """QEMU's ELF core, whose memory from 0 on is one segment."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        at, = struct.unpack_from("<Q", self.map, 32)
        nr, = struct.unpack_from("<H", self.map, 56)
        headers = [struct.unpack_from("<IIQQQQ", self.map, at + 56 * i) for i in range(nr)]
        self.segments = [(h[4], h[5], h[2]) for h in headers if h[0] == 1]

    def page(self, frame):
        for first, size, offset in self.segments:
            if first <= frame * PAGE < first + size:
                at = offset + frame * PAGE - first
                return self.map[at:at + PAGE]
        return None


def check_host(tally, host, found):
    """dom0 and the PV guest are two kernels; the guest's is that of its core, its processes too."""
    roots = maker.roots(host)
    kernels = sorted(root for root in roots if roots[root]["state"] == "kernel")
    guests = [root for root in found if found[root]["state"] == "kernel"]
    tally.same("host: kernels", 2, len(kernels))
    tally.check("host: one is the guest's", guests and guests[0] in kernels, (guests, kernels))
    number = roots[guests[0]].get("kernel") if guests and guests[0] in roots else None
    tally.same("host: the guest's roots are that kernel's", [],
               [hex(r) for r in found if found[r]["proof"] == "passed" and
                (r not in roots or roots[r].get("kernel") != number)])
    tally.result("host: %d kernels" % len(kernels))


def main():
    tally = maker.Tally()
    work = maker.work_folder("xen")
    maker.install("qemu-system-x86", "gcc", "libc6-dev")
    kernel = Dom0Kernel(os.path.join(work, "kernel"))
    xen = Xen(os.path.join(work, "xen"))
    initrd = dom0_initrd(kernel, work)
    disk = os.path.join(work, "disk")
    with open(disk, "wb") as file:
        file.truncate(512 << 20)
    guest = maker.Guest(
        work, xen, "%s console=hvc0 quiet rdinit=/init,%s" % (kernel.image, initrd),
        ["-m", "2G", "-drive", "if=virtio,format=raw,cache=writethrough,file=" + disk],
        "dom0_mem=704M,max:704M console=com1 com1=115200 loglvl=none guest_loglvl=none",
        cpu="qemu64,+svm,+npt")
    try:
        guest.wait("READY", 1200)
        say("dom0 runs")
        pv, pvh, host = (os.path.join(work, name) for name in ("pv.core", "pvh.core", "host"))
        core, found = check_core(tally, "pv", pv, take_core(guest, disk, pv, "pv"))
        guest.command("stop")
        guest.dump(host)
        check_pv(tally, guest, core, pv, found, host)
        check_host(tally, host, found)
        guest.command("cont")
        guest.run("xl destroy pv", 300)
        check_core(tally, "pvh", pvh, take_core(guest, disk, pvh, "pvh"))
    finally:
        guest.end()
    tally.end(os.path.join(os.path.dirname(__file__), "xen.expect"))


main()
