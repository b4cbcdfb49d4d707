#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""QEMU's `info tlb`, of a machine that has the memory of an image and a CPU's registers.

peer_qemu.py RAW CR0 CR3 CR4 EFER: the machine is stopped all the time; its memory is the file
RAW, its registers are set through the GDB stub. Prints "VA PA" for each leaf, then the CPU
time that it took to answer.
"""

import glob
import json
import os
import re
import socket
import subprocess
import sys
import tempfile


CR0_AFTER_RESET = 0x60000010
CONTROL_REGISTERS = ["cr0", "cr2", "cr3", "cr4", "cr8", "efer"]


class Gdb:
    """As much of GDB's remote protocol as it takes to set registers."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.bytes = b""

    def ask(self, text):
        packet = text.encode()
        self.socket.sendall(b"$%s#%02x" % (packet, sum(packet) & 0xFF))
        while True:
            match = re.search(rb"\$([^#]*)#..", self.bytes)
            if match:
                self.bytes = self.bytes[match.end() :]
                self.socket.sendall(b"+")
                return match.group(1).decode("latin-1")
            self.bytes += self.socket.recv(65536)

    def get(self, number):
        answer = self.ask("p%x" % number)
        return int.from_bytes(bytes.fromhex(answer), "little") if answer[:1] != "E" else None

    def registers(self):
        """Numbers of the control registers. The stub's own description of their places is off
        by some, so cr0 is looked for by its value after a reset; the others follow it."""
        self.ask("qXfer:features:read:target.xml:0,ffb")  # single registers only who knows them
        for number in range(128):
            if self.get(number) == CR0_AFTER_RESET:
                return {name: number + i for i, name in enumerate(CONTROL_REGISTERS)}
        sys.exit("QEMU's GDB stub does not show CR0")

    def set(self, number, value):
        answer = self.ask("P%x=%s" % (number, value.to_bytes(8, "little").hex()))
        if answer != "OK":
            sys.exit("QEMU's GDB stub refuses to set a register")


class Qmp:
    def __init__(self, process):
        self.process = process
        self.answer("QMP")
        self.ask("qmp_capabilities")

    def answer(self, key):
        for line in self.process.stdout:
            reply = json.loads(line)
            if key in reply:
                return reply[key]
            if "error" in reply:
                sys.exit(reply["error"]["desc"])
        sys.exit("QEMU has ended")

    def ask(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer("return")


def cpu_ms(pid):
    """CPU time of all threads of a process."""
    total = 0
    for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
        with open(path, encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e6


def start(raw, gdb_path):
    size = os.path.getsize(raw)
    return subprocess.Popen(
        ["qemu-system-x86_64", "-machine", "none,memory-backend=ram", "-cpu", "max,apic-id=0",
         "-accel", "tcg", "-object", "memory-backend-file,id=ram,mem-path=%s,size=%d,share=off" % (raw, size),
         "-m", "%dB" % size, "-S", "-nodefaults", "-display", "none", "-qmp", "stdio",
         "-gdb", "unix:%s,server=on,wait=off" % gdb_path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def set_registers(gdb_path, values):
    gdb = Gdb(gdb_path)
    numbers = gdb.registers()
    for name, value in values:
        gdb.set(numbers[name], value)


def main():
    cr0, cr3, cr4, efer = (int(value, 16) for value in sys.argv[2:])
    with tempfile.TemporaryDirectory() as folder:
        gdb_path = os.path.join(folder, "gdb")
        process = start(sys.argv[1], gdb_path)
        try:
            qmp = Qmp(process)
            # Long mode is entered by setting PG last.
            set_registers(gdb_path, [("cr3", cr3), ("cr4", cr4), ("efer", efer), ("cr0", cr0)])
            begin = cpu_ms(process.pid)
            text = qmp.ask("human-monitor-command", **{"command-line": "info tlb"})
            taken = cpu_ms(process.pid) - begin
        finally:
            process.kill()
            process.wait()
    for va, pa in re.findall(r"^([0-9a-f]{16}): ([0-9a-f]{16})", text, re.MULTILINE):
        print(va, pa)
    print("time %.3f" % taken)


main()
