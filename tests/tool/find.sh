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
check 'nothing maps it: no mapping' test "$(grep -c mapping= "$tmp/out" || :)" -eq 0

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

# Nothing that is left leads to a root.
head -c 3000 "$small" >"$tmp/cut"
run find "$tmp/cut" 1000
check 'a file that is cut: status 1' test "$status" -eq 1
check '... no root, and why, is said' sh -c \
	"grep -q 'no page-table root was found in it' $tmp/err && grep -q 'the file was cut' $tmp/err"
tap_done
