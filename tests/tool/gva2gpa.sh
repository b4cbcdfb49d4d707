#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# gva2gpa.sh IMAGE FORMAT ROOT: every address that QEMU's gva2gpa was asked about, by a
# riscv CPU on this root, translates to the same, or is as unmapped. What QEMU answers is
# a read by the mode that the CPU is in: user mode reads U pages, the kernel, without SUM
# and MXR, others. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$(shared "$1.elf") || exit $?
oracle=$(shared "$1.gva2gpa.txt") || exit $?

for mode in user kernel; do
	awk -v mode="$mode" '$1 == "GVA" && $2 == mode { print $3 }' "$oracle" >"$tmp/asked"
	awk -v mode="$mode" '$1 == "GVA" && $2 == mode { print $4 }' "$oracle" >"$tmp/expected"
	pagewalk translate --root "$3" --format "$2" --json "$image" <"$tmp/asked" |
		sed '$d' >"$tmp/answers" || true
	awk -v mode="$mode" '
	function member(name,    at) {
		at = index($0, "\"" name "\":\"")
		return at ? substr($0, at + length(name) + 4, 18) : ""
	}
	{
		user = index($0, "\"user\":\"r")
		kernel = index($0, "\"user\":\"---\"") && index($0, "\"kernel\":\"r")
		pa = member("pa")
		sub(/^0x0*/, "0x", pa)
		print (mode == "user" ? user : kernel) ? pa : "unmapped"
	}' "$tmp/answers" >"$tmp/actual"
	same "$1: all $(wc -l <"$tmp/expected") answers in $mode mode are QEMU's" \
		"$tmp/expected" "$tmp/actual"
	check "$1: QEMU mapped some in $mode mode" grep -q 0x "$tmp/expected"
done
tap_done
