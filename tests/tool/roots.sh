#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# roots.sh IMAGE: all roots of an image are the expected ones, each for a reason that
# tests/data/roots gives; those that are of one half are dumped as such. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$(shared "$1.elf") || exit $?

# Every line of the list has a reason.
list=$root/tests/data/roots/$1.txt
sed -n '2,$s/  # .*//p' "$list" >"$tmp/expected"
check 'the list is whole' test "$(wc -l <"$tmp/expected")" -eq "$(($(wc -l <"$list") - 1))"

ends 'roots: status 0' 0 roots "$image"
tail -n 1 "$tmp/out" >"$tmp/summary"
# By sections: the kernel's and CPUs', then processes'; in each ascending.
sed '/^#/d' "$tmp/out" >"$tmp/roots"
awk '$3 == "running" || $3 == "mapped" || $3 == "empty" { others[++nr] = $0; next }
	{ if (!is_begun++) print "# CPUs"; print }
	END { if (nr) print "# processes"; for (i = 1; i <= nr; i++) print others[i] }' "$tmp/expected" \
	>"$tmp/sections"
sed '$d' "$tmp/out" >"$tmp/actual"
same 'roots: as expected, in sections' "$tmp/sections" "$tmp/actual"
printf '# %d roots\n' "$(wc -l <"$tmp/expected")" >"$tmp/count"
same 'roots: as many' "$tmp/count" "$tmp/summary"

# The kernel's own is the default, and any root can be named by its address alone: an
# address of its half is mapped there, none of the other half is even asked for.
kernel=$(awk '$3 == "kernel" { print $1; exit }' "$tmp/roots")
pagewalk dump "$image" >"$tmp/default"
pagewalk dump --half kernel --root "$kernel" "$image" >"$tmp/kernel"
same 'dump: the default root is the kernel'\''s' "$tmp/default" "$tmp/kernel"
process=$(awk '$3 == "mapped" && !/kpti=user/ { print $1; exit }' "$tmp/roots")
pagewalk dump --root "$process" "$image" >"$tmp/both"
check 'dump: a process maps user memory' grep -q '^0x00' "$tmp/both"
case $1 in
arm64-*)
	check 'dump: ... and nothing else' sh -c "! grep -q '^0xf' $tmp/both"
	complains 'dump: a process'\''s root is not of the kernel half' 2 'is of the user half' \
		dump --half kernel --root "$process" "$image"
	complains 'dump: a page that is no root is of no half' 2 'say it with --half' \
		dump --root 0x40000000 "$image"
	;;
*)
	check 'dump: ... and the kernel'\''s' grep -q '^0xf' "$tmp/both"
	;;
esac
run roots --json "$image"
grep -c '"halves":\["user","kernel"\]' "$tmp/out" >"$tmp/whole" || true
case $1 in
arm64-*) echo 0 ;;
*) wc -l <"$tmp/expected" ;;
esac >"$tmp/count"
same 'roots --json: halves' "$tmp/count" "$tmp/whole"
tap_done
