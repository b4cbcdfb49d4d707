#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# guests.sh IMAGE: a machine's memory, put into a host's image as the memory of a guest of it, is to --vm 0
# what it is by itself, and extract gets it out again. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

case $1 in
*.elf)
	image=$root/tests/data/$1
	set -- roots 'dump --root kernel' 'dump --root cpu0' 'dump --root cpu1' stats audit 'find @ 0+4M' \
		'diff @ @'
	;;
riscv64-* | arm64-*)
	image=$(shared "$1.elf") || exit $?
	set -- roots 'dump --root kernel'
	;;
*)
	image=$(shared "$1.elf") || exit $?
	set -- roots 'dump --root kernel' ps symbols 'maps --pid 1' audit 'dump --pid 1' stats \
		'find @ 1:400000' 'diff @ @'
	;;
esac
seed=${PGW_TEST_SEED:-$(date +%s)}
printf '# PGW_TEST_SEED=%s\n' "$seed"
python3 "$root/tests/tool/guest_image.py" "$PGW_TOOL" "$image" "$tmp/host" "$seed" "$@"
