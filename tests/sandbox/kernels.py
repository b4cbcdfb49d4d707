#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The sandbox on other kernels than the one that is here: Debian's, each in a guest under QEMU's TCG.

Landlock's version is the kernel's. In each guest run the tests that try each forbidden thing, and the
command itself: what it says is in force, and that what it reads, unpacks and writes is what it is here.
Booted once more without Landlock, as a kernel may be, seccomp is all that is left.
"""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "makers"))

import maker  # noqa: E402

RELEASES = ("bookworm", "trixie", "sid")
DATA = os.path.join(maker.ROOT, "tests", "data")
PLAIN = os.path.join(DATA, "x86_64-la48-pti.small.elf")
PACKED = os.path.join(DATA, "arch", "armhf-short.elf.zst")
TESTS = [os.path.join(maker.ROOT, "build", "tests", "tool", name) for name in ("test_sandbox", "test_landlock")]
SUM = "sha256sum | cut -c 1-64"


def archive_for(folder):
    """busybox, the command, its tests, and two images."""
    archive = maker.Archive()
    maker.unpack(folder, "busybox-static")
    archive.file("bin/busybox", os.path.join(folder, "bin/busybox"))
    for name in "proc sys dev tmp sbin usr usr/bin usr/sbin var var/tmp etc lib modules".split():
        archive.folders.add(name)
        archive.add(name, b"", 0o40755)
    archive.add("etc/passwd", b"root:x:0:0::/:/bin/sh\n", 0o100644)
    archive.add("modules/order", b"", 0o100644)
    for path in [maker.PAGEWALK, *TESTS]:
        archive.program(path)
    # What unpacks is loaded when it is wanted.
    for library in ("libzstd.so.1",):
        path = subprocess.run(["sh", "-c", "ldconfig -p | sed -n 's/.*%s .*x86-64.*=> //p'" % library],
                              stdout=subprocess.PIPE, universal_newlines=True).stdout.split()[0]
        archive.file(path, os.path.realpath(path))
    archive.file(PLAIN, PLAIN)
    archive.file(PACKED, PACKED)
    archive.add("init", (maker.INIT % "ifconfig lo up").encode(), 0o100755)
    return archive


def passed(guest, path):
    """How many cases of a test passed; 0 if one failed."""
    lines = guest.run("CMOCKA_MESSAGE_OUTPUT=TAP %s 2>&1" % path, 600, None)
    bad = [line for line in lines if line.startswith("not ok")]
    if bad:
        maker.say("\n".join(lines))
    return 0 if bad else sum(line.startswith("ok") for line in lines)


def dump_of(image):
    return "dump --leaves --json %s" % image


def try_all(tally, guest, name):
    """One guest: its line of the results."""
    said = guest.run("%s info %s | cat" % (maker.PAGEWALK, PLAIN))
    force = [re.sub("^sandbox  *", "", line) for line in said if line.startswith("sandbox")]
    counts = [passed(guest, path) for path in TESTS]
    tally.result("%s: %s; %d and %d tests passed" % (name, force[0] if force else "?", *counts))
    for what, command in (("reads", dump_of(PLAIN)), ("unpacks", "dump --leaves --json --root 0x41d08000 " + PACKED)):
        here = subprocess.run("%s %s 2>/dev/null | %s" % (maker.PAGEWALK, command, SUM), shell=True, stdout=subprocess.PIPE,
                              universal_newlines=True).stdout.split()
        tally.same("%s: what it %s" % (name, what), here, guest.run("%s %s 2>/dev/null | %s" % (maker.PAGEWALK, command, SUM)))
    guest.run("cd /tmp; %s trim %s tables.elf && %s dump tables.elf | grep -q r-x; cd /" % (
        maker.PAGEWALK, PLAIN, maker.PAGEWALK))
    tally.check("%s: it writes" % name, True)


def main():
    if os.geteuid():
        raise SystemExit("check-sandbox: this needs root, to unpack and to boot")
    maker.install("qemu-system-x86")
    tally = maker.Tally()
    folder = maker.work_folder("sandbox")
    initrd = os.path.join(folder, "initrd")
    archive_for(folder).write(initrd)
    for debian in RELEASES:
        kernel = maker.Kernel(os.path.join(folder, debian), debian)
        name = "Linux " + ".".join(kernel.release.split(".")[:2])
        for append, more in (("", ""), ("lsm=lockdown,yama ", " without Landlock")):
            maker.say(name + more)
            guest = maker.Guest(folder, kernel, initrd, ["-m", "512"], append)
            guest.wait("READY")
            try_all(tally, guest, name + more)
            guest.end()
    tally.end(os.path.join(HERE, "kernels.expect"))


main()
