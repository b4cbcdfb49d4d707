#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Other tools on the same images: what they find, against what QEMU said of the guest, and how
long they take. run.py PAGEWALK PEERS ORACLES IMAGE... (scripts/bench-peers); PEERS is the folder of the programs.
Of compressed dumps (*.kdump), the kernel's root.

Prints a table in Markdown. Times are CPU time, the least of REPEATS.
"""

import json
import os
import resource
import struct
import subprocess
import sys
import tempfile

REPEATS = 5
LARGE_HOLE = 16 << 20
EFER = 0xD00  # long mode, active, no-execute: the notes of a dump do not have it
HERE = os.path.dirname(os.path.abspath(__file__))


def read_oracle(path):
    leaves = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            va, rest = line.split(":")
            leaves[int(va, 16)] = int(rest.split()[0], 16)
    return leaves


def segments(file):
    header = file.read(64)
    (offset,), (number,) = struct.unpack_from("<Q", header, 32), struct.unpack_from("<H", header, 56)
    for i in range(number):
        file.seek(offset + 56 * i)
        kind, _, at, _, pa, size = struct.unpack("<IIQQQQ", file.read(40))
        if kind == 1:
            yield pa, at, size


def write_raw(image, path):
    """The machine's memory below the first large hole, as a file."""
    with open(image, "rb") as file, open(path, "wb") as raw:
        end = 0
        for pa, at, size in sorted(segments(file)):
            if pa - end > LARGE_HOLE:
                break
            file.seek(at)
            raw.seek(pa)
            for done in range(0, size, 1 << 20):
                raw.write(file.read(min(size - done, 1 << 20)))
            end = pa + size


def cpu_ms():
    """CPU time of the processes that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1e3


def run(command, addresses):
    """Least time, the leaves; or the message why not."""
    best, text = None, ""
    for _ in range(REPEATS):
        begin = cpu_ms()
        done = subprocess.run(command, input=addresses, capture_output=True, text=True, check=False)
        taken = cpu_ms() - begin
        if done.returncode not in (0, 1) or not done.stdout:
            return None, (done.stderr.strip().split("\n") or ["no output"])[-1]
        text = done.stdout
        last = text[text.rindex("\n", 0, -1) + 1 :].split()
        if last[0] == "time":
            taken = float(last[1])
        best = taken if best is None else min(best, taken)
    return best, text


def leaves_of(text):
    leaves = {}
    for line in text.splitlines():
        if line[0] in "#t":
            continue
        words = line.replace("-", " ", 1).split() if line.startswith("0x") else line.split()
        va, pa = (words[0], words[2]) if line.startswith("0x") else words[:2]
        leaves[int(va, 16)] = int(pa, 16)
    return leaves


def row(name, work, oracle, result, reference):
    best, text = result
    if best is None:
        return "| %s | %s | | | | cannot: %s |" % (name, work, text.replace("|", "/"))
    leaves = leaves_of(text)
    equal = "equal" if leaves == oracle else "NOT EQUAL"
    ratio = "1" if best == reference else "%.1f" % (best / reference)
    return "| %s | %s | %.1f | %s | %d / %d | %s |" % (
        name, work, best, ratio, len(leaves), len(oracle), equal)


def compressed(tool, peers, oracles, image):
    """All leaves of the kernel's root of a kdump-compressed dump."""
    name = os.path.basename(image)[: -len(".kdump")]
    oracle = read_oracle(os.path.join(oracles, name + ".info-tlb.txt"))
    records = subprocess.check_output([tool, "info", "--json", image], text=True).splitlines()
    root = json.loads(records[0])["kernel_root"]
    levels = "5" if root["format"].endswith("la57") else "4"
    addresses = "".join("%016x\n" % va for va in oracle)
    own = run([os.path.join(peers, "peer_leaves"), image, root["root"]], None)
    addrxlat = run([os.path.join(peers, "peer_addrxlat"), image, root["root"], levels], addresses)
    drgn = run(["/usr/bin/python3", os.path.join(HERE, "peer_drgn.py"), image], addresses)
    print("\n%s, the kernel's root\n" % os.path.basename(image))
    print("| tool | what it does | ms | times pagewalk | leaves / oracle's | result |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(row("libpagewalk", "finds every leaf and its rights", oracle, own, own[0]))
    work = "translates given addresses"
    print(row("libkdumpfile, libaddrxlat", work, oracle, addrxlat, own[0]))
    print(row("drgn", work, oracle, drgn, own[0]))
    print("| crash | | | | | cannot: it needs the kernel's symbols, which are in no dump |")
    if own[0] and addrxlat[0]:
        ratio = own[0] / addrxlat[0]
        print("\nlibpagewalk: %.2f of libkdumpfile, goal 0.2%s" % (ratio, "" if ratio <= 0.2 else ": MISSED"))


def main():
    tool, peers, oracles = sys.argv[1:4]
    for image in sys.argv[4:]:
        if image.endswith(".kdump"):
            compressed(tool, peers, oracles, image)
            continue
        name = os.path.basename(image)[: -len(".elf")]
        oracle_path = os.path.join(oracles, name + ".info-tlb.txt")
        if not os.path.exists(oracle_path):
            print("%s: left out: no oracle %s" % (name, os.path.basename(oracle_path)), file=sys.stderr)
            continue
        oracle = read_oracle(oracle_path)
        records = subprocess.check_output([tool, "info", "--json", image], text=True).splitlines()
        info = json.loads(records[0])
        cpu = next(iter(info["cpus"]))
        addresses = "".join("%016x\n" % va for va in oracle)
        levels = "5" if int(cpu["cr4"], 16) & 1 << 12 else "4"
        dump = run([tool, "dump", "--leaves", "--root", "cpu0", "--half", "both", image], None)
        with tempfile.TemporaryDirectory() as folder:
            raw = os.path.join(folder, "raw")
            write_raw(image, raw)
            qemu = run([sys.executable, os.path.join(HERE, "peer_qemu.py"), raw, cpu["cr0"],
                        cpu["cr3"], cpu["cr4"], hex(EFER)], None)
        own = run([os.path.join(peers, "peer_pagewalk"), image], addresses)
        addrxlat = run([os.path.join(peers, "peer_addrxlat"), image, cpu["cr3"], levels], addresses)
        drgn = run(["/usr/bin/python3", os.path.join(HERE, "peer_drgn.py"), image], addresses)
        print("\n%s\n" % name)
        print("| tool | what it does | ms | times pagewalk | leaves / oracle's | result |")
        print("| --- | --- | --- | --- | --- | --- |")
        work = "finds every leaf"
        print(row("`pagewalk dump --leaves`, whole", work + " and its rights", oracle, dump, dump[0]))
        print(row("QEMU `info tlb`, the answer alone", work, oracle, qemu, dump[0]))
        work = "translates given addresses"
        print(row("libpagewalk", work + ", with rights", oracle, own, own[0]))
        print(row("libkdumpfile, libaddrxlat", work, oracle, addrxlat, own[0]))
        print(row("drgn", work, oracle, drgn, own[0]))


main()
