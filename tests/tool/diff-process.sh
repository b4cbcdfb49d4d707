#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# diff-process.sh IMAGE: pagewalk diff matches roots by the process that has them. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$(shared "$1.elf") || exit $?
seed=${PGW_TEST_SEED:-$(date +%s)}
printf '# PGW_TEST_SEED=%s\n' "$seed"
python3 "$root/tests/tool/diff_process.py" "$PGW_TOOL" "$image" "$tmp/copy" "$seed"
