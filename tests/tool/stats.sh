#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# stats.sh: what pagewalk stats counts is what a naive walker counts, and what Linux guests said
# of themselves. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

# passed NAME COMMAND...: the command prints TAP of its own, none of it "not ok".
passed() {
	name=$1
	shift
	"$@" >"$tmp/tap" 2>&1 || :
	grep -q '^1\.\.[1-9]' "$tmp/tap" || echo 'no plan' >>"$tmp/tap"
	grep -v '^ok \|^1\.\.' "$tmp/tap" >"$tmp/log" || :
	tap_empty "$name ($(grep -c '^ok ' "$tmp/tap") checks)" "$tmp/log"
}

small=$root/tests/data/x86_64-la48-pti.small.elf
for name in small arm64-16k-52-lpa2-debian riscv64-sv57; do
	[ $name = small ] && image=$small || image=$(shared $name.elf) || exit $?
	pagewalk roots --json "$image" >"$tmp/roots"
	ends "$name: status 0" 0 stats --json "$image"
	passed "$name: as a naive walk" python3 "$root/tests/tool/stats_check.py" "$image" "$tmp/roots" \
		"$tmp/out"
done

for name in linux-6.1-amd64 linux-7.2-amd64 linux-7.2-arm64; do
	image=$(shared linux/$name.elf) || exit $?
	zstd -q -d -c "${PGW_SHARED:-$root/../shared}/images/linux/$name.oracle.txt.zst" >"$tmp/console"
	pagewalk stats --json "$image" >"$tmp/stats"
	pagewalk dump --leaves --json "$image" >"$tmp/leaves"
	passed "$name: as the guest said" python3 "$root/tests/tool/stats_linux.py" "$tmp/stats" \
		"$tmp/leaves" "$tmp/console"
done

# Text says the same as JSON, and one root is what it is among all.
ends 'text: status 0' 0 stats "$small"
grep -c '^root ' "$tmp/out" >"$tmp/actual"
pagewalk stats --json "$small" | grep -c '"record":"root"' >"$tmp/expected"
same 'text: as many records' "$tmp/expected" "$tmp/actual"
pa=$(pagewalk roots "$small" | awk '/kpti=kernel/ { print $1; exit }')
pagewalk stats "$small" | sed -n "/^root  root=$pa .*region=user/,/^root/p" | sed '$d' >"$tmp/expected"
pagewalk stats --root "$pa" "$small" | sed -n '/region=user/,/^root/p' | sed '$d' >"$tmp/actual"
same '--root: as among all' "$tmp/expected" "$tmp/actual"
check '--root: names it alone' test "$(pagewalk stats --root "$pa" "$small" | grep -c '^root ')" -eq 2

complains '--root: no table can be there' 2 '' stats --root 123 "$small"

# Nothing that is left leads to a root.
head -c 3000 "$small" >"$tmp/cut"
run stats "$tmp/cut"
check 'a file that is cut: status 1' test "$status" -eq 1
check '... no root, and why, is said' sh -c \
	"grep -q 'no page-table root was found in it' $tmp/err && grep -q 'the file was cut' $tmp/err"
tap_done
