#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# How trim treats files: what it never replaces, what it leaves behind, and that the new
# image says what the old one says. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
image=$root/tests/data/x86_64-la48-pti.small.elf
mkdir "$tmp/d"
new=$tmp/d/new

# unchanged NAME FILE...: the image is as it was, and the folder holds these files, no more.
unchanged() {
	name=$1
	shift
	{
		cmp "$image" "$tmp/copy" 2>&1 || :
		find "$tmp/d" -mindepth 1 | sort | sed "s|^$tmp/d/||" >"$tmp/there"
		printf '%s\n' "$@" | sort | sed '/^$/d' | diff - "$tmp/there" || :
	} >"$tmp/why"
	tap_empty "$name" "$tmp/why"
}
cp "$image" "$tmp/copy"

# The bundled image is a trimmed one: there is nothing more to leave out.
ends 'trim: status 0' 0 trim "$image" "$new"
check 'trim: the summary' grep -qx '# 13 roots, 146 tables: 588K kept of 588K' "$tmp/out"
check 'trim: a trimmed image stays as it is' cmp "$image" "$new"
unchanged 'trim: leaves the new file and nothing else' new
printf 'old' >"$new"
complains 'trim: what is there is not replaced' 2 'there is such a file already' trim "$image" "$new"
check 'trim: ... and not changed' test "$(cat "$new")" = old
ends 'trim --force: status 0' 0 trim --force "$image" "$new"
check 'trim --force: replaces it' cmp "$image" "$new"
run trim --json --force "$image" "$new"
printf '{"summary":{"roots":13,"tables":146,"kept":602112,"readable":602112,"truncated":false,"unreadable":284741632}}\n' >"$tmp/expected"
same 'trim --json' "$tmp/expected" "$tmp/out"
(
	umask 027
	pagewalk trim --force "$image" "$new" >/dev/null
)
check 'trim: the umask decides who may read it' test "$(stat -c %a "$new")" = 640
rm "$new"

# The input is never touched, by whatever name.
cp "$image" "$tmp/d/in"
ln -s in "$tmp/d/symlink"
ln "$tmp/d/in" "$tmp/d/hardlink"
for link in in symlink hardlink; do
	case $link in
	symlink) why='not a regular file' ;;
	*) why='the input itself' ;;
	esac
	complains "trim --force: onto the input: $link" 2 "$why" \
		trim --force "$tmp/d/in" "$tmp/d/$link"
done
complains 'trim --force: onto the input, by another path' 2 'the input itself' \
	trim --force "$tmp/d/symlink" "$tmp/d/../d/in"
check 'trim: the input is as it was' cmp "$image" "$tmp/d/in"
rm "$tmp/d"/*

# Raw memory, in two files.
python3 - "$image" "$tmp/d/low" "$tmp/d/high" <<'PYTHON'
import struct
import sys
SPLIT = 0x8000000
with open(sys.argv[1], 'rb') as file:
    data = file.read()
phoff, nr = struct.unpack_from('<Q16xH', data, 32)[0], struct.unpack_from('<H', data, 56)[0]
files = [open(path, 'wb') for path in sys.argv[2:]]
for i in range(nr):
    kind, _, offset, _, pa, held, _, _ = struct.unpack_from('<IIQQQQQQ', data, phoff + i * 56)
    if kind == 1 and held:
        files[pa >= SPLIT].seek(pa % SPLIT)
        files[pa >= SPLIT].write(data[offset:offset + held])
PYTHON
truncate -s 128M "$tmp/d/low" "$tmp/d/high"
cksum "$tmp/d/low" "$tmp/d/high" >"$tmp/sums"
ram="--ram 0=$tmp/d/low --ram 8000000=$tmp/d/high"
# shellcheck disable=SC2086 # words
{
	ends 'trim --ram: status 0' 0 trim $ram "$new"
	pagewalk roots $ram | sed 's/; .*//' >"$tmp/expected"
	pagewalk roots "$new" | sed 's/; .*//' >"$tmp/actual"
	same 'trim --ram: roots are the same' "$tmp/expected" "$tmp/actual"
	pagewalk dump $ram >"$tmp/expected"
	pagewalk dump "$new" >"$tmp/actual"
	same 'trim --ram: dump is the same' "$tmp/expected" "$tmp/actual"
	check 'trim --ram: ... and not empty' grep -q '^0xffff' "$tmp/actual"
	for file in low high; do
		complains "trim --ram --force: onto the $file file" 2 'the input itself' \
			trim $ram --force "$tmp/d/$file"
	done
}
cksum "$tmp/d/low" "$tmp/d/high" >"$tmp/actual"
same 'trim --ram: the inputs are as they were' "$tmp/sums" "$tmp/actual"
rm "$tmp/d"/*

# What is no regular file.
mkdir "$tmp/d/folder"
mkfifo "$tmp/d/fifo"
ln -s nowhere "$tmp/d/dangling"
for kind in folder fifo dangling; do
	complains "trim: onto a $kind" 2 'there is such a file already' trim "$image" "$tmp/d/$kind"
	complains "trim --force: onto a $kind" 2 'not a regular file' \
		trim --force "$image" "$tmp/d/$kind"
done
unchanged 'trim: these stay, and nothing else comes' folder fifo dangling
rm -r "$tmp/d"/*
complains 'trim: into no folder' 3 'No such file or directory' trim "$image" "$tmp/no/new"
complains 'trim: no image' 2 'no image is given' trim
complains 'trim: no new file' 2 'an argument is missing' trim "$image"
complains 'trim: a third file' 2 'one argument too many' trim "$image" "$new" other

# A failure leaves nothing behind.
status=0
(
	ulimit -f 200
	pagewalk trim "$image" "$new" >"$tmp/out" 2>"$tmp/err"
) || status=$?
printf '3 pagewalk: %s: File too large\n' "$new" >"$tmp/expected"
printf '%s %s\n' "$status" "$(cat "$tmp/err")" >"$tmp/actual"
same 'trim: the file cannot be written: status 3' "$tmp/expected" "$tmp/actual"
unchanged 'trim: ... and nothing is left behind' ''
printf old >"$new"
(
	ulimit -f 200
	pagewalk trim --force "$image" "$new" >"$tmp/out" 2>"$tmp/err"
) || :
check 'trim --force: ... and what was there is there' test "$(cat "$new")" = old
unchanged 'trim --force: ... alone' new
rm "$new"

# An image that is cut short, and one without roots.
head -c 600000 "$image" >"$tmp/short"
run trim "$tmp/short" "$new"
check 'trim: an image that is cut short: status 1' test "$status" -eq 1
check 'trim: ... and a line that says so' grep -q ': the file is cut short' "$tmp/err"
pagewalk dump --root cpu0 "$tmp/short" >"$tmp/expected" 2>/dev/null || :
pagewalk dump --root cpu0 "$new" >"$tmp/actual" 2>/dev/null || :
same 'trim: ... what is there is kept' "$tmp/expected" "$tmp/actual"
rm "$new"
python3 -c "
import struct, sys
sys.stdout.buffer.write(struct.pack('<16sHHIQQQIHHHHHHIIQQQQQQ', b'\x7fELF\2\1\1', 4, 62, 1, 0, 64, 0,
                                    0, 64, 56, 1, 0, 0, 0, 1, 4, 120, 0, 0, 4096, 4096, 0) + bytes(4096))
" >"$tmp/empty"
complains 'trim: no roots: status 1' 1 'no root of page tables' trim "$tmp/empty" "$new"
unchanged 'trim: ... and nothing is written' ''

# More segments than the ELF header can count: 66,000 tables of which one entry is there.
python3 - "$tmp/many" <<'PYTHON'
import struct
import sys
PAGE, NR, ROOT, PUD, PMD = 4096, 66000, 0x1000, 0x2000, 0x3000
PTES = [0x40000000 + i * 2 * PAGE for i in range(NR)]
def table(addresses):
    entries = [pa | 7 for pa in addresses]
    return struct.pack('<512Q', *entries, *[0] * (512 - len(entries)))
nr_pmds = -(-NR // 512)
tables = table([PUD]) + table([PMD + i * PAGE for i in range(nr_pmds)])
for i in range(nr_pmds):
    tables += table(PTES[i * 512:(i + 1) * 512])
qemu = bytearray(440)
struct.pack_into('<II', qemu, 0, 1, len(qemu))
struct.pack_into('<QxxxxxxxxxxxxxxxxQQ', qemu, 392, 1 << 31, ROOT, 1 << 5)
note = struct.pack('<III5s3x', 5, len(qemu), 0, b'QEMU') + bytes(qemu)
nr = NR + 2
body = 64 + nr * 56 + 64
with open(sys.argv[1], 'wb') as file:
    file.write(struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\2\1\1', 4, 62, 1, 0, 64,
                           body - 64, 0, 64, 56, 0xffff, 64, 1, 0))
    def header(kind, offset, pa, held, size):
        file.write(struct.pack('<IIQQQQQQ', kind, 4, offset, pa, pa, held, size, 0))
    header(4, body, 0, len(note), len(note))
    header(1, body + len(note), ROOT, len(tables), len(tables))
    for pa in PTES:
        header(1, body + len(note), pa, 8, PAGE)
    file.write(struct.pack('<44xI16x', nr) + note + tables)
PYTHON
ends 'trim: 66,000 pieces: status 0' 0 trim "$tmp/many" "$new"
check 'trim: ... and all tables are there' grep -q ' 66131 tables: ' "$tmp/out"
pagewalk dump --root cpu0 "$tmp/many" >"$tmp/expected" 2>/dev/null || :
pagewalk dump --root cpu0 "$new" >"$tmp/actual" 2>/dev/null || :
same 'trim: ... dump is the same' "$tmp/expected" "$tmp/actual"
check 'trim: ... with their leaves' grep -q ' 66000 leaves, .* 66000 unreadable' "$tmp/actual"
readelf -lW "$new" >"$tmp/out" 2>"$tmp/why" || :
tap_empty 'trim: ... readelf has no complaint' "$tmp/why"
check 'trim: ... readelf counts them' grep -q '^There are 66002 program headers' "$tmp/out"
tap_done
