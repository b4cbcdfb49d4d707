#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# audit-gaps.sh: pagewalk audit tells each part of a large leaf that is no memory. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$(shared x86_64-la48-debian.elf) || exit $?
python3 "$root/tests/tool/audit_gaps.py" "$PGW_TOOL" "$image" "$tmp/copy"
