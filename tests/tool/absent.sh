#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# absent.sh: what Linux keeps in entries that are not valid, as dump and translate tell it: of a
# made machine with the right answers by construction, and of guests that say what they keep where.
# Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$tmp/absent.elf
python3 "$root/tests/tool/other_machines.py" linux-absent "$image"
user='--root cpu0 --half user'

# rows FILE: the lines of what is absent: first address, size, meaning
rows() {
	sed -n 's/^\(0x[0-9a-f]*\)-[^!]*!absent *\([0-9]*[KMG]\).*entry=0x[0-9a-f]*  /\1 \2 /p' "$1"
}

cat >"$tmp/expected" <<END
0x0000000000700000 4K prot-none pa=0x0000000000305000 young dirty
0x0000000000701000 4K swap type=2 offset=0x1234
0x0000000000702000 4K migration pa=0x0000000000302000 type=25 offset=0x400000302 writable young (assumed)
0x0000000000703000 8K prot-none pa=0x0000000000308000 young dirty
0x0000000000705000 4K prot-none pa=0x000000000030b000 young dirty
0x0000000000706000 8K marker type=30 offset=0x1 uffd-wp (assumed)
0x0000000000708000 8K swap type=0 offset=0x10 exclusive
0x0000000000800000 2M prot-none pa=0x0000000000200000 young dirty
END
# shellcheck disable=SC2086 # words
ends 'dump --absent: it ends well' 0 dump --absent $user "$image"
rows "$tmp/out" >"$tmp/rows"
same 'dump --absent: what each entry says, neighbours joined' "$tmp/expected" "$tmp/rows"
check 'dump --absent: leaves stay' grep -q '^0x0000000000400000-0x0000000000400fff  0x0000000000301000 ' \
	"$tmp/out"
check 'dump --absent: the summary counts entries' grep -q \
	'^# .*: 1 range, 1 leaf, 4K; .* 0 unreadable, 11 absent$' "$tmp/out"
# shellcheck disable=SC2086 # words
run dump $user "$image"
check 'dump: without --absent nothing of it' sh -c "! grep -q absent $tmp/out"

# shellcheck disable=SC2086 # words
run dump --absent --leaves $user "$image"
check 'dump --absent --leaves: one entry a line' sh -c "test \$(grep -c '!absent' $tmp/out) -eq 11"
check 'dump --absent --leaves: the second of a run' grep -q \
	'^0x0000000000709000-.*  entry=0x07ffffffffffdc08  swap type=0 offset=0x11 exclusive$' "$tmp/out"
# shellcheck disable=SC2086 # words
run dump --absent --pa 309000+1 $user "$image"
rows "$tmp/out" >"$tmp/rows"
cat >"$tmp/expected" <<END
0x0000000000704000 4K prot-none pa=0x0000000000309000 young dirty
0x0000000000800000 2M prot-none pa=0x0000000000200000 young dirty
END
same 'dump --absent --pa: who holds the page' "$tmp/expected" "$tmp/rows"
# shellcheck disable=SC2086 # words
run dump --absent --perm u:r $user "$image"
check 'dump --absent --perm: it has no rights' sh -c \
	"! grep -q '!absent' $tmp/out && grep -q '^0x0000000000400000' $tmp/out"
# shellcheck disable=SC2086 # words
run dump --absent --level 2M $user "$image"
rows "$tmp/out" | cut -d' ' -f1 >"$tmp/rows"
echo 0x0000000000800000 >"$tmp/expected"
same 'dump --absent --level 2M' "$tmp/expected" "$tmp/rows"
# shellcheck disable=SC2086 # words
run dump --absent --range 704000-7057ff $user "$image"
rows "$tmp/out" | cut -d' ' -f1 >"$tmp/rows"
printf '0x0000000000704000\n0x0000000000705000\n' >"$tmp/expected"
same 'dump --absent --range' "$tmp/expected" "$tmp/rows"
complains 'dump --absent --style ptdump: refused' 2 'goes with none of' \
	dump --absent --style ptdump "$image"

# shellcheck disable=SC2086 # words
run dump --absent --json $user "$image"
grep -F '"va":"0x0000000000702000"' "$tmp/out" >"$tmp/row" || :
check 'dump --absent --json: a migration entry' grep -qF '"kind":"absent","entry":"0xcffff7fffff9fa00","absent":"migration","pa":"0x0000000000302000","type":25,"offset":"0x0000000400000302","flags":["writable","young"],"assumed":true,"root":' \
	"$tmp/row"
grep -F '"va":"0x0000000000800000"' "$tmp/out" >"$tmp/row" || :
check 'dump --absent --json: a huge page' grep -qF \
	'"size":2097152,"level":1,"kind":"absent","entry":"0x800fffffffdff1e0"' "$tmp/row"
check 'dump --absent --json: the summary' grep -q '"unreadable":0,"absent":11}}$' "$tmp/out"
check 'dump --absent --json: JSON' python3 -c \
	"import json; [json.loads(line) for line in open('$tmp/out')]"

# shellcheck disable=SC2086 # words
run translate $user "$image" 700123 701000 8abcde
grep '^0x' "$tmp/out" | sed 's/  */ /g' >"$tmp/rows"
cat >"$tmp/expected" <<END
0x0000000000700123 !absent 4K pte 0x0000000000700000-0x0000000000700fff prot-none pa=0x0000000000305123 young dirty
0x0000000000701000 !absent 4K pte 0x0000000000701000-0x0000000000701fff swap type=2 offset=0x1234
0x00000000008abcde !absent 2M pmd 0x0000000000800000-0x00000000009fffff prot-none pa=0x00000000002abcde young dirty
END
same 'translate: what is there' "$tmp/expected" "$tmp/rows"
# shellcheck disable=SC2086 # words
run translate --json $user "$image" 700123
check 'translate --json: the same' grep -qF \
	'"absent":"prot-none","pa":"0x0000000000305123","flags":["young","dirty"],"assumed":false' \
	"$tmp/out"

# The same absent entry 2^32 times but for one page in 512: told once, and filtered by tables.
shadow=$tmp/shadow.elf
python3 "$root/tests/tool/other_machines.py" linux-absent-shadow "$shadow"
# shellcheck disable=SC2086 # words
ends 'dump --absent: a shadow ends well' 0 dump --absent $user "$shadow"
check 'dump --absent: what repeats is told once' sh -c "test \$(grep -c '!absent' $tmp/out) -eq 1"
check 'dump --absent: how often' grep -q \
	'^0x0000040000000000-0x0000040000000fff  !absent .*  prot-none pa=0x0000000000305000 young dirty  x511 every 4K x8388608 every 2M through 0x000013ffffffefff$' \
	"$tmp/out"
check 'dump --absent: every copy counts' grep -q ': 8388608 ranges in 1 line, 8388608 leaves, .* 4286578688 absent$' \
	"$tmp/out"
# shellcheck disable=SC2086 # words
run dump --absent --json $user "$shadow"
check 'dump --absent --json: how often' grep -qF \
	'"repeats":[{"count":511,"step":4096},{"count":8388608,"step":2097152}],"last":"0x000013ffffffefff"}' \
	"$tmp/out"
for each in --leaves --no-fold; do
	# shellcheck disable=SC2086 # words
	run dump --absent $each --perm u:w $user "$shadow"
	check "dump --absent $each --perm: thousands of visits, not millions" grep -q \
		': 0 ranges, 0 leaves, 0B; [0-9]\{1,4\} table visits; .* 0 absent$' "$tmp/out"
	# shellcheck disable=SC2086 # words
	run dump --absent $each --budget 10000 $user "$shadow"
	check "dump --absent $each: the budget bounds lines" sh -c \
		"test \$(grep -c '^0x' $tmp/out) -eq 10000 && grep -q 'the budget of lines ran out' $tmp/err"
done

# Guests that say what they made; tests/image/test_linux_absent.c has single words of theirs.
# guest IMAGE: what is absent in its processes, one entry a line, against $tmp/expected.
guest() {
	guest=$(shared "linux/$1.elf" 2>/dev/null) || {
		tap_ok "dump --absent: $1 # SKIP the image is not there"
		return
	}
	for at in $(pagewalk roots "$guest" | sed -n 's/^\(0x[0-9a-f]*\) .* mapped .*/\1/p'); do
		pagewalk dump --absent --leaves --root "$at" --half user "$guest" >"$tmp/out"
		rows "$tmp/out"
	done | cut -d' ' -f1,3 | sort >"$tmp/rows"
	same "dump --absent: $1" "$tmp/expected" "$tmp/rows"
}
# pages FIRST KIND: eight; FIRST is hexadecimal without 0x
pages() {
	for i in 0 1 2 3 4 5 6 7; do
		printf '0x%016x %s\n' $((0x$1 + i * 4096)) "$2"
	done
}
# Its console: "touched then PROT_NONE", "guard region pages 8-15".
pages 2080000000 prot-none >"$tmp/expected"
guest linux-6.1-amd64
pages 20a0008000 marker >>"$tmp/expected"
guest linux-7.2-amd64
guest linux-7.2-arm64
tap_done
