#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# gdb reads registers whose type is flags, and does not write them: "Invalid cast".
#
# QEMU describes $cr0, $cr3, $cr4 and $efer of x86 so, to have their bits named. Whoever wants to try
# other page tables from gdb sets $rax as ever, but cannot set $cr3. The stub takes them, by the
# packet that gdb would send ("P", the register's number 0x1d), and gdb sends it if it is told to;
# it does not know then that what it keeps of the register is not true any more.
#
# Seen with gdb 13.1 (13.1-3) and QEMU 7.2.22 (1:7.2+dfsg-7+deb12u18+b3) of Debian 12.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
debian bookworm 'qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3' gdb-multiarch=13.1-3

# shellcheck disable=SC2016 # the register is gdb's
expect 'set $cr3' 'Invalid cast.' \
	"$(in_gdb bookworm x86_64 'set $cr3 = 0x1000' | grep cast)"
# shellcheck disable=SC2016
expect 'set $rax' '$1 = 0x1000' "$(in_gdb bookworm x86_64 'set $rax = 0x1000' 'p/x $rax' | grep '^.1')"
# shellcheck disable=SC2016
expect 'by its packet' '$1 = 0x0 $2 = 0x1000' \
	"$(in_gdb bookworm x86_64 'maintenance packet P1d=0010000000000000' 'p/x $cr3' \
		'maintenance flush register-cache' 'p/x $cr3' | grep '^.[12] ' | paste -sd ' ')"
