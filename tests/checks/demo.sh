#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# scripts/demo shows what it should, the same each time, without colour. Prints TAP.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
make_tmp

PAGEWALK=${PAGEWALK:-$PGW_TOOL} "$root/scripts/demo" >"$tmp/first" 2>"$tmp/errors" ||
	echo "exit status $?" >>"$tmp/errors"
tap_empty 'demo: runs without a word on standard error' "$tmp/errors"

PAGEWALK=${PAGEWALK:-$PGW_TOOL} "$root/scripts/demo" >"$tmp/second" 2>/dev/null || true
diff "$tmp/first" "$tmp/second" >"$tmp/log" || true
tap_empty 'demo: is the same each time' "$tmp/log"

for command in info roots dump translate; do
	grep -q "^\$ pagewalk $command " "$tmp/first" || echo "no screen of $command"
done >"$tmp/missing"
grep -q '^Summary$' "$tmp/first" || echo 'no summary' >>"$tmp/missing"
tap_empty 'demo: shows every command and a summary' "$tmp/missing"

grep -n "$(printf '\033')" "$tmp/first" >"$tmp/escapes" || true
tap_empty 'demo: has no escape sequences in a pipe' "$tmp/escapes"
tap_done
