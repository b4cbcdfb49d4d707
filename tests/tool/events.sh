#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# events.sh: what pagewalk diff says of two dumps of one guest is what the guest said that it did between
# them: tests/data/events, which tests/makers/events.sh makes. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

data=$root/tests/data/events
zstd -dqc "$data/console.txt.zst" >"$tmp/console"
zstd -dqc "$data/0.elf.zst" >"$tmp/0.elf"
set -- "$tmp/0.elf"
# Each is kept as what differs from the one before.
while [ -e "$data/$#.elf.zst" ]; do
	zstd -dq --patch-from="$tmp/$(($# - 1)).elf" -o "$tmp/$#.elf" "$data/$#.elf.zst"
	set -- "$@" "$tmp/$#.elf"
done
python3 "$root/tests/tool/events.py" "$PGW_TOOL" "$tmp/console" "$@"
