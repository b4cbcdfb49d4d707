# SPDX-License-Identifier: BSD-2-Clause
"""virt_images.py PAGEWALK NAME IMAGE EXPECT [cut]: compare every line of an image's expectations with
what dump and translate say of the trees that it has. Prints TAP.

A line is of a virtual machine ("vm A", "spte", which is KVM's trace of both), of the device that a
process owns ("vfio"), or of any of the devices ("traced")."""

import json
import subprocess
import sys

PAGE = 0x1000
X86_A = 1 << 5

# Who: "A" and "B" are virtual machines, "edu" is the device under vfio, others are other devices.
# Where the addresses are from: N_CR3, VTTBR_EL2, hgatp, context, device table and stream table
# entries as in the images' README; those of B on arm64 and riscv from the entries that lead to
# what a page of B is, one level after the other.
TREES = {
    "npt61": {"A": ("npt-48", 0x66CC000), "B": ("npt-48", 0x66F9000)},
    "npt72": {"A": ("npt-48", 0x60E2000), "B": ("npt-48", 0x6111000)},
    "s2arm61": {"A": ("arm64-s2-4k-l1:40", 0x43450000), "B": ("arm64-s2-4k-l1:40", 0x430FC000)},
    "s2a72": {"A": ("arm64-s2-4k-l1:40", 0x45196000), "B": ("arm64-s2-4k-l1:40", 0x45074000)},
    "gst612": {"A": ("riscv-sv57x4", 0x83604000), "B": ("riscv-sv57x4", 0x83618000)},
    "vtd61": {
        "edu": ("vtd-second-3", 0x63A8000),
        "e1000": ("vtd-second-3", 0x615A000),
        "1f": ("vtd-second-3", 0x6186000),
    },
    "vtd72pt": {"edu": ("vtd-second-4", 0x4F41000)},
    "vtd72sm": {
        "edu": ("vtd-second-4", 0x62D8000),
        "e1000": ("vtd-second-4", 0x4F5B000),
        "1f": ("vtd-second-4", 0x4F68000),
    },
    "amdvi72": {
        "edu": ("amdvi-4", 0x66F8000),
        "e1000": ("amdvi-3", 0x4F91000),
        "1f": ("amdvi-3", 0x4F97000),
    },
    "smmu61": {"edu": ("arm64-4k-48", 0x480DD000), "e1000": ("arm64-4k-48", 0x43484000)},
    "smmu72s2": {
        "edu": ("arm64-s2-4k-l0:44", 0x447C0000),
        "e1000": ("arm64-s2-4k-l0:44", 0x449C6000),
    },
}

# What devices says: (who, id, through, domain, root), and how many devices are blocked. By a walk of
# its own from the registers that QEMU told (roots.txt). Of virtual machines, whose numbers (ASID, VMID)
# are as the command says, the registers tell one each of s2arm61, s2a72 and gst612: that of root
# 0x43450000, 0x45196000 and 0x83604000 is 1.
P, T, I = "pass-through", "tables", "identity"
DEVICES = {
    "npt61": ([("vm", 0, 1, 0x66CC000), ("vm", 1, 2, 0x66F9000)], 0),
    "npt72": ([("vm", 0, 1, 0x60E2000), ("vm", 1, 2, 0x6111000)], 0),
    "s2arm61": ([("vm", 0, 2, 0x430FC000), ("vm", 1, 1, 0x43450000)], 0),
    "s2a72": ([("vm", 0, 2, 0x45074000), ("vm", 1, 1, 0x45196000)], 0),
    "gst612": ([("vm", 0, 1, 0x83604000), ("vm", 1, 2, 0x83618000)], 0),
    "vtd61": ([("00:00.0", T, 2, 0x6150000), ("00:01.0", T, 3, 0x615A000),
               ("00:02.0", T, 4, 0x63A8000), ("00:1f.0", I, 5, 0x6186000),
               ("00:1f.2", I, 5, 0x6186000), ("00:1f.3", I, 5, 0x6186000)], 0),
    "vtd72pt": ([("00:00.0", P, 1, None), ("00:01.0", P, 1, None),
                 ("00:02.0", T, 2, 0x4F41000), ("00:1f.0", P, 1, None),
                 ("00:1f.2", P, 1, None), ("00:1f.3", P, 1, None)], 0),
    "vtd72sm": ([("00:00.0", T, 2, 0x4F48000), ("00:01.0", T, 3, 0x4F5B000),
                 ("00:02.0", T, 4, 0x62D8000), ("00:1f.0", I, 5, 0x4F68000),
                 ("00:1f.2", I, 5, 0x4F68000), ("00:1f.3", I, 5, 0x4F68000)], 0),
    "amdvi72": ([("00:00.0", T, 2, 0x4F8E000), ("00:02.0", T, 3, 0x4F91000),
                 ("00:03.0", T, 6, 0x66F8000), ("00:1f.0", T, 5, 0x4F97000),
                 ("00:1f.2", T, 5, 0x4F97000), ("00:1f.3", T, 5, 0x4F97000)], 246),
    "smmu61": ([("0x8", T, 1, 0x43484000), ("0x10", T, 4, 0x480DD000)], 254),
    "smmu72s2": ([("0x0", T, 1, 0x442B1000), ("0x8", T, 2, 0x449C6000),
                  ("0x10", T, 4, 0x447C0000)], 253),
}

# A write-only mapping is one that may be read, too, in these tables.
NO_WRITE_ONLY = ("vtd61", "smmu61")
# Pages of no memory slot: the interface of the GIC's CPU, which KVM maps.
DEVICE_PAGES = {"s2a72": {0x8010000: 0x8040000}}
MMIO = {"npt61": {"A": (0xD0000000, 0xD0002000)}, "npt72": {"A": (0xD0000000, 0xD0002000)}}

# "Touched", as the program in the guest was written; but KVM's trace has no entry for the page in this
# virtual machine, so the guest did not get that far. (d000 is a table of its own for addresses that
# it never used.)
NEVER_SET = {"npt61": {"A": 0xD000, "B": 0x2000}, "npt72": {"A": 0xD000, "B": 0x2000}}

# Who has rights, by the JSON's keys.
ACTORS = ("guest", "device", "el1", "user")

nr_tests = 0
has_failed = False


def report(name, faults):
    global nr_tests, has_failed
    nr_tests += 1
    print(f"{'not ok' if faults else 'ok'} {nr_tests} - {name}")
    for fault in faults[:40]:
        print(f"# {fault}")
    has_failed |= bool(faults)


class Tree:
    def __init__(self, tool, image, form, root):
        half = ["--half", "user"] if form == "arm64-4k-48" else []
        self.args = [image, "--format", form, "--root", hex(root), *half]
        self.tool = tool
        self.root = root
        self.format = form.split(":")[0]
        self.nr_lines = 0
        self.pages = {}
        self.absent = {}
        self.nr_odd = 0
        for line in self.run("dump", "--leaves", "--absent"):
            self.take(line)

    def run(self, command, *args):
        return run_json(self.tool, command, "--json", *self.args, *args)

    def take(self, line):
        if "summary" in line:
            self.nr_odd = line["summary"]["malformed"] + line["summary"]["unreadable"]
            return
        if "pa" not in line:
            self.absent[int(line.get("va", line.get("first", "0")), 16)] = line
            return
        self.nr_lines += 1
        va, pa = int(line["va"], 16), int(line["pa"], 16)
        rights = next(line[actor] for actor in ACTORS if actor in line)
        for at in range(0, line["size"], PAGE):
            self.pages[va + at] = (pa + at, rights, int(line["entry"], 16))


class Line:
    """vm A gpa G hpa H bytes N touched T host R slot-read-only 0 slot NAME; vfio iova I phys P ..."""

    def __init__(self, text):
        word = text.split()
        self.text = text.strip()
        self.kind = word[0]
        self.who = word[1] if word[0] == "vm" else None
        pairs = dict(zip(word, word[1:]))
        self.va = int(pairs.get("gpa", pairs.get("iova", "0")), 16)
        self.pa = int(pairs.get("hpa", pairs.get("phys", "0")), 16)
        self.bytes = int(pairs.get("bytes", pairs.get("size", "0")), 16)
        self.rights = pairs.get("rights", "")
        self.touched = pairs.get("touched", "---")
        self.host = pairs.get("host", "rw")
        self.is_read_only = pairs.get("slot-read-only") == "1"
        self.at = int(pairs["at"], 16) if "at" in pairs else 0
        self.value = int(pairs["value-when-set"], 16) if "at" in pairs else 0

    def pages(self):
        return ((self.va + at, self.pa + at) for at in range(0, self.bytes, PAGE))


def check_vm_line(line, tree, never_set):
    """What is mapped is the slot's; what was touched is mapped, but for writes that were refused."""
    may_write = line.host == "rw" and not line.is_read_only
    refused = line.touched == "-w-" and not may_write
    for va, pa in line.pages():
        page = tree.pages.get(va)
        if page is None:
            if line.touched != "---" and not refused and va != never_set:
                return f"{va:x} is not mapped: {line.text}"
            continue
        if page[0] != pa or page[1][0] != "r":
            return f"{va:x} is {page[0]:x} {page[1]}: {line.text}"
        if page[1][1] == "w" and not may_write:
            return f"{va:x} may be written: {line.text}"
        if "w" in line.touched and page[1][1] != "w" and may_write:
            return f"{va:x} may not be written: {line.text}"
        if "x" in line.touched and page[1][2] != "x":
            return f"{va:x} may not be executed: {line.text}"
    return None


def check_device_line(line, tree, rights):
    for va, pa in line.pages():
        page = tree.pages.get(va)
        if page is None or page[0] != pa or (rights and page[1][:2] != rights):
            return f"{va:x} is {page and (hex(page[0]), page[1])}: {line.text}"
    return None


def check_spte_line(line, steps):
    """The trace says where the item is and what was written; A may have been cleared later."""
    for step in steps:
        if int(step["item"], 16) == line.at:
            entry = int(step["entry"], 16)
            if (entry | X86_A) == (line.value | X86_A):
                return None
            return f"{entry:x}: {line.text}"
    return f"no step at {line.at:x}: {line.text}"


def check_sptes(lines, trees):
    steps = {}
    for tree in trees.values():
        for got in tree.run("translate", *sorted({hex(line.va) for line in lines})):
            if "va" in got:
                steps.setdefault(int(got["va"], 16), []).extend(got["path"])
    return [fault for line in lines if (fault := check_spte_line(line, steps[line.va]))]


def check_translations(lines, tree):
    """translate says of the first address of each line what dump does."""
    faults = []
    for got in tree.run("translate", *sorted({hex(line.va) for line in lines})):
        if "va" not in got:
            continue
        page = tree.pages.get(int(got["va"], 16))
        if (page and page[0]) != (int(got["pa"], 16) if got["kind"] == "leaf" else None):
            faults.append(f"{got}: dump has {page}")
    return faults


def check_rest(tree, lines, extra):
    """Nothing is mapped that no line tells of."""
    known = {va: pa for line in lines for va, pa in line.pages()} | extra
    return [f"{va:x} is {page[0]:x}" for va, page in tree.pages.items() if known.get(va) != page[0]]


def check_vms(name, lines, trees):
    sptes = [line for line in lines if line.kind == "spte"]
    for who, tree in trees.items():
        never_set = NEVER_SET.get(name, {}).get(who)
        if never_set is not None and sum(line.va == never_set for line in sptes) >= len(trees):
            report(f"{name}: the trace has {never_set:x} of each", ["it has"])
        own = [line for line in lines if line.who == who]
        report(f"{name}: {len(own)} lines of virtual machine {who}",
               [fault for line in own if (fault := check_vm_line(line, tree, never_set))])
        report(f"{name}: ... and nothing else",
               check_rest(tree, own, DEVICE_PAGES.get(name, {})))
        report(f"{name}: ... and translate agrees", check_translations(own, tree))
        marks = MMIO.get(name, {}).get(who, ())
        report(f"{name}: ... and what is absent is MMIO, all of it",
               [] if sorted(tree.absent) == sorted(marks)
               and all(line.get("absent") == "mmio" for line in tree.absent.values())
               else [str(tree.absent)])
    if sptes:
        report(f"{name}: {len(sptes)} entries of KVM's trace", check_sptes(sptes, trees))


def check_devices(name, lines, trees):
    vfio = [line for line in lines if line.kind == "vfio"]
    traced = [line for line in lines if line.kind == "traced"]
    faults = []
    for line in vfio:
        rights = "rw" if line.rights == "-w" and name in NO_WRITE_ONLY else line.rights
        if fault := check_device_line(line, trees["edu"], rights):
            faults.append(fault)
    report(f"{name}: {len(vfio)} lines of the device under vfio", faults)
    report(f"{name}: ... and nothing else", check_rest(trees["edu"], vfio, {}))
    report(f"{name}: ... and translate agrees", check_translations(vfio, trees["edu"]))
    report(f"{name}: {len(traced)} lines of DMA mappings",
           [check_device_line(line, trees["edu"], None) for line in traced
            if all(check_device_line(line, tree, None) for tree in trees.values())])
    if "e1000" in trees:
        report(f"{name}: ... and the e1000 has nothing else",
               check_rest(trees["e1000"], traced, {}))


def run_json(tool, *args):
    out = subprocess.run([tool, *args], capture_output=True, timeout=60)
    if out.returncode not in (0, 1):
        raise SystemExit(out.stderr.decode())
    return [json.loads(line) for line in out.stdout.splitlines()]


# What the guest's own tables map (the README of the images), by its root at 0x8000: one to one, the first GiB
# and the fifth by 2M pages, the three between by pages of 1G; and a table at 0xd000, which stage 2 does not map
# (NEVER_SET).
GUEST_ROOT = 0x8000
GUEST_ONE_TO_ONE = (0x1000, 0x3FFF, 0x8000, 0x100000, 0x112345, 0x400000, 0x10000000, 0x20002000,
                    0x40000000, 0xD0000000, 0x100000000, 0x100001234)
GUEST_LOST = 0xFFFF800000000000


def guest_items(va):
    """The addresses of the items of the guest's tables, highest first."""
    items = [0x8000, 0x9000 + 8 * (va >> 30)]
    table = {0: 0xA000, 4: 0xC000}.get(va >> 30)
    return [*items, table + 8 * (va >> 21 & 511)] if table else items


def both_rights(a, b):
    return "".join(x if x == y else "-" for x, y in zip(a, b))


def nested_fault(va, inner, outer, tree):
    """Each step's item is where the host has it, and both stages together are what each says."""
    page = tree.pages.get(va & -PAGE)
    expected = page and page[0] + va % PAGE
    if inner["kind"] != "leaf" or int(inner["pa"], 16) != va or int(outer["va"], 16) != va:
        return f"{va:x}: {inner}"
    if expected != (int(outer["pa"], 16) if outer["kind"] == "leaf" else None):
        return f"{va:x}: {outer}, expected {expected}"
    for item, step in zip(guest_items(va), inner["path"], strict=True):
        where = tree.pages[item & -PAGE][0] + item % PAGE
        got = step["stage2"]
        if (int(step["item"], 16), int(got["va"], 16), int(got["pa"], 16)) != (item, item, where):
            return f"{va:x}: {step}"
        if got["path"][-1]["kind"] != "leaf" or int(got["path"][0]["item"], 16) & -PAGE != tree.root:
            return f"{va:x}: {got}"
    both = inner["both"]
    if both["stage"] != 2 or int(both["address"], 16) != va or both["kind"] != outer["kind"]:
        return f"{va:x}: {both}"
    if page and (int(both["pa"], 16), both["size"], both["kernel"], both["user"]) != (
            expected, min(inner["last_size"], outer["last_size"]),
            both_rights(inner["kernel"], page[1]), both_rights(inner["user"], page[1])):
        return f"{va:x}: {both}"
    return None


def check_nested(tool, name, image, tree):
    """translate --vm N --root shows the guest's stage and the host's, or where the host's ends."""
    vm = next(who[1] for who in DEVICES[name][0] if who[3] == tree.root)
    args = [hex(va) for va in (*GUEST_ONE_TO_ONE, GUEST_LOST)]
    lines = [line for line in run_json(tool, "translate", "--json", "--vm", str(vm), "--root",
                                       hex(GUEST_ROOT), "--format", "x86_64-la48", image, *args)
             if "va" in line]
    for line in lines:
        line["last_size"] = int(line["last"], 16) - int(line["first"], 16) + 1
    faults = [fault for va, inner, outer in zip(GUEST_ONE_TO_ONE, lines[0::2], lines[1::2])
              if (fault := nested_fault(va, inner, outer, tree))]
    inner, outer = lines[-2:]
    if inner["kind"] != "unreadable" or (int(outer["va"], 16), outer["kind"]) != (0xD000, "empty"):
        faults.append(f"{inner} {outer}")
    both = inner["both"]
    if (both["stage"], both["kind"], both["level"], int(both["address"], 16)) != (
            2, "empty", outer["level"], 0xD000):
        faults.append(str(both))
    report(f"{name}: the guest's own tables, and stage 2 behind them", faults)


def check_found(tool, name, image, trees):
    """devices finds them all, and nothing else; --vm and --device read the same tables as --root."""
    expected, nr_blocked = DEVICES[name]
    got, blocked = [], None
    for line in run_json(tool, "devices", "--json", image):
        if "summary" in line:
            blocked = line["summary"]["blocked"]
            continue
        who = ("vm", line["vm"]) if line["record"] == "vm" else (line["device"], line["through"])
        root = line["root"] and int(line["root"], 16)
        got.append((*who, line["domain"], root))
    report(f"{name}: devices finds the roots, and no other",
           [] if (got, blocked) == (expected, nr_blocked) else [str(got), str(blocked)])
    by_root = {who[3]: who for who in expected}
    faults = []
    for tree in trees.values():
        who = by_root[tree.root]
        choice = ["--vm", str(who[1])] if who[0] == "vm" else ["--device", who[0]]
        lines = run_json(tool, "dump", "--leaves", "--json", image, *choice)
        pages = sum("pa" in line for line in lines)
        if pages != tree.nr_lines or lines[-1]["summary"]["format"] != tree.format:
            faults.append(f"{choice}: {pages} lines, {tree.nr_lines} by --root")
    report(f"{name}: --vm and --device choose them", faults)


# A CPU that was stopped inside a guest: the register that its note has, the CPU, the VMCBs whose guests have it, and
# the root of the other CPU, which is in the host's kernel.
INSIDE = {"npt72": (0x8000, 1, (0x68BF000, 0x60A5000), 0x5803000)}


def check_inside(tool, name, image):
    """A register that is the guest's is not taken for the host's."""
    register, cpu, vmcbs, other = INSIDE[name]
    roots = {int(line["root"], 16): line for line in run_json(tool, "roots", "--json", image)
             if "root" in line}
    guest, host = roots.get(register, {}), roots.get(other, {})
    faults = []
    if (guest.get("state"), guest.get("cpus")) != ("guest", [cpu]):
        faults.append(str(guest))
    if int(guest.get("vmcb", "0"), 16) not in vmcbs:
        faults.append(str(guest))
    if (host.get("proof"), host.get("cpus")) != ("passed", [1 - cpu]):
        faults.append(str(host))
    kernel = run_json(tool, "dump", "--json", image)[-1]["summary"]["root"]
    if roots[int(kernel, 16)]["state"] not in ("kernel", "running"):
        faults.append(kernel)
    report(f"{name}: a CPU's register is the guest's that it ran", faults)


def check_roots(tool, name, image):
    """roots has each root once, with all who use it, and who goes through none."""
    expected, nr_blocked = DEVICES[name]
    wanted, got, blocked = {}, {}, 0
    for who in expected:
        through = T if who[0] == "vm" else who[1]
        user = (who[1] if who[0] == "vm" else who[0], who[2])
        wanted.setdefault((who[0] == "vm", through, who[3]), []).append(user)
    for line in run_json(tool, "roots", "--json", image):
        if line.get("record") == "blocked":
            blocked = line["devices"]
        elif line.get("record") in ("vm", "device"):
            key = (line["record"] == "vm", line["through"],
                   line["tables"] and int(line["tables"], 16))
            if key in got:
                got[key] = "twice"
            else:
                got[key] = [(user[line["record"]], user["domain"]) for user in line["users"]]
    report(f"{name}: roots has each once, with its users, and those without",
           [] if (got, blocked) == (wanted, nr_blocked) else [str(got), str(blocked)])
    text = subprocess.run([tool, "roots", image], capture_output=True, timeout=60).stdout.decode()
    headings = [line for line in text.splitlines() if line.startswith("# ")][:-1]
    order = ["# CPUs", "# processes", "# virtual machines", "# devices"]
    kinds = {"# virtual machines": any(who[0] == "vm" for who in expected),
             "# devices": nr_blocked or any(who[0] != "vm" for who in expected)}
    report(f"{name}: ... in sections",
           [] if headings == [each for each in order if kinds.get(each, each in headings)]
           else headings)


def main():
    tool, name, image, expect, *cut = sys.argv[1:]
    with open(expect, encoding="ascii") as file:
        lines = [Line(text) for text in file if text.strip()]
    trees = {who: Tree(tool, image, *at) for who, at in TREES[name].items()}
    report(f"{name}: nothing is malformed or missing",
           [who for who, tree in trees.items() if tree.nr_odd])
    if "A" in trees:
        check_vms(name, lines, trees)
    else:
        check_devices(name, lines, trees)
    check_found(tool, name, image, trees)
    check_roots(tool, name, image)
    if name in INSIDE and not cut:  # the kernel is cut off
        check_inside(tool, name, image)
    if name in NEVER_SET:
        check_nested(tool, name, image, trees["A"])
    print(f"1..{nr_tests}")
    sys.exit(1 if has_failed else 0)


main()
