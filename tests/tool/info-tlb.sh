#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# info-tlb.sh IMAGE: every leaf of CPU 0's root, addresses and flags, equals what QEMU
# said before it wrote the dump. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$(shared "$1.elf") || exit $?
oracle=$(shared "$1.info-tlb.txt") || exit $?
tr -d '\r' <"$oracle" >"$tmp/oracle"

pagewalk dump --leaves --json --root cpu0 "$image" >"$tmp/json"
awk -f "$root/tests/tool/info-tlb.awk" "$tmp/json" >"$tmp/tlb"
same "$1: all $(wc -l <"$tmp/oracle") leaves are QEMU's" "$tmp/oracle" "$tmp/tlb"

# The text says the same as the JSON, whose entries were compared.
sed -n 's/.*"va":"\([^"]*\)","pa":"\([^"]*\)".*"kernel":"\(...\)","user":"\(...\)".*/\1 \2 \3\/\4/p' \
	"$tmp/json" >"$tmp/expected"
pagewalk dump --leaves --root cpu0 "$image" |
	awk '!/^#/ { print substr($1, 1, 18), $2, $5 }' >"$tmp/text"
same "$1: text and JSON agree" "$tmp/expected" "$tmp/text"
tap_done
