#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# sql.sh IMAGE [linux]: the tables of pagewalk sql are what the other commands say. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"

case $1 in
*.small.elf) image=$root/tests/data/$1 ;;
*.elf | *.lime | *.kdump | *.flat | *.1) image=$(shared "$1") || exit $? ;;
*) image=$(shared "$1.elf") || exit $? ;;
esac
python3 "$root/tests/tool/sql_check.py" "$PGW_TOOL" "$image" ${2+"$2"}
