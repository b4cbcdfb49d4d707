#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# ptdump.sh IMAGE: dump --style ptdump equals what the guest's kernel printed of its own
# tables, of those of the process that printed, and of their user half. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$(shared "$1.elf") || exit $?
console=$(shared "$1.guest-console.txt") || exit $?

oracle() { # oracle NAME: what the console has of that file
	sed -n "\\|^BEGIN .*/page_tables/$1\$|,\\|^END .*/page_tables/$1\$|p" "$console" |
		sed '1d;$d' | tr -d '\r' >"$tmp/oracle-$1"
	[ -s "$tmp/oracle-$1" ] || die "$console: no dump of $1"
}

oracle kernel
pagewalk dump --style ptdump "$image" >"$tmp/kernel"
same "$1: kernel" "$tmp/oracle-kernel" "$tmp/kernel"

# The process that printed is on CPU 0. After its kernel half was printed, its user
# memory grew by one page: the only difference allowed.
oracle current_kernel
pagewalk dump --style ptdump --root cpu0 "$image" >"$tmp/current_kernel"
cat >"$tmp/allowed" <<'DIFF'
< 0x00000000004a9000-0x00000000004ad000          16K USR RW                     NX pte
< 0x00000000004ad000-0x00000000004b9000          48K                               pte
---
> 0x00000000004a9000-0x00000000004ae000          20K USR RW                     NX pte
> 0x00000000004ae000-0x00000000004b9000          44K                               pte
DIFF
diff "$tmp/oracle-current_kernel" "$tmp/current_kernel" | sed 1d >"$tmp/difference" || :
same "$1: current_kernel, but for the page that came later" "$tmp/allowed" "$tmp/difference"

oracle current_user
twin=$(pagewalk roots "$image" | awk '/ cpus=0 / && / kpti=user / { print $1 }')
pagewalk dump --style ptdump --root "$twin" "$image" >"$tmp/current_user"
same "$1: current_user" "$tmp/oracle-current_user" "$tmp/current_user"
tap_done
