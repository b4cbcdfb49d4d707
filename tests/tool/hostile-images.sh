#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# hostile-images.sh: files that would keep a search busy without end are done with, by bounds
# on what is looked at. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

for kind in e820-wrap runs cpus roots texts; do
	python3 "$root/tests/tool/hostile_images.py" $kind "$tmp/image" || die "no $kind"
	for command in info roots stats; do
		run $command "$tmp/image"
		printf 'status %d\n' "$status" | cat - "$tmp/err" >"$tmp/why"
		# 124: it was still at it after a minute.
		if [ "$status" -le 3 ]; then
			tap_ok "$kind: $command ends"
		else
			tap_fail "$kind: $command ends" "$tmp/why"
		fi
	done
done
tap_done
