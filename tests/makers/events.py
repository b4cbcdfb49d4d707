# SPDX-License-Identifier: BSD-2-Clause
"""One guest before and after things that it does to its memory and says: mmap, mprotect, munmap, mremap,
a huge page by MADV_COLLAPSE, a kernel module. QEMU dumps it at each; `pagewalk diff` of two dumps that
follow each other has to say just that. What `trim` leaves of the dumps says the same; with
PGW_EVENTS_KEEP=FOLDER these are kept, for tests/data/events.
"""

import os
import shutil

import events_check
import maker
from maker import run, say

STEPS = ["m", "r", "v", "u", "t", "module"]
# Small, without structures of its own in memory, and needs no other.
MODULES = ["ts_kmp", "ts_bm", "crc7", "crc8"]


def leaves_of(lines):
    """Lines of info tlb: page to (frame, rights)."""
    found = {}
    for line in lines:
        va, pa, flags = line.split()
        va, pa = int(va.rstrip(":"), 16), int(pa, 16)
        rights = ("w" if flags[8] == "W" else "") + ("" if flags[0] == "X" else "x")
        for at in range(0, 2 << 20 if flags[2] == "P" else 4096, 4096):
            if va >> 63:
                found[va + at] = pa + at, rights
    return found


class Moment:
    """The guest, what it said last, and what QEMU knows of it then."""

    def __init__(self, guest, work, number):
        said, line = guest.wait("STATE-END")
        self.console = "\n".join(said + [line]) + "\n"
        self.state = events_check.states(self.console)[0]
        self.image = os.path.join(work, "%d.elf" % number)
        guest.command("stop")
        guest.dump(self.image)
        self.roots = process_root(self.image, self.state), kernel_root(self.image)
        self.leaves = leaves_of(guest.info_tlb(self.roots[1]))
        guest.command("cont")


def kernel_root(image):
    return int(maker.records("info", image)[0]["kernel_root"]["root"], 16)


def process_root(image, state):
    """Whose root maps the known address to the frame that the guest says it has there."""
    found = maker.records("find", image, "%x" % state.frames[events_check.KNOWN])
    return next(int(r["root"], 16) for r in found if r.get("record") == "mapping" and
                int(r["first"], 16) == events_check.KNOWN)


def start(work):
    kernel = maker.Kernel(os.path.join(work, "kernel"))
    archive = maker.guest_archive(kernel, work, [], "")
    program = os.path.join(work, "events")
    run("gcc", "-O1", "-static", "-o", program, os.path.join(os.path.dirname(__file__), "events.c"))
    archive.file("bin/events", program)
    module = next(name for name in MODULES if has_module(kernel, name))
    archive.file("modules/%s.ko" % module, kernel.module(module))
    initrd = os.path.join(work, "initrd")
    archive.write(initrd)
    guest = maker.Guest(work, kernel, initrd, ["-m", "144"], "nopti no_hash_pointers")
    guest.wait("READY")
    guest.run("echo never >/sys/kernel/mm/transparent_hugepage/enabled; mkfifo /tmp/go")
    guest.tell("/bin/events /tmp/go &")
    return guest, module


def moments(work):
    """The guest before all, and after each step."""
    guest, module = start(work)
    yield Moment(guest, work, 0)
    for number, step in enumerate(STEPS):
        if step == "module":
            guest.tell("insmod /modules/%s.ko; printf w >/tmp/go" % module)
        else:
            guest.tell("printf %s >/tmp/go" % step)
        yield Moment(guest, work, number + 1)
    guest.end()


def compare(tally, before, after, diff, what):
    events_check.check(tally, what, diff, (before.leaves, after.leaves), after.roots,
                       (before.state, after.state))


def keep(moment, number):
    folder = os.environ.get("PGW_EVENTS_KEEP")
    if folder:
        os.makedirs(folder, exist_ok=True)
        shutil.copy(moment.image + ".trimmed", os.path.join(folder, "%d.elf" % number))
        with open(os.path.join(folder, "console.txt"), "a" if number else "w") as file:
            file.write(moment.console)


def main():
    tally = maker.Tally()
    work = maker.work_folder("events")
    before = None
    for number, after in enumerate(moments(work)):
        say("the guest has done: %s" % after.state.name)
        tally.check("step %d did something" % number, after.state.name != "nothing")
        maker.pagewalk("trim", "--force", after.image, after.image + ".trimmed")
        keep(after, number)
        if before:
            diff = maker.records("diff", before.image, after.image)
            compare(tally, before, after, diff, after.state.name)
            trimmed = maker.records("diff", before.image + ".trimmed", after.image + ".trimmed")
            compare(tally, before, after, trimmed, after.state.name + ", trimmed")
            tally.same(after.state.name + ": the process is named by the diff", True,
                       any(r.get("name") == "events" for r in diff))
            os.unlink(before.image)
        before = after
    print("%d passed, %d failed" % (tally.passed, tally.failed), flush=True)
    raise SystemExit(tally.failed > 0)


def has_module(kernel, name):
    try:
        kernel.module(name)
    except IndexError:
        return False
    return True


if __name__ == "__main__":
    main()
