#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# arch-hostile.sh: dumps of ppc64 and loongarch64 machines in which tables were changed at random, or
# lead to themselves: every command ends, by itself and soon. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

# run NAME COMMAND...: it ends by itself, within 20 seconds.
run() {
	name=$1
	shift
	status=0
	timeout 20 "$PGW_TOOL" "$@" >"$tmp/out" 2>&1 || status=$?
	check "$name: $1 ends with $status" [ "$status" -le 3 ]
}

# hostile IMAGE FORMAT KERNEL USER: roots of the whole image.
hostile() {
	zstd -q -d -o "$tmp/whole" "$root/tests/data/arch/$1.elf.zst"
	for seed in 1 2 3 4; do
		/usr/bin/python3 - "$tmp/whole" "$tmp/changed" "$seed" <<'END'
import random, sys
data = bytearray(open(sys.argv[1], 'rb').read())
rng = random.Random(int(sys.argv[3]))
filled = [at for at in range(4096, len(data) - 8, 4) if any(data[at:at + 8])]
for at in rng.sample(filled, 200):
    data[at + rng.randrange(8)] ^= 1 << rng.randrange(8)
# Entries get each other's places: loops, and tables of another level.
for at in rng.sample(filled, 200):
    other = rng.choice(filled)
    data[at:at + 8] = data[other:other + 8]
open(sys.argv[2], 'wb').write(data)
END
		for command in info roots stats; do
			run "$1, changed by $seed" $command "$tmp/changed"
		done
		run "$1, changed by $seed" dump --format "$2" --root "$3" --half kernel "$tmp/changed"
		run "$1, changed by $seed" dump --format "$2" --root "$4" --half user "$tmp/changed"
		rm "$tmp/changed"
	done
	rm "$tmp/whole"
}

hostile ppc64-radix64k ppc64-radix 0x2740000 0x4650000
hostile loong64 loongarch64 0x1b20000 0x6ec4000
tap_done
