# SPDX-License-Identifier: BSD-2-Clause
"""What the tests with real makers share: packages, a guest under QEMU, pagewalk's answers."""

import atexit
import glob
import gzip
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PAGEWALK = os.environ.get("PGW_TOOL", os.path.join(ROOT, "build", "pagewalk"))
CACHE = os.path.join(
    os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "pagewalk", "makers"
)
os.environ["LC_ALL"] = "C"
started = time.monotonic()


def say(text):
    print("%4d s: %s" % (time.monotonic() - started, text), file=sys.stderr, flush=True)


class Tally:
    """Counts what passed and what failed, and says each."""

    def __init__(self):
        self.passed = self.failed = 0
        self.results = []

    def check(self, name, is_ok, why=""):
        self.passed += bool(is_ok)
        self.failed += not is_ok
        print(
            "%s %d %s" % ("ok" if is_ok else "not ok", self.passed + self.failed, name), flush=True
        )
        if not is_ok:
            say("failed: %s: %s" % (name, str(why)[:2000]))

    def same(self, name, expected, actual):
        self.check(name, expected == actual, "expected %.900r, found %.900r" % (expected, actual))

    def result(self, text):
        """A line of the small result that is kept beside the test."""
        self.results.append(text)
        say("result: " + text)

    def end(self, expect):
        """Compare the results with the file of those that are expected, and leave."""
        if os.environ.get("PGW_MAKERS_RENEW"):
            with open(expect, "w") as file:
                file.write("# SPDX-License-Identifier: BSD-2-Clause\n")
                file.write("".join(line + "\n" for line in self.results))
        with open(expect) as file:
            self.same("the results are those of " + os.path.basename(expect),
                      [line for line in file.read().splitlines() if line[0] != "#"], self.results)
        print("%d passed, %d failed" % (self.passed, self.failed), flush=True)
        sys.exit(self.failed > 0)


def work_folder(name):
    """A folder for large files, which goes when the test ends, unless PGW_MAKERS_WORK names one."""
    named = os.environ.get("PGW_MAKERS_WORK")
    if named:
        os.makedirs(named, exist_ok=True)
        return named
    folder = tempfile.mkdtemp(prefix="pagewalk-%s-" % name, dir="/var/tmp")
    atexit.register(shutil.rmtree, folder, True)
    return folder


def run(*command, **kwargs):
    """The command's output. What fails is an error."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, errors="replace", **kwargs)
    if done.returncode:
        say("%s ended with %d:\n%s" % (shlex.join(command), done.returncode, done.stdout[-3000:]))
        raise SystemExit(1)
    return done.stdout


def install(*packages):
    have = subprocess.run(("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n") + packages,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          universal_newlines=True).stdout
    missing = [p for p in packages if p + " installed" not in have.splitlines()]
    if missing:
        say("installing " + " ".join(missing))
        run("apt-get", "-q", "update")
        run("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "install",
            "--no-install-recommends", *missing,
            env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))


def apt_options(release):
    """apt's options for another release of Debian, with lists and a state of its own."""
    if not release:
        return []
    folder = os.path.join(CACHE, release)
    options = ["-o", "Dir::State=" + folder, "-o", "Dir::State::status=%s/status" % folder,
               "-o", "Dir::Cache=" + folder, "-o", "Dir::Etc::sourcelist=%s/list" % folder,
               "-o", "Dir::Etc::sourceparts=/dev/null", "-o", "Acquire::Languages=none",
               "-o", "APT::Sandbox::User=root"]
    if not os.path.exists(os.path.join(folder, "is-updated")):
        say("getting the lists of " + release)
        os.makedirs(os.path.join(folder, "lists/partial"), exist_ok=True)
        os.makedirs(os.path.join(folder, "archives/partial"), exist_ok=True)
        targets = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(ORIGIN)",
                      "Created-By: Packages").splitlines()
        mirror = [line.split()[0] for line in targets if line.endswith(" Debian") and
                  "security" not in line and "updates" not in line][0]
        with open(os.path.join(folder, "list"), "w") as file:
            file.write("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n"
                       % (mirror, release))
        open(os.path.join(folder, "status"), "w").close()
        run("apt-get", "-q", *options, "update", "--error-on=any")
        open(os.path.join(folder, "is-updated"), "w").close()
    return options


def version(package, release=None):
    for line in run("apt-cache", *apt_options(release), "policy", package).splitlines():
        if "Candidate:" in line:
            return line.split()[1]
    raise SystemExit(package + ": no such package")


def unpack(folder, *packages, release=None):
    """Unpack Debian's packages into the folder; nothing is installed."""
    for package in packages:
        name = "%s_%s_*" % (package, version(package, release).replace(":", "%3a"))
        if not glob.glob(os.path.join(CACHE, name)):
            say("getting " + package)
            os.makedirs(CACHE, exist_ok=True)
            run("apt-get", "-q", "-o", "APT::Sandbox::User=root", *apt_options(release), "download",
                package, cwd=CACHE)
        run("dpkg", "-x", glob.glob(os.path.join(CACHE, name))[0], folder)


def depends(package, release=None):
    """The packages that this one needs."""
    lines = run("apt-cache", *apt_options(release), "depends", package).splitlines()
    return [line.split()[1] for line in lines if line.split()[0] == "Depends:"]


class Kernel:
    """Debian's cloud kernel, unpacked: image, modules and, for its name, release."""

    def __init__(self, folder, debian=None):
        """debian: of this release of Debian."""
        self.folder = folder
        package = [p for p in depends("linux-image-cloud-amd64", debian) if p.startswith("linux-image-")][0]
        # Newer ones have the image in a package of its own.
        binary = [p for p in depends(package, debian) if p.startswith("linux-binary-")]
        unpack(folder, *(binary or [package]), release=debian)
        self.release = package.replace("linux-image-", "")
        places = ["boot/vmlinuz-" + self.release, "usr/lib/modules/%s/vmlinuz" % self.release]
        self.image = [path for path in (os.path.join(folder, p) for p in places) if os.path.exists(path)][0]

    def module(self, name):
        modules = os.path.join(self.folder, "lib/modules", self.release)
        return glob.glob(os.path.join(modules, "**", name + ".ko"), recursive=True)[0]

    def with_needed(self, names):
        """The modules with those that they say they need, these first."""
        order = []
        for name in names:
            with open(self.module(name), "rb") as file:
                said = file.read().split(b"\0depends=", 1)[1].split(b"\0", 1)[0].decode()
            order += self.with_needed([n for n in said.split(",") if n]) + [name]
        return list(dict.fromkeys(order))

# Processes that stand still, each with memory of its own, so that their tables do not change.
VICTIM = r"""
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	int n = argv[argc - 1][0] - '0';
	char *data = mmap((void *)0x2000000000, 4 << 20, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	char *code = mmap((void *)(0x1000000000 + n * 0x40000000L), 16384, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	memset(data, 0x41 + n, (4 << 20) - 4096 * n);
	memset(code, 0x90, 8192);
	mprotect(code, 4096, PROT_READ | PROT_EXEC);
	mprotect(data, 8192, PROT_NONE);
	for (;;)
		pause();
}
"""

# The guest does what it is told on its console, a line at a time, and says when it is done.
INIT = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo -onlcr
for m in $(cat /modules/order); do insmod "/modules/$m" || echo "no module $m"; done
%s
echo "READY"
while read -r line; do
	eval "$line"
	echo "DONE $?"
done
"""


class Archive:
    """An initramfs: newc, written as its format is published."""

    def __init__(self):
        self.entries = []
        self.folders = set()

    def add(self, name, data, mode):
        folder = os.path.dirname(name)
        if folder and folder not in self.folders:
            self.folders.add(folder)
            self.add(folder, b"", 0o40755)
        self.entries.append((name, data, mode, 0))

    def file(self, name, path):
        with open(path, "rb") as file:
            self.add(name.lstrip("/"), file.read(), 0o100755)

    def program(self, path, root=""):
        """A program with the libraries that it needs, from the system or from an unpacked root."""
        self.file(path, root + path)
        for word in run("ldd", root + path).split():
            if word.startswith("/") and word.lstrip("/") not in (e[0] for e in self.entries):
                self.file(word, os.path.realpath(word))

    def write(self, path):
        data = b""
        out = []
        for i, (name, data, mode, device) in enumerate(self.entries + [("TRAILER!!!", b"", 0, 0)]):
            raw = name.encode() + b"\0"
            numbers = (i + 1, mode, 0, 0, 1, 0, len(data), 0, 0, device, device, len(raw), 0)
            head = b"070701" + b"".join(b"%08x" % n for n in numbers) + raw
            out += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]
        with gzip.open(path, "wb", 1) as file:
            file.write(b"".join(out))


def guest_archive(kernel, work, modules, setup):
    """What each guest has: busybox, the processes, these modules, init with a setup of its own."""
    archive = Archive()
    unpack(work, "busybox-static")
    archive.file("bin/busybox", os.path.join(work, "bin/busybox"))
    for folder in "proc sys dev tmp sbin usr usr/bin usr/sbin mnt".split():
        archive.folders.add(folder)
        archive.add(folder, b"", 0o40755)
    victim = os.path.join(work, "victim")
    run("gcc", "-O1", "-static", "-x", "c", "-o", victim, "-", input=VICTIM)
    archive.file("bin/victim", victim)
    modules = kernel.with_needed(modules)
    for name in modules:
        archive.file("modules/%s.ko" % name, kernel.module(name))
    archive.add("modules/order", "".join(m + ".ko\n" for m in modules).encode(), 0o100644)
    archive.add("init", (INIT % setup).encode(), 0o100755)
    return archive


# A busy machine makes the guest's timers late, which is no reason to panic.
APPEND = "console=ttyS0 quiet rdinit=/init no_timer_check "


class Guest:
    """A guest under QEMU's TCG."""

    def __init__(self, folder, kernel, initrd, options=(), append="", cpu="Nehalem"):
        self.folder = folder
        self.console = b""
        names = ("qmp", "serial", "gdb")
        self.path = {n: os.path.join(folder, n) for n in names}
        for path in self.path.values():
            if os.path.exists(path):
                os.unlink(path)
        self.qemu = subprocess.Popen(
            ["nice", "qemu-system-x86_64", "-machine", "q35", "-nodefaults", "-display", "none",
             "-accel", "tcg,thread=multi", "-cpu", cpu, "-kernel", kernel.image, "-initrd", initrd,
             "-append", APPEND + append,
             "-chardev", "socket,id=serial,server=on,wait=off,path=" + self.path["serial"],
             "-serial", "chardev:serial", "-qmp", "unix:%s,server=on,wait=off" % self.path["qmp"],
             "-gdb", "unix:%s,server=on,wait=off" % self.path["gdb"]] + list(options),
            stdin=subprocess.DEVNULL)
        atexit.register(self.qemu.kill)
        self.serial = self.connect("serial")
        self.qmp = self.connect("qmp").makefile("rw")
        self.qmp.readline()
        self.command("qmp_capabilities")

    def connect(self, name):
        for _ in range(100):
            try:
                s = socket.socket(socket.AF_UNIX)
                s.connect(self.path[name])
                return s
            except OSError:
                s.close()
                time.sleep(0.1)
        raise SystemExit("QEMU did not start")

    def command(self, name, **arguments):
        self.qmp.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.qmp.flush()
        while True:
            answer = json.loads(self.qmp.readline())
            if "error" in answer:
                raise SystemExit("%s: %s" % (name, answer["error"]))
            if "return" in answer:
                return answer["return"]

    def monitor(self, line):
        return self.command("human-monitor-command", **{"command-line": line}).replace("\r", "")

    def wait(self, word, seconds=300):
        """What the console says until a line begins with the word, and that line."""
        end = time.monotonic() + seconds
        said = []
        while time.monotonic() < end:
            while b"\n" in self.console:
                line, self.console = self.console.split(b"\n", 1)
                line = line.decode(errors="replace").rstrip("\r")
                if line.startswith(word):
                    return said, line
                said.append(line)
            self.serial.settimeout(max(end - time.monotonic(), 0.01))
            try:
                data = self.serial.recv(65536)
            except socket.timeout:
                break
            if not data:
                break
            self.console += data
        say("the console says:\n" + "\n".join(said[-30:]) + self.console.decode(errors="replace"))
        raise SystemExit("the guest did not say %s in %d s" % (word, seconds))

    def tell(self, line):
        self.serial.sendall(line.encode() + b"\n")

    def run(self, line, seconds=300, status=0):
        """What the line says that the guest's shell runs."""
        self.tell(line)
        said, done = self.wait("DONE ", seconds)
        if status is not None and done != "DONE %d" % status:
            raise SystemExit("%s: %s\n%s" % (line, done, "\n".join(said)))
        return said

    def dump(self, path):
        """All memory, as QEMU writes it; the guest stands still meanwhile."""
        self.command("dump-guest-memory", paging=False, protocol="file:" + path)

    def info_tlb(self, root):
        """The leaves that QEMU's own walker finds, the guest being stopped: the monitor's lines."""
        gdb = self.connect("gdb")

        def packet(text):
            gdb.sendall(b"$%s#%02x" % (text, sum(text) & 255))
            answer = b""
            while b"#" not in answer[:-2]:
                answer += gdb.recv(65536)
            gdb.sendall(b"+")
            return answer[answer.index(b"$") + 1:answer.index(b"#")]

        def load_cr3(value):
            assert packet(b"P1d=" + value) == b"OK", "register 29 is CR3 in QEMU's list"

        # Only a debugger that asks for the list of registers may name one.
        packet(b"qXfer:features:read:target.xml:0,ffff")
        before = packet(b"p1d")
        load_cr3(root.to_bytes(8, "little").hex().encode())
        lines = self.monitor("info tlb").splitlines()
        load_cr3(before)
        gdb.close()
        return lines

    def end(self):
        try:
            self.command("quit")
        except (SystemExit, ValueError, OSError):
            pass
        self.qemu.wait(30)


def pagewalk(*arguments, status=(0,)):
    """(what it printed, what it said on standard error, status)"""
    done = subprocess.run((PAGEWALK,) + arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, timeout=600)
    if status is not None and done.returncode not in status:
        say("pagewalk %s ended with %d: %s" %
            (shlex.join(arguments), done.returncode, done.stderr[-600:]))
    return done.stdout, done.stderr, done.returncode


def records(*arguments, status=(0, 1)):
    out = pagewalk(*arguments, "--json", status=status)[0]
    return [json.loads(line) for line in out.splitlines()]


def roots(*image):
    """The roots of an image, by address."""
    return {int(r["root"], 16): r for r in records("roots", *image) if "root" in r}


def leaves(root, *image, half="both"):
    """(va, pa, size, entry) of each leaf of a root, sorted, and the summary."""
    found = records("dump", "--leaves", "--no-fold", "--root", hex(root), "--half", half, *image)
    if not found:
        return [], {}
    return ([(int(r["va"], 16), int(r["pa"], 16), r["size"], int(r["entry"], 16))
             for r in found if "va" in r and "entry" in r], found[-1].get("summary", {}))


def process_roots(found):
    """Those that have user memory: kernel's and user's side each."""
    return [root for root, r in found.items() if r["state"] in ("mapped", "running")]


def is_victim(lines):
    """Are these lines of info tlb of one of the processes that stand still?"""
    return any(line.startswith("0000002000002000: ") for line in lines)


def as_info_tlb(found):
    """Leaves as the lines of QEMU's monitor: all from the entry, nothing from our flags."""
    lines = []
    for va, _, size, entry in found:
        flags = "".join(letter if entry >> bit & 1 else "-" for letter, bit in
                        zip("XGPDACTUW", (63, 8, 7, 6, 5, 4, 3, 2, 1)))
        if size == 4096:
            flags = flags[:2] + "-" + flags[3:]
        pa = entry & ((1 << 52) - 1) & -size
        lines.append("%016x: %016x %s" % (va, pa, flags))
    return lines
