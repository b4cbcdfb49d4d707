#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# virt-hostile.sh: memory that is full of what looks like VMCBs, IOMMUs' tables and KVM's structs, which
# lead to themselves: devices ends soon, with an answer or one line. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
python3 "$root/tests/tool/virt_hostile.py" "$tmp"
for image in "$tmp"/*.elf; do
	name=$(basename "$image" .elf)
	status=0
	timeout 20 "$PGW_TOOL" devices "$image" >"$tmp/out" 2>"$tmp/err" || status=$?
	tail -n 1 "$tmp/out" | cat - "$tmp/err" >"$tmp/why"
	if [ "$status" -le 3 ] && [ "$(wc -l <"$tmp/err")" -le 1 ] && grep -q . "$tmp/why"; then
		tap_ok "$name: status $status"
	else
		tap_fail "$name: status $status" "$tmp/why"
	fi
done
# What is not in a file that was cut was not looked at, and that is said.
head -c 5000 "$root/tests/data/x86_64-la48-pti.small.elf" >"$tmp/cut"
run devices "$tmp/cut"
check 'a file that was cut: status 1' test "$status" -eq 1
check '... says so' grep -q 'the file was cut: it ends at byte 5000' "$tmp/err"
tap_done
