#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# documented.sh PROGRAM: every switch of the comparison with Linux has its row in
# docs/linux-differences.md, and every switch named there exists. Prints TAP.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
make_tmp
"$1" --list | sort >"$tmp/switches"
grep '^|' "$root/docs/linux-differences.md" | grep -oE '\[[a-z]+(-[a-z]+)+\]' | tr -d '[]' |
	sort >"$tmp/rows"
diff "$tmp/switches" "$tmp/rows" >"$tmp/differences" || :
tap_empty 'every switch has one row, and every row its switch' "$tmp/differences"
tap_done
