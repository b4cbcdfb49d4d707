#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# man-examples.sh: every example of the manual pages that shows output is run on the
# image that it names, and gives that output. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$(shared x86_64-la48-pti.elf) || exit $?
ln -s "$image" "$tmp/x86_64-la48-pti.elf"
image=$(shared virt/vtd72pt.elf) || exit $?
ln -s "$image" "$tmp/vtd72pt.elf"
image=$(shared virt/npt72.elf) || exit $?
ln -s "$image" "$tmp/npt72.elf"
ln -s "$PGW_TOOL" "$tmp/pagewalk"
PATH=$tmp:$PATH

for page in "$root"/man/*.1; do
	# A block that begins with a prompt: the command, then what it prints.
	awk -v to="$tmp/${page##*/}" '
		/^\.Bd -literal/ { inside = 1; shown = 0; next }
		/^\.Ed/ { inside = 0 }
		inside && sub(/^\$ /, "") { nr++; shown = 1; print > (to "." nr ".command"); next }
		inside && shown { print > (to "." nr ".expected") }
	' "$page"
done
for expected in "$tmp"/*.expected; do
	command=$(cat "${expected%.expected}.command")
	(cd "$tmp" && sh -c "$command" >actual 2>&1) || :
	same "$command" "$expected" "$tmp/actual"
done
tap_done
