#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# virt-odd.sh: see virt_odd.py. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
python3 "$root/tests/tool/virt_odd.py" "$PGW_TOOL" "$tmp"
