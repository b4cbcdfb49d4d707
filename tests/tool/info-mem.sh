#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# info-mem.sh IMAGE FORMAT ROOT [ORACLE]: every page of the root, its addresses and flags, equals
# what QEMU's "info mem" said of a riscv CPU before it wrote the dump. Both sides are
# expanded to pages, since QEMU does not merge as we do. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$(shared "$1.elf") || exit $?
oracle=$(shared "${4:-$1.info-mem.txt}") || exit $?

# Lines of VA PA SIZE FLAGS, 16 digits each without 0x, become one a page. QEMU takes the
# bits of an entry above the PPN for address bits, of which there are 56.
cat >"$tmp/pages.awk" <<'AWK'
function value(digits,    n, i) {
	for (i = 1; i <= length(digits); i++)
		n = n * 16 + index("0123456789abcdef", substr(digits, i, 1)) - 1
	return n
}
# Doubles do not hold 64 bits: add to the two halves.
function sum(digits, size,    low, high) {
	low = value(substr(digits, 9)) + size
	high = value(substr(digits, 1, 8)) + int(low / 2 ^ 32)
	return sprintf("%08x%08x", high % 2 ^ 32, low % 2 ^ 32)
}
{
	size = value($3)
	for (at = 0; at < size; at += 4096)
		print sum($1, at), sum("00" substr($2, 3), at), $4
}
AWK
tr -d '\r' <"$oracle" | sed 1,2d | awk -f "$tmp/pages.awk" >"$tmp/expected"

pagewalk dump --leaves --json --root "$3" --format "$2" "$image" | sed '$d' |
	sed 's/.*"va":"0x\([^"]*\)","pa":"0x\([^"]*\)","size":\([0-9]*\),.*"kernel":"\(...\)","user":"\(...\)","attrs":\[\([^]]*\)\].*/\1 \2 \3 \4 \5 ,\6,/' >"$tmp/leaves"
# QEMU does not know N: it shows each page of a NAPOT leaf with the PPN as the entry has it.
awk '
function show(va, pa, size) {
	print va, pa, size, substr($4, 1, 2) (x ? "x" : "-") (user ? "u" : "-") \
		(index($6, ",\"g\",") ? "g" : "-") (index($6, ",\"a\",") ? "a" : "-") \
		(index($6, ",\"d\",") ? "d" : "-")
}
{
	user = $5 != "---"
	x = substr($4, 3, 1) == "x" || substr($5, 3, 1) == "x"
	if (index($6, ",\"napot\","))
		for (i = 0; i < 16; i++)
			show(substr($1, 1, 12) substr("0123456789abcdef", i + 1, 1) "000",
				substr($2, 1, 12) "8000", "0000000000001000")
	else
		show($1, $2, sprintf("%016x", $3))
}' "$tmp/leaves" | awk -f "$tmp/pages.awk" >"$tmp/actual"

same "$1: all $(wc -l <"$tmp/expected") pages are QEMU's" "$tmp/expected" "$tmp/actual"
check "$1: QEMU named some" test -s "$tmp/expected"
tap_done
