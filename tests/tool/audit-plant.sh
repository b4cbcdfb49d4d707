#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# audit-plant.sh IMAGE [SEEDS]: pagewalk audit finds one fault of each rule at random places, and is silent
# about entries that look wrong and are not in effect. So many seeds (5), PGW_TEST_SEED and the next ones.
# Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

case $1 in
*.elf) image=$root/tests/data/$1 ;;
*) image=$(shared "$1.elf") || exit $? ;;
esac
seed=${PGW_TEST_SEED:-$(date +%s)}
printf '# PGW_TEST_SEED=%s\n' "$seed"
# shellcheck disable=SC2046
python3 "$root/tests/tool/audit_plant.py" "$PGW_TOOL" "$image" "$tmp/copy" \
	$(seq "$seed" $((seed + ${2:-5} - 1)))
