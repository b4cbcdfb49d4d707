#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# ptdump-kernel.sh IMAGE FORMAT ROOT: dump --style ptdump equals what the guest's kernel
# printed of its own tables on an architecture where it prints only those. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$(shared "$1.elf") || exit $?
console=$(shared "$1.guest-console.txt") || exit $?
format=$2
kernel_root=$3

sed -n '\|^BEGIN .*/kernel_page_tables|,\|^END .*/kernel_page_tables|p' "$console" |
	sed '1d;$d' | tr -d '\r' >"$tmp/oracle"
[ -s "$tmp/oracle" ] || die "$console: no dump of the kernel's page tables"

# as_printed NAME ARGUMENT...: the dump with these arguments is the kernel's.
as_printed() {
	name=$1
	shift
	pagewalk dump --style ptdump "$@" "$image" >"$tmp/dump" 2>"$tmp/err" ||
		cat "$tmp/err" >>"$tmp/dump"
	same "$format: $name: all $(wc -l <"$tmp/oracle") lines are the kernel's" \
		"$tmp/oracle" "$tmp/dump"
	tap_empty "$format: $name: nothing to complain of" "$tmp/err"
}

as_printed 'markers from a file' --root "$kernel_root" --format "$format" \
	--markers "$root/tests/data/$1.markers"
as_printed 'the markers in memory' --root "$kernel_root" --format "$format"
as_printed 'and the root that is found'
tap_done
