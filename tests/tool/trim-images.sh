#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What info, roots and dump say of a trimmed image is what they say of the whole one, for
# every shared image; it holds nothing else; other programs accept it. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
images=${PGW_SHARED:-$root/../shared}/images

# info_of IMAGE: without what says how large the file is and where in it something is.
info_of() {
	{ pagewalk info "$1" || :; } | awk '/^[^ ]/ { label = $1 } label != "file" && label != "memory"' |
		sed 's/, at file offset .*//'
	{ pagewalk info --json "$1" || :; } | sed '$d
		s/"file":.*"kind"/"kind"/
		s/"segments":.*\("cpus"\)/\1/
		s/"offset":"[^"]*",//'
}

# roots_of IMAGE: without how much of the memory is unreadable.
roots_of() {
	pagewalk roots "$1" | sed 's/; .* of memory unreadable//'
	pagewalk roots --json "$1" | sed '$d'
}

# dumps_of IMAGE: both halves of every root of $tmp/roots.
dumps_of() {
	awk '/^0x/ { print $1, $2 }' "$tmp/roots" | while read -r pa format; do
		for half in user kernel; do
			pagewalk dump --leaves --root "$pa" --format "$format" --half "$half" "$1" 2>&1 |
				sed "s|$1||" || :
		done
	done
	pagewalk dump "$1" 2>&1 || :
}

# skip NAME REASON
skip() {
	tap_nr=$((tap_nr + 1))
	printf 'ok %d - # SKIP %s: %s\n' "$tap_nr" "$1" "$2"
}

# opens_in_gdb NAME: as a core whose memory is there. Debian's gdb knows its own machine only.
opens_in_gdb() {
	gdb=$(command -v gdb-multiarch || command -v gdb) || {
		skip "$1: gdb" 'not installed'
		return
	}
	"$gdb" -nx -batch -ex 'info files' -c "$new" >"$tmp/out" 2>&1 </dev/null || :
	if grep -q 'not supported\|not recognized\|architecture of file not' "$tmp/out"; then
		skip "$1: gdb" 'does not know the machine'
	else
		check "$1: gdb opens it" grep -q ' is load' "$tmp/out"
	fi
}

# trim_image NAME
trim_image() {
	image=$(shared "$1.elf") || return $?
	new=$tmp/new
	pagewalk roots "$image" >"$tmp/roots"
	ends "$1: status 0" 0 trim --force "$image" "$new"

	info_of "$image" >"$tmp/expected"
	info_of "$new" >"$tmp/actual"
	same "$1: info is the same" "$tmp/expected" "$tmp/actual"
	roots_of "$image" >"$tmp/expected"
	roots_of "$new" >"$tmp/actual"
	same "$1: roots are the same" "$tmp/expected" "$tmp/actual"
	dumps_of "$image" >"$tmp/expected"
	dumps_of "$new" >"$tmp/actual"
	check "$1: dumps of all roots are the same" cmp "$tmp/expected" "$tmp/actual"
	check "$1: ... and are not empty" grep -q '^0xffff' "$tmp/actual"

	python3 "$root/tests/tool/trim_check.py" "$image" "$new" "$tmp/roots" \
		${PGW_TEST_SEED:+"$PGW_TEST_SEED"} >"$tmp/out" || :
	for nr in 1 2 3; do
		check "$1: $(sed -n "s/^\(not \)*ok $nr - //p" "$tmp/out")" sh -c \
			"grep -q '^ok $nr ' $tmp/out || { cat $tmp/out; false; }"
	done
	{
		readelf -lW "$new"
		readelf -nW "$new"
	} >/dev/null 2>"$tmp/why" || :
	tap_empty "$1: readelf has no complaint" "$tmp/why"
	opens_in_gdb "$1"
	pagewalk trim --force "$new" "$tmp/again" >/dev/null
	check "$1: a trimmed image stays as it is" cmp "$new" "$tmp/again"
	if [ -e "$root/tests/data/$1.small.elf" ]; then
		check "$1: the bundled image is this one" cmp "$new" "$root/tests/data/$1.small.elf"
	fi
}

if ! ls "$images"/*.elf.zst >/dev/null 2>&1; then
	printf '%s: there are no images in %s\n' "$me" "$images" >&2
	exit 77
fi
for from in "$images"/*.elf.zst; do
	trim_image "$(basename "$from" .elf.zst)"
done
tap_done
