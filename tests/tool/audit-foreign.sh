#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# audit-foreign.sh IMAGE [cut]: pagewalk audit finds what virtual machines and devices should not reach,
# planted at random places (PGW_TEST_SEED), and is silent about the machine as it was; cut: in the small
# image of tests/data/virt, which has nothing of the host but these tables. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

if [ "${2:-}" = cut ]; then
	image=$tmp/image
	zstd -dqc "$root/tests/data/virt/$1.elf.zst" >"$image"
else
	image=$(shared "virt/$1.elf") || exit $?
fi
seed=${PGW_TEST_SEED:-$(date +%s)}
printf '# PGW_TEST_SEED=%s\n' "$seed"
python3 "$root/tests/tool/audit_foreign.py" "$PGW_TOOL" "$image" "$tmp/copy" "$seed"
