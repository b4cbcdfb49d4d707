#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# QEMU's monitor command "info mem" for riscv64 takes bits 63:54 of an entry for address.
#
# Of an entry only bits 53:10 are the page number; 63 is N (Svnapot), 62:61 are PBMT (Svpbmt),
# 60:54 are reserved or software's. "info mem" shifts all of what is above bit 9. A page of type
# NC (PBMT 1) that maps 0x80000000 is shown at 0x8000000080000000, which is beyond any address
# that the CPU has. The MMU itself leaves the bits out. Whoever compares with this output has to
# take bits above 55 away from its addresses.
#
# Seen with QEMU 7.2.22 of Debian 12 (1:7.2+dfsg-7+deb12u18+b3).
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
debian bookworm 'qemu-system-misc=1:7.2+dfsg-7+deb12u18+b3' binutils-riscv64-linux-gnu=2.40-2

cat >"$tmp/code.s" <<'S'
	.option norvc
	.globl _start
_start:
	la	t0, root
	srli	t0, t0, 12
	li	t1, 8 << 60		# Sv39
	or	t0, t0, t1
	csrw	satp, t0
1:	wfi
	j	1b
	.balign	4096
root:	.zero	16
	# Address 0x80000000 is itself, by a page of 1 GiB: V R W X A D, PBMT 1.
	.dword	(0x80000000 >> 12 << 10) | 0xcf | 1 << 61
	.zero	4072
S
bare_riscv bookworm "$tmp/code.s"
expect 'info mem' '0000000080000000 8000000080000000 0000000040000000 rwx--ad' \
	"$(monitor bookworm rv64,svpbmt=true 'info mem' | grep rwx)"
