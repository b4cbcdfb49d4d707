#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# dumps.sh MAKE_DUMPS: of one machine's memory in each format of dumps the command says the same;
# what is particular to a format is said. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
dumps=$tmp/dumps
mkdir "$dumps"
"$1" "$dumps"

# What of info is of the machine, not of the file.
machine_of() {
	pagewalk info "$1" | sed -n '/^cpus/,$p' | sed 's/in a note, at .*/in a note/'
}

machine_of "$dumps/core.elf" >"$tmp/info"
pagewalk roots "$dumps/core.elf" >"$tmp/roots"
pagewalk dump --root cpu0 --leaves "$dumps/core.elf" >"$tmp/dump"
for dump in "$dumps"/*.packed "$dumps"/whole.* "$dumps"/part.?; do
	name=${dump##*/}
	if ! pagewalk info "$dump" >/dev/null 2>"$tmp/err"; then
		check "$name: the compression that is missing is named" \
			grep -q "expected a build with .*${name%.packed}" "$tmp/err"
		continue
	fi
	# LiME has no notes: no CPU is known.
	if [ "$name" != whole.lime ]; then
		machine_of "$dump" >"$tmp/out"
		same "$name: info" "$tmp/info" "$tmp/out"
		pagewalk roots "$dump" >"$tmp/out"
		same "$name: roots" "$tmp/roots" "$tmp/out"
	fi
	pagewalk dump --root 0x20000 --half user --leaves "$dump" | sed '/^#/d' >"$tmp/out"
	pagewalk dump --root 0x20000 --half user --leaves "$dumps/core.elf" | sed '/^#/d' \
		>"$tmp/expected"
	same "$name: dump" "$tmp/expected" "$tmp/out"
	pagewalk trim --force "$dump" "$tmp/trimmed" >/dev/null
	pagewalk roots "$tmp/trimmed" | sed '/^#/d' >"$tmp/out"
	pagewalk roots "$dump" | sed '/^#/d' >"$tmp/expected"
	same "$name: trim keeps the roots" "$tmp/expected" "$tmp/out"
done

# An empty file in the place of each library, which the loader takes first and cannot load.
mkdir "$tmp/empty"
for library in libz.so.1 liblzo2.so.2 libsnappy.so.1 libzstd.so.1; do
	: >"$tmp/empty/$library"
done
for name in zlib:z lzo:lzo2 snappy:snappy zstd:zstd; do
	dump=$dumps/${name%:*}.packed
	pagewalk info "$dump" >/dev/null 2>&1 || continue
	LD_LIBRARY_PATH=$tmp/empty pagewalk info "$dump" >/dev/null 2>"$tmp/err" || true
	check "${name%:*}: the library that is not there at run time is named" \
		grep -q "expected the library lib${name#*:}\.so\..*cannot be loaded" "$tmp/err"
done
check 'the others need none' \
	env LD_LIBRARY_PATH="$tmp/empty" "$PGW_TOOL" info "$dumps/whole.lime"

# says NAME STATUS PATTERN ARGUMENT...: it ends with this status, and a line of what it says matches.
says() {
	name=$1
	expected=$2
	pattern=$3
	shift 3
	run "$@"
	cat "$tmp/out" "$tmp/err" >"$tmp/said"
	check "$name" grep -q -- "$pattern" "$tmp/said"
	check "$name: status" test "$status" -eq "$expected"
}

says 'kdump: its kind' 0 '^kind *kdump, written by QEMU, of a machine of type x86_64' \
	info "$dumps/whole.kdump"
says 'kdump: compressions' 0 '^ *compressions that this build reads: ' info "$dumps/whole.kdump"
says 'flattened' 0 '^kind *kdump, flattened, ' info "$dumps/whole.flat"
says 'flattened: JSON' 0 '"kind":"kdump","flattened":true' info --json "$dumps/whole.flat"
says 'lime' 0 '^kind *lime, ' info "$dumps/whole.lime"

# Small ones of other kinds, of which only some of the tables are there.
small=$root/tests/fuzz/corpus
says 'AVML' 1 'there may be more, which was nothing but zeroes' info "$small/avml/two-blocks"
says 'AVML: JSON' 1 '"kind":"avml",.*"reader":null,.*"lacks_zeroes":true' \
	info --json "$small/avml/two-blocks"
says 'VMware' 1 '^cpus *cpu0 CR0=0x80050033 CR3=0x12000 ' info "$small/vmware/regions"
says 'Windows' 1 '^cpus *cpu0 CR3=0x12000$' info "$small/windows/bitmap"
says 'Windows: JSON' 1 '"cpus":\[{"cr3":"0x0*12000"}\]' info --json "$small/windows/bitmap"
says 'FreeBSD' 0 '^cpus *cpu0 is none: .* CR3=0x40002000$' info "$small/minidump/amd64"
says 'FreeBSD: the root' 0 "of the kernel's tables that the file has apart" \
	info "$small/minidump/arm64"
says 'FreeBSD: JSON' 0 '"cpus":\[{"ttbr1":"0x0*40003000","tcr":"0x0*80100000"}\]' \
	info --json "$small/minidump/arm64"
says 'FreeBSD: leaves' 0 '^0xffff000000000000-0xffff000000000fff  0x0*12000 ' \
	dump --root cpu0 "$small/minidump/arm64"

says 'excluded' 0 '^ *4K (1%) excluded: left out on purpose' info "$dumps/excluding.kdump"
says 'excluded: JSON' 0 '"unreadable":4096,"excluded":4096,' info --json "$dumps/excluding.kdump"
says 'excluded: where a table is missing' 1 \
	'4 KiB of memory were left out on purpose when the dump was made' \
	dump --root 0x20000 --half user "$dumps/excluding.kdump"

says 'cut' 1 '; the file is truncated: it ends at byte' info "$dumps/cut.kdump"

says 'split' 0 '^ *from 3 parts of a split dump$' info "$dumps/part.2"
mkdir "$tmp/some"
cp "$dumps/part.1" "$dumps/part.3" "$tmp/some"
says 'split: a part is missing' 1 \
	"a part is missing: it has 0x0*13000-0x0*6ffff, and is called $tmp/some/part.2\$" \
	info "$tmp/some/part.1"
says 'split: tables are in that part' 1 "a part of the split dump is missing, $tmp/some/part.2: " \
	dump --root 0x20000 --half user "$tmp/some/part.1"
says 'split: --part' 1 '^ *from 2 parts' info --part "$dumps/part.2" "$tmp/some/part.1"
says 'split: --part twice' 0 '^ *from 3 parts' info --part "$dumps/part.2" \
	--part "$tmp/some/part.3" "$tmp/some/part.1"
complains '--part of another dump' 3 'whole.kdump: expected a part of the same split dump$' \
	info --part "$dumps/whole.kdump" "$dumps/part.1"
complains '--part of what is not split' 3 'expected a part of a split dump$' \
	info --part "$dumps/part.1" "$dumps/whole.kdump"
complains '--part and --ram' 2 '--part is for a split dump' \
	info --part "$dumps/part.1" --ram "0=$dumps/whole.kdump"
complains 'trim spares a part' 2 'part.2' \
	trim --force --part "$dumps/part.2" "$dumps/part.1" "$dumps/part.2"
tap_done
