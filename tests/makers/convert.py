# SPDX-License-Identifier: BSD-2-Clause
"""Files that `pagewalk convert` writes of real dumps, opened by drgn and by crash; and large ones.

drgn reads, of the new ELF core, every byte of memory that is in it, and what it reads of the dump
itself, where it opens that, or of the ELF core that QEMU wrote of the same guest, is the same.
crash says whose kernel it is. Needs ../shared. Prints TAP and how many passed and failed.
"""

import hashlib
import os
import pty
import struct
import subprocess
import sys
import tempfile

import drgn

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PAGEWALK = os.environ.get("PGW_TOOL", os.path.join(ROOT, "build", "pagewalk"))
DUMPS = os.path.join(os.environ.get("PGW_SHARED", ROOT + "/../shared"), "images", "dumps")
GIB = 1 << 30
passed = failed = 0


def check(name, is_ok, why=""):
    global passed, failed
    passed += bool(is_ok)
    failed += not is_ok
    print(f"{'ok' if is_ok else 'not ok'} {passed + failed} {name}", flush=True)
    if not is_ok:
        print(f"# {str(why)[:1500]}", flush=True)


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          text=True)


def segments(path):
    """Memory that an ELF core holds: (pa, size)."""
    with open(path, "rb") as file:
        header = file.read(64)
        phoff, = struct.unpack_from("<Q", header, 32)
        shoff, = struct.unpack_from("<Q", header, 40)
        nr, = struct.unpack_from("<H", header, 56)
        if nr == 0xFFFF:
            file.seek(shoff + 44)
            nr, = struct.unpack("<I", file.read(4))
        file.seek(phoff)
        for _ in range(nr):
            kind, _, _, _, pa, held, _, _ = struct.unpack("<IIQQQQQQ", file.read(56))
            if kind == 1 and held:
                yield pa, held


def read_all(path, ranges):
    """A hash of what drgn reads there. drgn opens one file a program."""
    program = drgn.Program()
    program.set_core_dump(path)
    digest = hashlib.sha256()
    for pa, size in ranges:
        for at in range(0, size, 1 << 20):
            digest.update(program.read(pa + at, min(1 << 20, size - at), True))
    return digest.hexdigest()


def compare(name, dump, reference, release, tmp):
    """By drgn, and if its kernel is named, by crash."""
    new = os.path.join(tmp, "new.elf")
    said = run(PAGEWALK, "convert", "--force", dump, new)
    check(f"{name}: convert", said.returncode == 0, said.stdout)
    ranges = list(segments(new))
    try:
        check(f"{name}: drgn reads the same, {sum(size for _, size in ranges)} bytes",
              ranges and read_all(new, ranges) == read_all(reference or dump, ranges))
    except Exception as error:  # pylint: disable=broad-except
        check(f"{name}: drgn reads it", False, error)
    if release:
        said = run("crash", "--osrelease", new)
        check(f"{name}: crash knows the kernel", said.stdout.strip() == release, said.stdout)
    said = run("readelf", "-lnW", new)
    check(f"{name}: readelf has no complaint", "readelf:" not in said.stdout, said.stdout[:300])


def real_dumps(tmp):
    reference = os.path.join(tmp, "a61.elf")
    run("zstd", "-q", "-d", "-f", "-o", reference, DUMPS + "/a61-qemu72.elf.zst")
    flat = os.path.join(tmp, "a61.flat")
    run("zstd", "-q", "-d", "-f", "-o", flat, DUMPS + "/a61-transcoded.kdump-snappy.flat.zst")
    lime = os.path.join(tmp, "a61.lime")
    run("zstd", "-q", "-d", "-f", "-o", lime, DUMPS + "/a61.lime.zst")
    compare("kdump of a crash, zlib", DUMPS + "/x86-kdump61-c-d31.kdump", None, "6.1.0-50-amd64",
            tmp)
    compare("kdump, LZO", DUMPS + "/sm-mdf172-l-d31.kdump", None, None, tmp)
    compare("kdump, zstd", DUMPS + "/a61-mdf178-z-d31.kdump", reference, None, tmp)
    compare("split kdump", DUMPS + "/a61-mdf172-split16-c-d31.2", reference, None, tmp)
    compare("flattened kdump, snappy", flat, reference, None, tmp)
    compare("LiME", lime, reference, None, tmp)
    compare("ELF core of QEMU", reference, None, None, tmp)
    new = os.path.join(tmp, "q.elf")
    run(PAGEWALK, "convert", "--force", DUMPS + "/x86-61-qemu72-zlib.flat", new)
    said = run("crash", "--osrelease", new)
    check("flattened kdump of QEMU: crash knows the kernel",
          said.stdout.strip() == "6.1.0-50-amd64", said.stdout)


def make_elf(path, pieces, size):
    """A core, pieces of (pa, offset, size), whose bytes are holes."""
    with open(path, "wb") as file:
        extended = len(pieces) >= 0xFFFF
        body = 64 + 56 * len(pieces)
        file.write(struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 4, 62, 1, 0, 64,
                               body if extended else 0, 0, 64, 56,
                               0xFFFF if extended else len(pieces), 64, extended, 0))
        for pa, offset, held in pieces:
            file.write(struct.pack("<IIQQQQQQ", 1, 4, offset, pa, pa, held, held, 0))
        file.write(struct.pack("<44xI16x", len(pieces)))
        file.truncate(size)
        file.seek(size - 4096)
        file.write(b"\xa5" * 4096)


def large(tmp):
    """5 GiB of memory, nearly all of it holes: they stay holes, and a terminal sees the progress."""
    image, new = os.path.join(tmp, "large"), os.path.join(tmp, "new")
    make_elf(image, [(4 * GIB, 4096, 5 * GIB)], 4096 + 5 * GIB)
    for form in ("elf", "lime", "raw"):
        said = run(PAGEWALK, "convert", "--force", "--format", form, image, new)
        check(f"5 GiB to {form}: status 0, no progress", said.returncode == 0
              and "writing" not in said.stdout, said.stdout)
        with open(new, "rb") as file:
            end = file.seek(-8192, os.SEEK_END)
            check(f"5 GiB to {form}: its end", end > 4 * GIB
                  and file.read() == bytes(4096) + b"\xa5" * 4096)
        check(f"5 GiB to {form}: few blocks", os.stat(new).st_blocks < 20000,
              os.stat(new).st_blocks)
        said = run(PAGEWALK, "info", new + ".map" if form == "raw" else new)
        check(f"5 GiB to {form}: read again", "5G in 1 ranges" in said.stdout, said.stdout)
    seen = b""

    def note(descriptor):
        nonlocal seen
        seen += (data := os.read(descriptor, 65536))
        return data

    stdout = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    status = pty.spawn([PAGEWALK, "convert", "--force", image, new], note)
    os.dup2(stdout, 1)
    check("5 GiB: progress on a terminal", status == 0 and b"writing: " in seen, seen[-200:])


def many(tmp):
    """70000 pieces are more than a header can count."""
    image, new = os.path.join(tmp, "many"), os.path.join(tmp, "new")
    nr = 70000
    make_elf(image, [(2 * i * 4096, (16 << 20) + i * 4096, 4096) for i in range(nr)],
             (16 << 20) + nr * 4096)
    for form in ("elf", "lime", "raw"):
        said = run(PAGEWALK, "convert", "--force", "--format", form, image, new)
        check(f"70000 pieces to {form}: status 0", said.returncode == 0, said.stdout)
        said = run(PAGEWALK, "info", "--json", new + ".map" if form == "raw" else new)
        check(f"70000 pieces to {form}: read again", f'"readable":{nr * 4096}' in said.stdout,
              said.stdout[:500])
        if form == "elf":
            said = run("readelf", "-lW", new)
            check("70000 pieces: readelf counts them",
                  f"There are {nr} program headers" in said.stdout, said.stdout[:300])


def main():
    with tempfile.TemporaryDirectory(prefix="pagewalk-convert-", dir="/var/tmp") as tmp:
        if os.path.isdir(DUMPS):
            real_dumps(tmp)
        else:
            check("real dumps: ../shared is there", False)
        large(tmp)
        many(tmp)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
