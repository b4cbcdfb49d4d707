#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# foreign-answers.sh IMAGE: find, stats and diff of virtual machines' and devices' tables, of what
# scripts/cut-virt left of the image, say what dump lists of them. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

zstd -dqc "$root/tests/data/virt/$1.elf.zst" >"$tmp/image"
seed=${PGW_TEST_SEED:-$(date +%s)}
printf '# PGW_TEST_SEED=%s\n' "$seed"
python3 "$root/tests/tool/foreign_answers.py" "$PGW_TOOL" "$tmp/image" "$tmp/copy" "$seed"
