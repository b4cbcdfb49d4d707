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
for name in small arm64-16k-52-lpa2-debian riscv64-sv57; do
	[ $name = small ] && image=$small || image=$(shared $name.elf) || exit $?
	nr=40
	[ $name = small ] || nr=5
	python3 "$root/tests/tool/find_check.py" "$PGW_TOOL" "$image" $nr "$seed" >"$tmp/tap" 2>&1 || :
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

for text in '' x 2-1 1+0 1-; do
	complains "'$text' is no range" 2 'is not a hexadecimal address' find "$small" "$text"
done
complains 'no address' 2 'an argument is missing' find "$small"
complains 'an image that is not there' 3 'No such file' find "$tmp/none" 1000

# Nothing that is left leads to a root.
head -c 3000 "$small" >"$tmp/cut"
run find "$tmp/cut" 1000
check 'a file that is cut: status 1' test "$status" -eq 1
check '... no root, and why, is said' sh -c \
	"grep -q 'no page-table root was found in it' $tmp/err && grep -q 'the file was cut' $tmp/err"
tap_done
