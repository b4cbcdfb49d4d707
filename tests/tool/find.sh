#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# find.sh: what pagewalk find says of memory is what all roots' leaves say. Prints TAP.
# Ranges come from PGW_TEST_SEED.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

small=$root/tests/data/x86_64-la48-pti.small.elf
seed=${PGW_TEST_SEED:-$(date +%s)}
for name in small arm64-16k-52-lpa2-debian riscv64-sv57 linux/linux-6.1-amd64 linux/linux-7.2-arm64; do
	[ $name = small ] && image=$small || image=$(shared $name.elf) || exit $?
	console=
	[ $name = "${name#linux/}" ] || console=$(shared $name.oracle.txt) || exit $?
	nr=40
	[ $name = small ] || nr=4
	python3 "$root/tests/tool/find_check.py" "$PGW_TOOL" "$image" $nr "$seed" ${console:+"$console"} \
		>"$tmp/tap" 2>&1 || :
	if grep -q '^ok 1' "$tmp/tap"; then
		tap_ok "$name: $(sed -n 's/^ok 1 - //p' "$tmp/tap")"
	else
		tap_fail "$name: as its leaves" "$tmp/tap"
	fi
done

# One root, and an address that a translation leads to.
pa=$(pagewalk roots "$small" | awk '$3 == "kernel" && !/kpti=user/ { print $1; exit }')
va=$(pagewalk dump --half kernel --root "$pa" "$small" | awk 'NR == 1 { sub("-.*", ""); print $1 }')
to=$(pagewalk translate --json --root "$pa" "$small" "$va" | sed -n 's/.*"pa":"\([^"]*\)","level.*/\1/p')
check 'find leads back to where a translation began' sh -c \
	"'$PGW_TOOL' find --root '$pa' '$small' '$to' | grep -q 'first=$va '"
ends 'nothing maps it: status 1' 1 find "$small" fffffff000000
check 'nothing maps it: no mapping' test "$(grep -c '^mapping ' "$tmp/out" || :)" -eq 0

complains 'a symbol, and there are none' 3 'kallsyms' find "$small" @init_task
complains 'a process, and none is known' 3 '' find "$small" 1:1000
for text in '' x 2-1 1+0 1- 1: :1000 1:x 4294967296:1000 @; do
	complains "'$text' is no range" 2 'is not a hexadecimal address' find "$small" "$text"
done
complains 'no address' 2 'an argument is missing' find "$small"
complains 'an image that is not there' 3 'No such file' find "$tmp/none" 1000

linux=$(shared linux/linux-6.1-amd64.elf) || exit $?
complains 'a process that is not there' 2 'there is no process 77777' find "$linux" 77777:1000
complains 'a thread of the kernel' 1 'has no memory of its own' find "$linux" 2:1000
complains 'what a process does not have' 1 'maps nothing at 0x123: empty' find "$linux" 1:123
complains 'a symbol that is not there' 2 "no symbol 'no_such'" find "$linux" @no_such
run find "$linux" @init_task
va=$(sed -n 's/.* \([0-9a-f]*\) [A-Z] init_task$/0x\1/p;s/^\([0-9a-f]*\) [A-Z] init_task$/0x\1/p' \
	"$(shared linux/linux-6.1-amd64.oracle.txt)" | head -n 1)
check 'a symbol: what it stands for comes first' sh -c \
	"head -n 1 $tmp/out | grep -q '^address  text=@init_task  va=$va  root=0x'"

# With an index it is the same.
cp "$small" "$tmp/image"
for what in 1000 0+1M 9c000 "$to"; do
	run find "$small" "$what"
	cp "$tmp/out" "$tmp/expected"
	ends "--index: $what: status 0" 0 find --index "$tmp/index" "$tmp/image" "$what"
	same "--index: $what: what is found without it" "$tmp/expected" "$tmp/out"
done
ends '--index: nothing maps it: status 1' 1 find --index "$tmp/index" "$tmp/image" fffffff000000
cp "$tmp/index" "$tmp/index.kept"
touch -d '2001-01-01' "$tmp/image"
complains '--index: the image was touched' 3 'index: expected an index of this image: .*another time' \
	find --index "$tmp/index" "$tmp/image" 1000
same '... and the index stays' "$tmp/index.kept" "$tmp/index"
ends '--index --force: it is made anew' 0 find --index "$tmp/index" --force "$tmp/image" 1000
check '... and is another one' sh -c "! cmp -s $tmp/index $tmp/index.kept"
complains '--index: of another image' 3 'of one of another size' find --index "$tmp/index" "$linux" 1000
for size in 0 7 100 5000; do
	head -c $size "$tmp/index.kept" >"$tmp/index"
	cp "$tmp/index" "$tmp/cut.kept"
	complains "--index: cut to $size bytes" 3 'expected an* .*index' \
		find --index "$tmp/index" --force "$tmp/image" 1000
	same '... and it stays' "$tmp/cut.kept" "$tmp/index"
done
echo 'a text of mine' >"$tmp/text"
cp "$tmp/text" "$tmp/text.kept"
complains '--index: no index' 3 'expected an index that pagewalk find wrote' \
	find --index "$tmp/text" --force "$tmp/image" 1000
same '... and it stays' "$tmp/text.kept" "$tmp/text"
truncate -s 1T "$tmp/large"
complains '--index: no index, and large' 3 'expected an index that pagewalk find wrote' \
	find --index "$tmp/large" --force "$tmp/image" 1000
rm "$tmp/large"
complains '--index: the image itself' 3 'expected an index' find --index "$tmp/image" "$tmp/image" 1000
complains '--index: a folder' 3 'expected an index' find --index "$tmp" "$tmp/image" 1000
complains '--index: no such folder' 3 'No such file' find --index "$tmp/no/index" "$tmp/image" 1000
complains '--index and --root' 2 'is of all roots' find --index "$tmp/index" --root cpu0 "$tmp/image" 1
mkfifo "$tmp/fifo"
cat "$small" >"$tmp/fifo" &
complains '--index: an image through a pipe' 2 'of an image in files' \
	find --index "$tmp/none.index" "$tmp/fifo" 1000
check '... makes none' test ! -e "$tmp/none.index"
check 'nothing is left behind' test -z "$(find "$tmp" -name '.pagewalk-*')"

# Nothing that is left leads to a root.
head -c 3000 "$small" >"$tmp/cut"
run find "$tmp/cut" 1000
check 'a file that is cut: status 1' test "$status" -eq 1
check '... no root, and why, is said' sh -c \
	"grep -q 'no page-table root was found in it' $tmp/err && grep -q 'the file was cut' $tmp/err"
tap_done
