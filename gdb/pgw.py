# SPDX-License-Identifier: BSD-2-Clause
"""pgw: page tables of the machine that gdb is connected to. In gdb: source .../pgw.py, help pgw.

Each command runs the program pagewalk, which asks for memory and registers as it asks any gdb stub; here
it is gdb that answers, through the connection that it has. See pagewalk-gdb(7). gdb 13 or later.
"""

import contextlib
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from xml.sax.saxutils import quoteattr

import gdb

# What pagewalk asks for at once, in digits, of which two are a byte: what a slow probe reads in time.
PACKET_SIZE = 0x8000
STOOD = ": the machine stood before, and was not started"

COMMANDS = {
    "info": "what is known of the machine: registers, roots, the kernel",
    "roots": "all page-table roots in memory, with what each is for",
    "ps": "the processes of the Linux in memory, with the root of each",
    "maps": "the areas of a process's memory (--pid PID)",
    "dump": "what every virtual address maps to, and with which rights",
    "translate": "what addresses map to, with each entry on the way",
    "find": "who maps a physical address, or a symbol",
    "stats": "how much is mapped by pages of which size, by root",
    "audit": "what should not be there: writable code, aliases, pages of tables",
    "devices": "virtual machines, and devices behind an IOMMU",
    "report": "all of it as one page for a browser (-o FILE)",
    "symbols": "the kernel's own names of its addresses",
    "sql": "all of it as tables of SQLite",
    "export": "the same tables as files (NEW)",
    "trim": "write page tables alone into a file (NEW)",
    "convert": "write memory into a file (NEW)",
    "extract": "write the memory of a virtual machine inside into a file (--vm N NEW)",
}
# These begin at the root of the CPU that is selected, if nothing else is said.
HAS_CPU_ROOT = {"dump", "translate"}
OTHER_ROOTS = re.compile(r"--(ro|pi|vm$|vm=|d|k)")  # as far as one may shorten them


class Program(gdb.Parameter):
    """The program that pgw runs: pagewalk, of the same version; a name is looked for in PATH."""

    set_doc = "Set the program that pgw runs."
    show_doc = "Show the program that pgw runs."

    def __init__(self):
        super().__init__("pgw-program", gdb.COMMAND_DATA, gdb.PARAM_FILENAME)
        self.value = "pagewalk"

    def get_set_string(self):
        return ""

    def get_show_string(self, value):
        return 'The program that pgw runs is "%s".' % value


class MemoryKind(gdb.Parameter):
    """Which addresses the remote's memory has.

    auto: it switches to physical ones, as QEMU's stub does (Qqemu.PhyMemMode), and pgw has it do so for as
    long as a command takes. physical: they are physical ones in any case, as those of a probe may be."""

    set_doc = "Set which addresses the remote's memory has: auto or physical."
    show_doc = "Show which addresses the remote's memory has."

    def __init__(self):
        super().__init__("pgw-memory", gdb.COMMAND_DATA, gdb.PARAM_ENUM, ["auto", "physical"])
        self.value = "auto"

    def get_set_string(self):
        return ""

    def get_show_string(self, value):
        return 'The remote\'s memory is "%s".' % value


PROGRAM, MEMORY_KIND = Program(), MemoryKind()


@contextlib.contextmanager
def interrupts_wait():
    """Ctrl-C is seen where interrupt_came() asks: nothing that must be put back is left half done."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def interrupt_came():
    return signal.sigtimedwait([signal.SIGINT], 0) is not None


class Machine:
    """What gdb is connected to: its CPUs are gdb's threads. close() puts back what was."""

    def __init__(self):
        self.inferior = gdb.selected_inferior()
        self.threads = sorted(self.inferior.threads(), key=lambda thread: thread.num)
        self.thread = gdb.selected_thread()
        if self.thread is None:
            raise gdb.GdbError("pgw: gdb is not connected to a machine; see help target remote")
        self.frame = gdb.selected_frame()
        self.order = "little" if "little" in gdb.execute("show endian", to_string=True) else "big"
        self.names = [register.name for register in self.inferior.architecture().registers()]
        self.nr_read = 0
        self.is_qemu = MEMORY_KIND.value == "auto"
        self.was_physical = self.is_physical = not self.is_qemu or self.ask_mode()

    def packet(self, text):
        send = getattr(self.inferior.connection, "send_packet", None)
        return send(text) if send else b""

    def ask_mode(self):
        answer = self.packet("qqemu.PhyMemMode")
        if answer not in (b"0", b"1"):
            raise gdb.GdbError(
                "pgw: the remote does not switch to physical memory, as QEMU's stub does;"
                " if all that it reads is physical: set pgw-memory physical"
            )
        return answer == b"1"

    def use(self, physical):
        """Let addresses of memory be physical, or virtual. gdb keeps what it read as code and stack."""
        if not self.is_qemu or physical == self.is_physical:
            return
        answer = self.packet("Qqemu.PhyMemMode:%d" % physical)
        if answer != b"OK":
            raise gdb.GdbError("pgw: the remote does not switch to physical memory, or back: %r" % answer)
        self.is_physical = physical
        gdb.execute("maintenance flush dcache", to_string=True)

    def read(self, pa, size):
        if size > PACKET_SIZE:
            raise ValueError("nobody asks for so much at once")
        self.use(physical=True)
        self.nr_read += size
        return bytes(self.inferior.read_memory(pa, size))

    def register(self, index):
        """Its bytes as the machine has them. To gdb a value may be negative, or flags."""
        self.use(physical=False)
        value = gdb.newest_frame().read_register(self.names[index])
        size = value.type.sizeof
        return (int(value) & (1 << 8 * size) - 1).to_bytes(size, self.order)

    def close(self):
        try:
            self.use(self.was_physical)
        finally:
            self.thread.switch()
            if self.frame.is_valid():
                self.frame.select()


def frame(text):
    return b"$%s#%02x" % (text, sum(text) & 255)


class Stub:
    """Answers what pagewalk asks in gdb's remote protocol (gdb's manual, "Remote Protocol")."""

    def __init__(self, machine):
        self.machine = machine
        registers = "".join(
            "<reg name=%s bitsize='64' regnum='%d'/>" % (quoteattr(name), i)
            for i, name in enumerate(machine.names)
        )
        target = "<target><architecture>%s</architecture><feature name='gdb'>%s</feature></target>"
        self.target = (target % (machine.inferior.architecture().name(), registers)).encode()
        self.answers = {
            rb"qSupported": lambda: b"PacketSize=%x;qXfer:features:read+;QStartNoAckMode+" % PACKET_SIZE,
            rb"QStartNoAckMode": lambda: b"OK",
            rb"qXfer:features:read:target\.xml:(\w+),(\w+)": self.describe,
            rb"qfThreadInfo": lambda: b"m" + b",".join(b"%x" % (i + 1) for i in range(len(machine.threads))),
            rb"qsThreadInfo": lambda: b"l",
            rb"Hg(\w+)": self.select,
            rb"p(\w+)": lambda number: machine.register(int(number, 16)).hex().encode(),
            rb"m(\w+),(\w+)": lambda pa, size: machine.read(int(pa, 16), int(size, 16)).hex().encode(),
            rb"qRcmd,(\w+)": self.monitor,
        }

    def describe(self, at, size):
        at, size = int(at, 16), int(size, 16)
        piece = self.target[at : at + size]
        more = b"m" if at + size < len(self.target) else b"l"
        return more + re.sub(rb"[#$*}]", lambda match: b"}" + bytes([match[0][0] ^ 0x20]), piece)

    def select(self, number):
        self.machine.threads[int(number, 16) - 1].switch()
        return b"OK"

    def monitor(self, line):
        """Only QEMU's is asked: who knows what a line means to others."""
        if not self.machine.is_qemu:
            return b""
        text = gdb.execute("monitor " + bytes.fromhex(line.decode()).decode(), to_string=True).encode()
        size = PACKET_SIZE // 4
        pieces = [b"O" + text[at : at + size].hex().encode() for at in range(0, len(text), size)]
        return [*pieces, b"OK"]

    def answer(self, packet):
        """Bytes to be sent. An empty packet: that is not known. E01: it cannot be had."""
        said = b""
        for pattern, answer in self.answers.items():
            if match := re.fullmatch(pattern + rb"(?::.*)?", packet):
                try:
                    said = answer(*match.groups())
                except (gdb.error, ValueError, OverflowError, IndexError):
                    said = b"E01"
                break
        return b"+" + b"".join(frame(text) for text in (said if isinstance(said, list) else [said]))


class Connection:
    """Packets of the program's, and what is still to be sent to it."""

    def __init__(self, stub, connected):
        self.stub, self.socket = stub, connected
        self.received = self.to_send = b""
        connected.setblocking(False)

    def wanted(self):
        return selectors.EVENT_WRITE if self.to_send else selectors.EVENT_READ

    def talk(self):
        """Do what can be done now: nothing is answered while something waits to be sent."""
        if self.to_send:
            self.to_send = self.to_send[self.socket.send(self.to_send) :]
        else:
            data = self.socket.recv(PACKET_SIZE)
            if not data:
                raise OSError("it hung up")
            self.received += data
        if not self.to_send and (match := re.search(rb"\$([^#]*)#..", self.received, re.DOTALL)):
            self.received = self.received[match.end() :]
            self.to_send = self.stub.answer(match[1])


class Progress:
    """What takes long says on a terminal how far it is: memory comes at some MiB a second."""

    def __init__(self, machine):
        self.machine = machine
        self.is_shown = False
        self.due = time.monotonic() + 1

    def show(self):
        if self.machine and time.monotonic() > self.due and os.isatty(2):
            os.write(2, b"\rpgw: %d MiB of memory read" % (self.machine.nr_read >> 20))
            self.is_shown = True
            self.due = time.monotonic() + 0.2

    def end(self):
        if self.is_shown:
            os.write(2, b"\r\033[K")


class Run:
    """The program while it runs. What it says is gdb's to print when all is put back."""

    def __init__(self, words, stub=None, listener=None):
        self.stub, self.listener = stub, listener
        self.progress = Progress(stub.machine if stub else None)
        self.connection = None
        self.selector = selectors.DefaultSelector()
        if listener:
            self.selector.register(listener, selectors.EVENT_READ)
        self.output, self.errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        # Ctrl-C is gdb's, which ends it.
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.errors, start_new_session=True
        )

    def accept(self):
        connected = self.listener.accept()[0]
        if self.connection:
            connected.close()
            return
        self.connection = Connection(self.stub, connected)
        self.selector.register(connected, selectors.EVENT_READ)

    def hang_up(self):
        if self.connection:
            self.selector.unregister(self.connection.socket)
            self.connection.socket.close()
            self.connection = None

    def step(self, seconds):
        for key, _ in self.selector.select(seconds):
            if key.fileobj is self.listener:
                self.accept()
                continue
            try:
                self.connection.talk()
                self.selector.modify(key.fileobj, self.connection.wanted())
            except OSError:
                self.hang_up()

    def to_the_end(self):
        """Its exit status. KeyboardInterrupt: the user does not want it any more."""
        while self.process.poll() is None:
            self.step(0.02)
            self.progress.show()
            if interrupt_came():
                raise KeyboardInterrupt
        return self.process.returncode

    def close(self):
        self.progress.end()
        self.hang_up()
        self.process.terminate()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.selector.close()


def text_of(file):
    file.seek(0)
    return file.read().decode(errors="backslashreplace")


def run_program(command, image, arguments, stub=None, listener=None):
    """@return exit status, what it printed, its messages"""
    program = shutil.which(PROGRAM.value)
    if not program:
        raise gdb.GdbError("pgw: there is no program '%s'; see help set pgw-program" % PROGRAM.value)
    run = Run([program, command, image, *arguments], stub, listener)
    try:
        status = run.to_the_end()
    finally:
        run.close()
    return status, text_of(run.output), text_of(run.errors)


def cpu_root(machine, command, arguments):
    """The root of the selected CPU, if none is named; of arm64's two, the one that the address is below."""
    if any(OTHER_ROOTS.match(word) for word in arguments):
        return []
    root = ["--root", "cpu%d" % machine.threads.index(machine.thread)]
    is_arm64 = machine.inferior.architecture().name().startswith("aarch64")
    last = re.fullmatch("(0x)?[0-9a-fA-F]{1,16}", arguments[-1] if arguments else "")
    if command == "translate" and is_arm64 and last and not int(last[0], 16) >> 55 & 1:
        root += ["--half", "user"]
    return root


def ask_machine(command, arguments):
    with interrupts_wait(), contextlib.ExitStack() as to_do:
        machine = Machine()
        to_do.callback(machine.close)
        listener = to_do.enter_context(socket.socket(socket.AF_UNIX))
        folder = to_do.enter_context(tempfile.TemporaryDirectory(prefix="pgw-"))
        listener.bind(os.path.join(folder, "gdb"))
        listener.listen()
        if command in HAS_CPU_ROOT:
            arguments = [*cpu_root(machine, command, arguments), *arguments]
        image = "gdb:%s,physical,stopped" % listener.getsockname()
        status, *texts = run_program(command, image, arguments, Stub(machine), listener)
        return status, *(text.replace(image, "gdb") for text in texts)


def evaluate(word):
    """What begins as no argument of pagewalk's does is an expression of gdb's."""
    if word[:1] not in ("$", "&"):
        return word
    return hex(int(gdb.parse_and_eval(word)) & (1 << 64) - 1)


def show(status, output, errors):
    gdb.set_convenience_variable("pgw_status", status)
    gdb.write(output)
    # To gdb a machine always stood before.
    errors = "".join(line for line in errors.splitlines(True) if STOOD not in line)
    if status not in (0, 1):
        raise gdb.GdbError(errors.strip() or "pgw: the program ended by signal %d" % -status)
    gdb.write(errors, gdb.STDERR)


class Pgw(gdb.Command):
    """Page tables of the machine that gdb is connected to: QEMU's, or one whose memory is physical.

    Each command is that of the program pagewalk: pgw dump --help tells its options. Addresses are in
    hexadecimal, or symbols of the kernel's with @ before them, or what gdb makes of a word that begins
    with $ or &: pgw translate $pc. Without a --root, dump and translate begin at that of the CPU that
    is selected, which is a thread. $pgw_status is 1 if something was found that should not be there,
    or is not mapped."""

    def __init__(self):
        super().__init__("pgw", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, prefix=True)

    def invoke(self, argument, from_tty):
        if argument:
            raise gdb.GdbError("pgw: there is no command '%s'; see help pgw" % argument.split()[0])
        gdb.execute("help pgw")


class PgwCommand(gdb.Command):
    def __init__(self, name, summary):
        self.name = name
        self.__doc__ = "%s.\nUsage: pgw %s [OPTION]... [ARGUMENT]...\nSee pgw %s --help, pagewalk-%s(1)." % (
            summary[0].upper() + summary[1:], name, name, name,
        )  # fmt: skip
        super().__init__("pgw " + name, gdb.COMMAND_DATA, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        self.dont_repeat()
        words = gdb.string_to_argv(argument)
        try:
            if "--help" in words:
                show(*run_program(self.name, "IMAGE", words))
            else:
                show(*ask_machine(self.name, [evaluate(word) for word in words]))
        except gdb.error as failed:
            raise gdb.GdbError("pgw: %s" % failed) from failed


Pgw()
for _name, _summary in COMMANDS.items():
    PgwCommand(_name, _summary)
