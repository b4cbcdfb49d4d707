# SPDX-License-Identifier: BSD-2-Clause
"""What `pagewalk diff` has to say of two dumps of one guest, by what the guest itself said at both: its
pages by /proc/self/pagemap and maps, its huge pages by smaps, the kernel's areas by
/proc/vmallocinfo and /proc/modules. See events.c, which prints that.
"""

import re
from collections import Counter

PAGE = 4096
HUGE = 2 << 20
# Where events.c has pages from the beginning, by which its root is known.
KNOWN = 0x200000000000


class State:
    """What the guest said of itself at one time."""

    def __init__(self, name, text):
        self.name = name
        parts = dict(re.findall(r"^BEGIN (\S+)\n(.*?)^END \1$", text, re.M | re.S))
        self.areas = [(int(first, 16), int(end, 16), rights) for first, end, rights in
                      re.findall(r"^([0-9a-f]+)-([0-9a-f]+) (...)", parts["/proc/self/maps"], re.M)]
        self.frames = {int(va, 16): int(frame, 16) * PAGE for va, frame in
                       re.findall(r"^(\w+) (\w+)$", parts["pages"], re.M)}
        self.huge = self.huge_pages(parts["/proc/self/smaps"])
        self.vmalloc = self.vmalloc_pages(parts["/proc/vmallocinfo"])
        self.modules = {name: (int(base, 16), int(size)) for name, size, base in re.findall(
            r"^(\w+) (\d+) .* (0x[0-9a-f]+)", parts["/proc/modules"], re.M)}

    def huge_pages(self, smaps):
        """Pages of areas' huge pages: as many as the area has, and they are the first ones that follow each
        other in memory."""
        found = set()
        for first, end, kib in re.findall(
                r"^([0-9a-f]+)-([0-9a-f]+) .*?^AnonHugePages: +(\d+) kB", smaps, re.M | re.S):
            left = int(kib) << 10
            va = -(-int(first, 16) // HUGE) * HUGE
            while left and va < int(end, 16):
                base = self.frames.get(va, 1)
                if base % HUGE == 0 and all(self.frames.get(va + at) == base + at
                                            for at in range(0, HUGE, PAGE)):
                    found |= set(range(va, va + HUGE, PAGE))
                    left -= HUGE
                va += HUGE
            if left:
                raise SystemExit("smaps has huge pages that pagemap does not show")
        return found

    @staticmethod
    def vmalloc_pages(text):
        """Pages that areas map; the last page of an area is its guard."""
        found = set()
        for first, end, rest in re.findall(r"^0x([0-9a-f]+)-0x([0-9a-f]+)\s+(.*)$", text, re.M):
            first, end = int(first, 16), int(end, 16)
            nr = re.search(r" pages=(\d+)", rest)
            if nr:
                end = first + int(nr[1]) * PAGE
            elif re.search(r" (ioremap|vmap)", rest):
                end -= PAGE
            else:
                continue
            found |= set(range(first, end, PAGE))
        return found

    def mapped(self):
        """What the MMU sees: page to (frame, rights, is it huge)."""
        found = {}
        for first, end, rights in self.areas:
            for va in range(first, end, PAGE) if first < 1 << 47 and rights != "---" else ():
                if va in self.frames:
                    found[va] = self.frames[va], rights, va in self.huge
        return found


def states(console):
    """All that it said, in order."""
    return [State(name, text) for name, text in
            re.findall(r"^STATE (\S+) pid \d+\n(.*?)^STATE-END", console, re.M | re.S)]


def user_changes(before, after):
    """Page to what differs, as diff calls it."""
    a, b = before.mapped(), after.mapped()
    found = {}
    for va in a.keys() | b.keys():
        if va not in b:
            found[va] = "vanished"
        elif va not in a:
            found[va] = "appeared"
        elif a[va] != b[va]:
            found[va] = ",".join(name for name, i in (("moved", 0), ("rights", 1), ("size", 2))
                                 if a[va][i] != b[va][i])
    return found


def told(records, root, is_kernel):
    """The same by the records of diff."""
    found = {}
    for record in records:
        first, last = int(record.get("first", "0"), 16), int(record.get("last", "0"), 16)
        if record.get("record") == "change" and int(record["root"], 16) == root and \
                (first >> 63) == is_kernel:
            found |= {va: record["what"] for va in range(first, last + 1, PAGE)}
    return found


def check(tally, name, records, leaves, roots, states):
    """
    One pair. records: of diff; leaves: of the kernel's root, page to (frame, rights), of the first and
    the second; roots: of the process and the kernel; states: of the guest then.
    """
    before, after = states
    expected = user_changes(before, after)
    actual = told(records, roots[0], 0)
    tally.check("%s: the process: %s" % (name, dict(Counter(expected.values())) or "nothing"),
                expected == actual, sorted(expected.items() ^ actual.items())[:10])
    kernel = told(records, roots[1], 1)
    was, now = leaves
    # The kernel's own areas: what appeared and what vanished.
    began, ended = after.vmalloc - before.vmalloc, before.vmalloc - after.vmalloc
    areas = {va: "appeared" for va in began} | {va: "vanished" for va in ended}
    there = {va: what for va, what in kernel.items() if what in ("appeared", "vanished")}
    tally.check("%s: the kernel's areas: %s" % (name, dict(Counter(areas.values())) or "none"),
                areas == there, sorted(areas.items() ^ there.items())[:10])
    # Nothing else but rights, and what was split for them, in the direct map.
    rest = {va: what for va, what in kernel.items() if va not in there}
    new = {pa: rights for va, (pa, rights) in now.items() if va in began}
    old = {was[va][0] for va in ended if va in was}
    odd = [va for va, what in rest.items() if "rights" in what.split(",") and
           not (now[va][0] in old or ("w" not in new.get(now[va][0], "w") and
                                      "w" not in now[va][1]))]
    sizes = {va & -HUGE for va, what in rest.items() if "size" in what.split(",")}
    why = {va & -HUGE for va, what in rest.items() if "rights" in what.split(",")}
    tally.check("%s: other rights and smaller leaves are those of new code: %s" %
                (name, dict(Counter(rest.values())) or "none"),
                not odd and sizes <= why and
                all(set(what.split(",")) <= {"rights", "size"} for what in rest.values()),
                ([hex(va) for va in odd[:5]], [hex(va) for va in sorted(sizes - why)[:5]],
                 dict(Counter(rest.values()))))
    for module in sorted(after.modules.keys() - before.modules.keys()):
        base, size = after.modules[module]
        mapped = [va for va, what in there.items() if base <= va < base + size]
        tally.check("%s: module %s: %d bytes" % (name, module, size),
                    len(mapped) * PAGE == -(-size // PAGE) * PAGE and
                    all(there[va] == "appeared" for va in mapped), len(mapped))
