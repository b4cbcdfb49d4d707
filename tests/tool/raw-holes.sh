#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# raw-holes.sh: raw memory with a hole that no list has is laid out by its own tables; what
# they do not prove is said to be a guess, or refused. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

make_image() {
	python3 "$(dirname "$0")/hole_image.py" "$@"
}

# has NAME PATTERN ARGUMENT...: a line of the command's output matches.
has() {
	name=$1
	pattern=$2
	shift 2
	run "$@"
	cat "$tmp/out" "$tmp/err" >"$tmp/all"
	if grep -Eq -- "$pattern" "$tmp/all"; then
		tap_ok "$name"
	else
		tap_fail "$name" "$tmp/all"
	fi
}

# memory NAME FILE LAST: two ranges, of which the first ends there.
memory() {
	run info "$2"
	sed -n 's/^  *\(0x[0-9a-f]*-0x[0-9a-f]*\) .*/\1/p' "$tmp/out" >"$tmp/actual"
	printf '0x%016x-0x%016x\n' 0 "$3" 4294967296 4328521727 >"$tmp/expected"
	same "$1" "$tmp/expected" "$tmp/actual"
}

# 208 MiB, then a hole.
image=$tmp/hole
make_image "$image" 0x0d000000 0 1
memory 'info: memory below and above the hole' "$image" 218103807
has 'info: it was derived' 'was derived: .* proves itself' info "$image"
has 'info --json: it was derived' '"placed_by_proof":true' info --json "$image"
run roots "$image"
sed -n 's/^\(0x[0-9a-f]*\) .* \(kernel\|mapped\) .*/\1 \2/p' "$tmp/out" >"$tmp/actual"
printf '0x%016x %s\n' 25165824 kernel 4303355904 mapped >"$tmp/expected"
same 'roots: those above the hole too' "$tmp/expected" "$tmp/actual"
has 'translate: through tables above the hole' '^0x0000000000400000  0x0000000101000000 ' \
	translate --root 100800000 "$image" 400000
has 'translate --ram: the same by hand' '^0x0000000000400000  0x0000000101000000 ' \
	translate --root 100800000 --ram "0=$image@0+208M" --ram "100000000=$image@d000000" 400000
run dump "$image"
check 'dump: nothing is a guess' sh -c "! grep -q guess $tmp/out"

# The end of the file is not mapped, but tables tell where it is.
make_image "$image" 0x0c000000 0x200000 1
memory 'info: the end is not mapped' "$image" 201326591
has 'info: the end is not mapped, tables prove its place' 'was derived' info "$image"

# Nothing tells: every command says so.
make_image "$image" 0x0c000000 0x200000 0
memory 'info: nothing proves the place of the end' "$image" 201326591
for command in info roots dump 'dump --style ptdump' 'translate'; do
	va=
	[ "$command" != translate ] || va=ffffffff81000000
	# shellcheck disable=SC2086
	has "$command: it is a guess" 'is a guess' $command "$image" $va
	case $command in
	*ptdump) continue ;;
	esac
	# shellcheck disable=SC2086
	has "$command --json: it is a guess" '"summary":.*"placement_guessed":true' $command --json \
		"$image" $va
done
has 'trim: it is a guess' '^#.* is a guess' trim "$image" "$tmp/trimmed"
has 'info: what was trimmed is a guess' 'is a guess in part: .* trimmed from raw memory' \
	info "$tmp/trimmed"
has 'dump: what was trimmed is a guess' '^#.* is a guess' dump "$tmp/trimmed"
run trim "$tmp/trimmed" "$tmp/again"
check 'trim: what was trimmed stays as it is' cmp "$tmp/trimmed" "$tmp/again"
check 'trim: the note is one that others read' sh -c \
	"readelf -n $tmp/trimmed 2>&1 | tr '\n' ' ' | grep -q ' pagewalk  *0x00000012.*(0x70670001)'"
for form in elf raw; do
	has "convert to $form: it is a guess" '^#.* is a guess' \
		convert --format "$form" --pages tables "$image" "$tmp/new.$form"
done
has 'info: the core that came of it is a guess' 'is a guess in part' info "$tmp/new.elf"
has 'info: the raw file that came of it is a guess' 'is a guess in part: .* .the map says so' \
	info "$tmp/new.raw.map"
complains 'convert to lime: it cannot be said there' 3 'a guess, which a LiME file cannot say' \
	convert --format lime --pages tables "$image" "$tmp/new.lime"
check 'convert to lime: ... so nothing is written' test ! -e "$tmp/new.lime"
run roots --ram "0=$image@0+c000000" --ram "100000000=$image@c000000"
check 'roots --ram: it is none' sh -c "! grep -q guess $tmp/out"

# Tables that are none where they should be.
make_image "$image" 0x0d000000 0 1
yes pagewalk | dd of="$image" bs=4096 seek=$((0x0d000000 / 4096 + 2049)) count=3 conv=notrunc \
	iflag=fullblock status=none
complains 'dump: memory that contradicts itself' 3 'tables agree .*--ram PA=FILE' dump "$image"
tap_done
