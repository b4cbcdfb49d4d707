#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# packed.sh: a dump that is packed as a whole, by each packing's own tool, says what the dump says
# that is in it; so does what comes through a pipe. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
unset TMPDIR
small=$root/tests/data/x86_64-la48-pti.small.elf
cp "$small" "$tmp/core"

# pack PACKING FILE: into FILE.PACKING, by the tool that people use; in several blocks.
pack() {
	case $1 in
	zst) zstd -q -f "$2" -o "$2.zst" ;;
	gz) gzip -c "$2" >"$2.gz" ;;
	xz) xz -c "$2" >"$2.xz" ;;
	bz2) bzip2 -1 -c "$2" >"$2.bz2" ;;
	lz4) lz4 -q -f -B4 "$2" "$2.lz4" ;;
	zip) (cd "${2%/*}" && rm -f "$2.zip" && zip -q "$2.zip" "${2##*/}") ;;
	esac
}

name_of() {
	case $1 in
	zst) echo zstd ;;
	gz) echo gzip ;;
	bz2) echo bzip2 ;;
	*) echo "$1" ;;
	esac
}

# What info says, but for the file itself.
info_of() {
	pagewalk info "$1" | sed '/^file/d; /^kind/,$!d'
}

reads() { # of an image, everything that is the same
	info_of "$1"
	pagewalk roots "$1"
	pagewalk dump "$1"
}

reads "$tmp/core" >"$tmp/expected"
packings=
some= # a file that is packed
for packing in zst gz xz bz2 lz4 zip; do
	pack "$packing" "$tmp/core"
	if ! pagewalk info "$tmp/core.$packing" >/dev/null 2>"$tmp/err"; then
		check "$packing: what this build lacks is named" \
			grep -q 'expected a build with .*, which unpacks this file$' "$tmp/err"
		continue
	fi
	packings="$packings $packing"
	some=$tmp/core.$packing
done
[ -n "$some" ] || {
	tap_done
	exit
}

for packing in $packings; do
	file=$tmp/core.$packing
	reads "$file" >"$tmp/actual" 2>"$tmp/err"
	same "$packing: the same as what is in it" "$tmp/expected" "$tmp/actual"
	# More than a second of work is said, which it takes only where others take the CPUs.
	grep -v 'a temporary file in /var/tmp\|^pagewalk: .*: it came to ' "$tmp/err" >"$tmp/said" || true
	tap_empty "$packing: a short work is done in silence" "$tmp/said"
	size=$(wc -c <"$file")
	pagewalk info "$file" >"$tmp/out"
	check "$packing: info says how it is packed" grep -q \
		"^ *unpacked from $size bytes of $(name_of "$packing") into a temporary file in /var/tmp, where 327240B " \
		"$tmp/out"
	mv "$file" "$tmp/renamed.elf"
	pagewalk dump "$tmp/renamed.elf" >"$tmp/actual"
	pagewalk dump "$tmp/core" >"$tmp/dump"
	same "$packing: its name says nothing" "$tmp/dump" "$tmp/actual"
	pagewalk dump - <"$tmp/renamed.elf" >"$tmp/actual"
	same "$packing: as standard input" "$tmp/dump" "$tmp/actual"
	# shellcheck disable=SC2002 # a pipe is what is meant
	cat "$tmp/renamed.elf" | pagewalk dump - >"$tmp/actual"
	same "$packing: through a pipe" "$tmp/dump" "$tmp/actual"
	mv "$tmp/renamed.elf" "$file"
done

# An empty file in the place of each library, which the loader takes first and cannot load.
mkdir "$tmp/empty"
for library in libz.so.1 libzstd.so.1 liblzma.so.5 libbz2.so.1.0 liblz4.so.1; do
	: >"$tmp/empty/$library"
done
export LD_LIBRARY_PATH="$tmp/empty"
for packing in $packings; do
	complains "$packing: the library that is not there at run time is named" 3 \
		'expected the library lib.*\.so\..*, which unpacks this file and cannot be loaded$' \
		info "$tmp/core.$packing"
done
unset LD_LIBRARY_PATH

# Two streams one behind the other, and zeroes behind the last.
head -c 300000 "$tmp/core" >"$tmp/head"
tail -c +300001 "$tmp/core" >"$tmp/tail"
for packing in $packings; do
	[ "$packing" != zip ] || continue
	pack "$packing" "$tmp/head"
	pack "$packing" "$tmp/tail"
	cat "$tmp/head.$packing" "$tmp/tail.$packing" >"$tmp/two"
	head -c 4096 /dev/zero >>"$tmp/two"
	pagewalk dump "$tmp/two" >"$tmp/actual"
	same "$packing: two streams, and zeroes" "$tmp/dump" "$tmp/actual"
	printf 'what is no stream' | cat "$tmp/head.$packing" - >"$tmp/two"
	run info "$tmp/two"
	check "$packing: what follows is said" grep -q "is damaged: from byte $(
		wc -c <"$tmp/head.$packing") on it cannot be unpacked; what comes before is read" \
		"$tmp/err"
	check "$packing: ... with status 1" test "$status" -eq 1
done

# Other forms that the tools write.
case $packings in *zst*)
	zstd -q -c --no-check "$tmp/core" >"$tmp/form"
	pagewalk dump "$tmp/form" >"$tmp/actual"
	same 'zstd: without a checksum' "$tmp/dump" "$tmp/actual"
	zstd -q -c --long=31 <"$tmp/core" >"$tmp/form"
	complains 'zstd: a window that takes too much memory' 3 \
		'expected a zstd file made without --long' info "$tmp/form"
	;;
esac
case $packings in *zip*)
	(cd "$tmp" && zip -q -0 stored.zip core && zip -q - core | cat >streamed.zip)
	for form in stored streamed; do
		pagewalk dump "$tmp/$form.zip" >"$tmp/actual"
		same "zip: $form" "$tmp/dump" "$tmp/actual"
	done
	mkdir "$tmp/folder"
	cp "$tmp/core" "$tmp/folder"
	(cd "$tmp" && zip -q -r folder.zip folder && zip -q several.zip core head &&
		zip -q -P secret secret.zip core && zip -q - core head | cat >several-streamed.zip)
	pagewalk dump "$tmp/folder.zip" >"$tmp/actual"
	same 'zip: in a folder' "$tmp/dump" "$tmp/actual"
	complains 'zip: several files' 3 'expected a zip archive with one file in it' \
		info "$tmp/several.zip"
	complains 'zip: several files, streamed' 3 'expected a zip archive with one file in it' \
		info "$tmp/several-streamed.zip"
	complains 'zip: encrypted' 3 'expected a zip archive that is not encrypted' \
		info "$tmp/secret.zip"
	;;
esac

# Packed and packed again.
case $packings in *zst*zip*)
	pack zip "$tmp/core.zst"
	pagewalk dump "$tmp/core.zst.zip" >"$tmp/actual"
	same 'a zstd file in a zip archive' "$tmp/dump" "$tmp/actual"
	pagewalk info "$tmp/core.zst.zip" >"$tmp/out"
	check '... is said' grep -q ' bytes of zip, zstd into' "$tmp/out"
	pack gz "$tmp/core.zst.zip"
	pagewalk dump "$tmp/core.zst.zip.gz" >"$tmp/actual"
	same 'this in a gzip file' "$tmp/dump" "$tmp/actual"
	pack zip "$tmp/core.zst.zip.gz"
	complains 'and this in a zip archive' 3 'expected a file that is packed three times at most' \
		info "$tmp/core.zst.zip.gz.zip"
	;;
esac

# Cut anywhere: what is there is read, or one line says that nothing is.
for packing in $packings; do
	file=$tmp/core.$packing
	size=$(wc -c <"$file")
	: >"$tmp/wrong"
	for at in 1 4 6 14 18 25 40 1000 $((size / 5)) $((size * 4 / 5)) $((size - 200)) \
		$((size - 9)) $((size - 5)) $((size - 1)); do
		head -c "$at" "$file" >"$tmp/cut"
		run info "$tmp/cut"
		cut="$status $(wc -l <"$tmp/err") $(grep -c 'was cut: it ends at byte' "$tmp/err" || :)"
		case $cut in
		'3 '[12]' '* | '1 '[12]' 1') ;;
		# Of a zip archive, what is behind the file.
		'0 0 0') [ "$packing" = zip ] && [ "$at" -gt $((size - 201)) ] || echo "$at: $cut" ;;
		*) echo "$at: $cut" && cat "$tmp/err" ;;
		esac >>"$tmp/wrong"
	done
	tap_empty "$packing: cut at many places" "$tmp/wrong"
	at=$((size / 2))
	# All of it is one block of bzip2.
	if [ "$packing" = bz2 ]; then
		at=$(($(wc -c <"$tmp/head.bz2") + 500))
		cat "$tmp/head.bz2" "$tmp/tail.bz2" >"$tmp/two"
		file=$tmp/two
	fi
	head -c "$at" "$file" >"$tmp/cut"
	pagewalk dump "$tmp/cut" >"$tmp/actual" 2>"$tmp/err" || true
	check "$packing: of half a file, what is left is read" test -s "$tmp/actual"
	check "$packing: ... and that it was cut is said" grep -q \
		"was cut: it ends at byte $at; what comes before is read" "$tmp/err"
done

# spoil FILE OFFSET: another byte there.
spoil() {
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059 # made on purpose
	printf "\\$(printf '%03o' $((byte ^ 255)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# The checksum is the last but of gzip, whose size is behind it, and of zip.
for packing in $packings; do
	file=$tmp/core.$packing
	size=$(wc -c <"$file")
	cp "$file" "$tmp/spoilt"
	case $packing in
	zst | lz4) at=$((size - 1)) ;;
	gz) at=$((size - 5)) ;;
	zip) at=14 ;;
	*) continue ;;
	esac
	spoil "$tmp/spoilt" "$at"
	pagewalk dump "$tmp/spoilt" >"$tmp/actual" 2>"$tmp/err" || true
	same "$packing: its checksum is wrong: all is there" "$tmp/dump" "$tmp/actual"
	check "$packing: ... and it is said" grep -q "is damaged: the checksum at byte" "$tmp/err"
	run info "$tmp/spoilt"
	check "$packing: ... with status 1" test "$status" -eq 1
done
for packing in $packings; do
	file=$tmp/core.$packing
	cp "$file" "$tmp/spoilt"
	spoil "$tmp/spoilt" $(($(wc -c <"$file") / 2))
	run info "$tmp/spoilt"
	check "$packing: a byte in its middle changed is noticed" grep -q 'is damaged: ' "$tmp/err"
done

# Bombs: the limit is said, and nothing of the file stays.
truncate -s 17M "$tmp/zeroes"
for packing in $packings; do
	pack "$packing" "$tmp/zeroes"
	run info --unpack-max 16M "$tmp/zeroes.$packing"
	tail -n 1 "$tmp/err" >"$tmp/last"
	check "$packing: a bomb" grep -q \
		'expected no more unpacked bytes than are allowed (--unpack-max), found 0x1000000$' \
		"$tmp/last"
	check "$packing: ... with status 3" test "$status" -eq 3
done
for size in 0 x 1X ''; do
	complains "--unpack-max '$size'" 2 'is not a size like 4G' info --unpack-max "$size" "$tmp/core"
done
ends '--unpack-max that is enough' 0 info --unpack-max 16M "$some"

# The temporary file: in the folder that TMPDIR says, without a name, and gone with the command.
mkdir "$tmp/here"
TMPDIR=$tmp/here
export TMPDIR
check 'TMPDIR' test "$(pagewalk info --json - <"$tmp/core" | grep -c '"unpacked":null')" -eq 1
cat "$tmp/core" | pagewalk info - >"$tmp/out"
check 'TMPDIR: info says it' grep -q \
	"^ *read from a pipe of 605768 bytes into a temporary file in $tmp/here, where" "$tmp/out"
TMPDIR=$tmp/none
complains 'TMPDIR that is not there' 3 \
	'expected a folder for temporary files that can be written to (TMPDIR) (No such file' \
	info "$some"
unset TMPDIR
mkfifo "$tmp/fifo"
(
	cat "$tmp/core"
	exec sleep 60
) >"$tmp/fifo" 2>/dev/null &
writer=$!
TMPDIR=$tmp/here "$PGW_TOOL" info "$tmp/fifo" >"$tmp/out" 2>"$tmp/err" &
reader=$!
for _ in $(seq 150); do
	ls -l "/proc/$reader/fd" 2>/dev/null | grep -q "$tmp/here/.* (deleted)" && break
	sleep 0.2
done
check 'a temporary file has no name' sh -c "ls -l /proc/$reader/fd | grep '$tmp/here/.* (deleted)'"
kill -9 "$reader"
wait "$reader" 2>/dev/null || true
kill "$writer" 2>/dev/null || true
ls -A "$tmp/here" >"$tmp/left"
tap_empty 'nothing is left of it after kill -9' "$tmp/left"

# What takes long is said, and where to, also where standard error is no terminal.
mkfifo "$tmp/slow"
(
	head -c 300000 "$tmp/core"
	sleep 2
	tail -c +300001 "$tmp/core"
) >"$tmp/slow" &
pagewalk dump "$tmp/slow" >"$tmp/actual" 2>"$tmp/err"
same 'a FIFO' "$tmp/dump" "$tmp/actual"
check '... that is slow: what is done is said' grep -q \
	"^pagewalk: $tmp/slow: reading it into a temporary file in /var/tmp (TMPDIR chooses" "$tmp/err"
check '... and what came of it' grep -q 'it came to 0 MiB, of which 0 MiB take space' "$tmp/err"
check '... and no progress' test "$(wc -l <"$tmp/err")" -eq 2

# Standard input that was read in part, and that cannot be two things.
head -c 512 /dev/zero | cat - "$tmp/core" >"$tmp/behind"
{
	dd of=/dev/null bs=512 count=1 status=none
	pagewalk dump - >"$tmp/actual"
} <"$tmp/behind"
same 'standard input from where it is' "$tmp/dump" "$tmp/actual"
complains 'translate: standard input twice' 2 'standard input is the image' translate - -
complains 'a device' 3 'expected a regular file' info /dev/zero
: >"$tmp/nothing"
complains 'an empty file' 3 'expected a file that is not empty' info "$tmp/nothing"
pagewalk info - <"$tmp/nothing" >"$tmp/out" 2>"$tmp/err" || true
check 'empty standard input' grep -q '^pagewalk: standard input: expected a file that is not' "$tmp/err"

# Memory in packed files.
case $packings in *gz*)
	run info --json --ram "0=$tmp/zeroes.gz" --format x86_64-la48
	cp "$tmp/out" "$tmp/actual"
	check '--ram of a packed file' grep -q '"packing":"gzip"' "$tmp/actual"
	;;
esac
tap_done
