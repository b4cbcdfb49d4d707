#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# linux-inside.sh IMAGE: what the commands say of a Linux guest's processes is what the guest
# itself said of them, with those exceptions that linux_inside.py names. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
image=$(shared "linux/$1.elf") || exit $?
oracle=$(shared "linux/$1.oracle.txt") || exit $?
exec python3 "$root/tests/tool/linux_inside.py" "$PGW_TOOL" "$image" "$oracle"
