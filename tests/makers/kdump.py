# SPDX-License-Identifier: BSD-2-Clause
"""A kernel that crashes, and the kernel behind it that writes what is left: kdump.

The guest loads a second kernel (kexec -p) and crashes. The second runs in memory of its own, so
that all of the first stays as it was: QEMU's own walker, with CR3 set to a root of the first, says
what each format must give.
"""

import bisect
import os
import subprocess

import maker
from maker import say, run

# In the crash kernel: makedumpfile's options, by the name of the file.
IN_CRASH = {
    "c31": "-c -d 31",
    "l0": "-l -d 0",
    "u31": "-d 31",
    "e31": "-E -d 31",
    "flat": "-F -c -d 31",
}

# MiB of disks that are too small for c31.
FULL = (4, 10, 14)

HERE = os.path.dirname(os.path.abspath(__file__))
DISK_SIZE = 4 << 30


class Programs:
    """kexec and makedumpfile of Debian, unpacked; their libraries are installed."""

    def __init__(self, folder):
        self.folder = folder
        names = [n for p in ("kexec-tools", "makedumpfile") for n in maker.depends(p)
                 if n.startswith("lib")]
        maker.install(*dict.fromkeys(names))
        maker.unpack(folder, "kexec-tools", "makedumpfile")
        self.makedumpfile = [os.path.join(folder, "usr/bin/makedumpfile")]

    def newest(self, folder):
        """The command of unstable's makedumpfile, with the libraries of unstable."""
        names = [n for n in maker.depends("makedumpfile", "sid") if n.startswith("lib")]
        more = [n for p in names for n in maker.depends(p, "sid") if n.startswith("lib")]
        maker.unpack(folder, "makedumpfile", *dict.fromkeys(names + more), release="sid")
        libraries = os.path.join(folder, "usr/lib/x86_64-linux-gnu")
        say("makedumpfile " + maker.version("makedumpfile", "sid"))
        return [os.path.join(libraries, "ld-linux-x86-64.so.2"), "--library-path", libraries,
                os.path.join(folder, "usr/bin/makedumpfile")]


def boot(work, kernel, programs, load):
    """A guest that crashed, in the kernel that kexec loaded for that, with these options."""
    tree = os.path.join(work, "tree")
    crash = maker.guest_archive(kernel, tree, ["virtio_pci", "virtio_blk"], "")
    crash.program("/usr/bin/makedumpfile", programs.folder)
    crash.write(os.path.join(work, "crash-initrd"))
    archive = maker.guest_archive(kernel, tree, [],
                                  "for n in 0 1 2; do victim $n & done; sleep 1")
    archive.program("/sbin/kexec", programs.folder)
    archive.file("vmlinuz", kernel.image)
    archive.file("crash-initrd", os.path.join(work, "crash-initrd"))
    archive.write(os.path.join(work, "initrd"))
    disk = os.path.join(work, "disk")
    with open(disk, "wb") as file:
        file.truncate(DISK_SIZE)
    run("mke2fs", "-q", "-t", "ext4", "-F", disk)
    guest = maker.Guest(work, kernel, os.path.join(work, "initrd"), [
        "-m", "384M", "-smp", "2", "-drive", "if=virtio,format=raw,file=" + disk],
        "crashkernel=128M")
    guest.wait("READY")
    guest.run("kexec -p %s --initrd=/crash-initrd --append='%s nr_cpus=1 irqpoll reset_devices' "
              "/vmlinuz" % (load, maker.APPEND))
    say("the crash kernel is loaded")
    guest.tell("echo c >/proc/sysrq-trigger")
    guest.wait("READY", 600)
    say("the crash kernel runs")
    return guest


def take(guest, work, commands):
    """Let these commands of the crash kernel write files, and get them."""
    guest.run("mount -t ext4 /dev/vda /mnt")
    for name, command in commands.items():
        # On a full disk makedumpfile says that it failed.
        guest.run("cd /mnt; " + command, 900, None if name.startswith("full") else 0)
        say(name + " is written")
    guest.run("cd /; umount /mnt")
    for name in commands:
        run("debugfs", "-R", "dump /%s %s" % (name, os.path.join(work, name)),
            os.path.join(work, "disk"))


def in_crash(names):
    """What the crash kernel runs, by the name of the file that it writes."""
    commands = {"vmcore": "cp /proc/vmcore vmcore"}
    for name in names:
        to = ">flat 2>/dev/null" if name == "flat" else name
        commands[name] = "makedumpfile %s /proc/vmcore %s" % (IN_CRASH[name], to)
    return commands


def on_full_disks():
    commands = {}
    for size in FULL:
        name = "full%d" % size
        commands[name] = ("mount -t tmpfs -o size=%dM none /tmp; "
                          "makedumpfile -c -d 31 /proc/vmcore /tmp/%s; "
                          "cp /tmp/%s .; umount /tmp" % (size, name, name))
    return commands


def on_the_host(work, programs):
    """What makedumpfile makes of the plain vmcore here. {name: files}"""
    vmcore = os.path.join(work, "vmcore")
    parts = [os.path.join(work, "part.%d" % i) for i in (1, 2, 3)]
    run(*programs.makedumpfile, "--split", "--splitblock-size", "16384", "-c", "-d", "31", vmcore,
        *parts)
    whole = os.path.join(work, "reassembled")
    run(*programs.makedumpfile, "--reassemble", *parts, whole)
    zstd = os.path.join(work, "z31")
    run(*programs.newest(os.path.join(work, "newest")), "-z", "-d", "31", vmcore, zstd)
    return {"split": parts[:1], "reassembled": [whole], "z31": [zstd]}


def reference(guest, vmcore):
    """The leaves that QEMU's own walker finds from each root: {root: lines}, the kernel's first."""
    guest.command("stop")
    kernel_root = int(maker.records("info", vmcore)[0]["kernel_root"]["root"], 16)
    tlb = {root: guest.info_tlb(root)
           for root in [kernel_root] + maker.process_roots(maker.roots(vmcore))}
    guest.command("cont")
    return tlb


def compare(tally, name, tlb, of_vmcore, image):
    """All that a file says of each root is what QEMU's walker says."""
    for root, lines in tlb.items():
        leaves, summary = maker.leaves(root, *image)
        tally.same("%s: root %#x: %d leaves are those of info tlb" % (name, root, len(lines)),
                   lines, maker.as_info_tlb(leaves))
        tally.same("%s: root %#x: nothing is missing" % (name, root), (0, 0),
                   (summary.get("unreadable"), summary.get("malformed")))
    # Roots that are empty were given back, and may be left out as free pages.
    found = maker.roots(*image)
    tally.same(name + ": roots in use are those of the plain vmcore",
               {r: of_vmcore[r] for r in of_vmcore if of_vmcore[r]["state"] != "empty"},
               {r: found[r] for r in found if found[r]["state"] != "empty"})
    tally.same(name + ": no other root", [], sorted(set(found) - set(of_vmcore)))
    tally.same(name + ": roots that lack a table", [],
               [hex(r) for r in found if found[r]["missing"]])
    info, end = maker.records("info", *image)
    tally.result("%s: kind %s, flattened %s, parts %d, excluded pages %s, cut %s, roots in use %d" %
                 (name, info["kind"], info["flattened"], info["parts"], info["excluded"] > 0,
                  end["summary"]["truncated"],
                  sum(r["state"] != "empty" for r in found.values())))


def compare_cut(tally, name, tlb, path):
    """Of a dump that was not written to its end: no leaf is wrong, and what is missing is said."""
    info, end = maker.records("info", path)
    tally.check(name + ": is known to be cut", end["summary"]["truncated"])
    nr_found = nr_unsaid = 0
    wrong = []
    for root, lines in tlb.items():
        leaves, summary = maker.leaves(root, "--format", "x86_64-la48", path)
        found = maker.as_info_tlb(leaves)
        wrong += set(found) - set(lines)
        nr_found += len(found)
        nr_unsaid += len(found) < len(lines) and summary and not summary["unreadable"]
    tally.same(name + ": no leaf is wrong", [], wrong)
    tally.same(name + ": no leaf is missing without a word", 0, nr_unsaid)
    say("%s: %d of %d leaves" % (name, nr_found, sum(map(len, tlb.values()))))
    tally.result("%s: status %s" % (name, "incomplete" if end["summary"]["truncated"] else "whole"))


def drgn_reads(tally, name, tlb, path):
    """
    drgn, by its own walker, reads at each address what it reads where we say that this is. Only
    of what the file holds: after some thousand pages that it lacks, drgn 0.0.22 ends by a signal.
    """
    memory = [(int(r["first"], 16), int(r["last"], 16))
              for r in maker.records("info", path)[0]["memory"]]
    firsts = [first for first, _ in memory]

    def is_held(line):
        pa = int(line.split()[1], 16)
        at = bisect.bisect(firsts, pa)
        return at and pa <= memory[at - 1][1]

    done = subprocess.run(("/usr/bin/python3", "-B", os.path.join(HERE, "kdump_drgn.py"), path),
                          input="".join("%x %s\n" % (root, line) for root, lines in tlb.items()
                                        for line in lines if is_held(line)),
                          stdout=subprocess.PIPE, universal_newlines=True)
    words = done.stdout.split()
    tally.check(name + ": drgn reads the same at each address", done.returncode == 0 and
                int(words[0]) > 1000 and words[1] == "0", (done.returncode, done.stdout))
    say("%s: drgn: %s" % (name, done.stdout.strip()))


def crash_and_compare(tally, work, kernel, programs, load, names, more):
    """One crash: files of these names, and what is made of them, against QEMU and drgn."""
    os.makedirs(work, exist_ok=True)
    prefix = "kexec %s" % (load or "-p")
    guest = boot(work, kernel, programs, load)
    try:
        commands = dict(in_crash(names), **more)
        take(guest, work, commands)
        vmcore = os.path.join(work, "vmcore")
        tlb = reference(guest, vmcore)
    finally:
        guest.end()
    tally.same(prefix + ": three processes have their memory, by two roots each", 6,
               sum(map(maker.is_victim, tlb.values())))
    of_vmcore = maker.roots(vmcore)
    for name in ["vmcore"] + names:
        compare(tally, "%s: %s" % (prefix, name), tlb, of_vmcore, [os.path.join(work, name)])
    for name in ["vmcore"] + [n for n in names if n != "flat"]:
        drgn_reads(tally, "%s: %s" % (prefix, name), tlb, os.path.join(work, name))
    return tlb, of_vmcore


def main():
    tally = maker.Tally()
    work = maker.work_folder("kdump")
    maker.install("qemu-system-x86", "gcc", "libc6-dev", "e2fsprogs", "python3-drgn")
    kernel = maker.Kernel(os.path.join(work, "kernel"))
    programs = Programs(os.path.join(work, "programs"))
    tlb, of_vmcore = crash_and_compare(tally, os.path.join(work, "load"), kernel, programs, "",
                                       list(IN_CRASH), on_full_disks())
    for name in on_full_disks():
        compare_cut(tally, name, tlb, os.path.join(work, "load", name))
    for name, files in on_the_host(os.path.join(work, "load"), programs).items():
        compare(tally, name, tlb, of_vmcore, files)
    crash_and_compare(tally, os.path.join(work, "file"), kernel, programs, "-s", ["c31"], {})
    tally.end(os.path.join(HERE, "kdump.expect"))


main()
