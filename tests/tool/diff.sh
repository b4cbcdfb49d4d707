#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# diff.sh: what pagewalk diff tells of two images is what differs between their leaves. Prints TAP.
# Entries that are changed come from PGW_TEST_SEED.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

small=$root/tests/data/x86_64-la48-pti.small.elf
ends 'an image and itself: status 0' 0 diff "$small" "$small"
check 'an image and itself: no change' grep -q '^# .*  single_roots=0  changes=0  same=[1-9]' "$tmp/out"

seed=${PGW_TEST_SEED:-$(date +%s)}
# The last one makes of an empty root one that is unknown.
for try in $seed $((seed + 1)) 1796067003; do
	python3 "$root/tests/tool/diff_check.py" "$PGW_TOOL" "$small" "$tmp/new" "$try" \
		>"$tmp/tap" 2>&1 || :
	sed -n 's/^# seed/&/p' "$tmp/tap"
	grep -c '^ok' "$tmp/tap" >"$tmp/nr" || :
	if [ "$(cat "$tmp/nr")" = 2 ]; then
		tap_ok "seed $try: as the leaves say"
	else
		tap_fail "seed $try: as the leaves say" "$tmp/tap"
	fi
done

# From the one to the other is the other way round.
pagewalk diff "$small" "$tmp/new" | sed -n 's/^change  what=\(appeared\|vanished\)  \(.*\)  bytes=.*/\1 \2/p' |
	sort >"$tmp/expected"
pagewalk diff "$tmp/new" "$small" | sed -n 's/^change  what=\(appeared\|vanished\)  \(.*\)  bytes=.*/\1 \2/p' |
	sed 's/^appeared/gone/; s/^vanished/appeared/; s/^gone/vanished/' | sort >"$tmp/actual"
same 'the other way round' "$tmp/expected" "$tmp/actual"

# A root that only one of them has, and a range.
pa=$(pagewalk roots "$small" | awk '$3 == "mapped" && !/kpti=user/ { print $1; exit }')
check '--root: one root alone' test "$(pagewalk diff --root "$pa" "$small" "$small" | grep -c '^root ')" -eq 1
complains '--root: none of its roots' 2 'is none of its roots' diff --root 7000 "$small" "$small"
check '--range: nothing else' test \
	"$(pagewalk diff --range 0+1 "$small" "$small" | grep -c 'region=kernel')" -eq 0

complains '--watch: a file is no machine that runs' 2 'is no machine that runs' \
	diff --watch 1 --watch-count 1 "$small"
complains 'one image' 2 'an argument is missing' diff "$small"
complains 'the second cannot be read' 3 'none: No such file' diff "$small" "$tmp/none"
head -c 100000 "$small" >"$tmp/cut"
run diff "$small" "$tmp/cut"
check 'the second was cut: ends, and says that it differs' test "$status" -eq 1 -o "$status" -eq 3
tap_done
