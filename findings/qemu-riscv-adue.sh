#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The same guest on two QEMUs: with menvcfg.ADUE = 0 a load through an entry whose A bit is clear
# sets the bit on QEMU 7.2, and is a page fault on QEMU 10.
#
# Svadu says that hardware updates A and D only with menvcfg.ADUE = 1; without it, Svade's page
# faults are the rule. QEMU 7.2 knows neither and always updates. A dump from it can have A and D
# set in tables of a kernel that never sets them, and a walker that is checked against it must be
# told that hardware updates are on; on QEMU 10 that is up to the guest.
#
# Seen with QEMU 7.2.22 of Debian 12 and 10.0.13 of Debian 13: entry 0x2000004f after the load,
# which succeeds (0x600d); entry 0x2000000f, and mcause 13, a load page fault.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
debian bookworm 'qemu-system-misc=1:7.2+dfsg-7+deb12u18+b3' binutils-riscv64-linux-gnu=2.40-2
debian trixie 'qemu-system-misc=1:10.0.13+ds-0+deb13u1' binutils-riscv64-linux-gnu=2.44-3

cat >"$tmp/code.s" <<'S'
	.option norvc
	.globl _start
_start:
	la	t0, trap
	csrw	mtvec, t0
	li	t0, -1			# all of memory is for everybody
	csrw	pmpaddr0, t0
	li	t0, 0x1f
	csrw	pmpcfg0, t0
	csrw	0x30a, zero		# menvcfg: ADUE is bit 61
	la	t0, root
	srli	t0, t0, 12
	li	t1, 8 << 60		# Sv39
	or	t0, t0, t1
	csrw	satp, t0
	sfence.vma
	li	t0, 1 << 17 | 1 << 11	# loads as in S mode: MPRV, MPP
	csrs	mstatus, t0
	li	t1, 0x40000000
	ld	t1, 0(t1)
	li	t2, 0x600d
	j	done
	.balign	4
trap:	csrr	t2, mcause
done:	li	t0, 1 << 17
	csrc	mstatus, t0
	la	t0, result
	sd	t2, 0(t0)
1:	wfi
	j	1b
	.balign	4096
root:	.zero	8
	# Address 0x40000000 is 0x80000000, by a page of 1 GiB: V R W X, neither A nor D.
	.dword	(0x80000000 >> 12 << 10) | 0x0f
	.zero	4080
result:	.zero	8
S
for release in bookworm trixie; do
	bare_riscv $release "$tmp/code.s"
	case $release in
	bookworm) expected='0x000000002000004f 0x000000000000600d' ;;
	trixie) expected='0x000000002000000f 0x000000000000000d' ;;
	esac
	expect "entry and result on $release" "$expected" "$(
		monitor $release rv64 'xp /1gx 0x80001008' 'xp /1gx 0x80002000' |
			sed -n 's/^0000000080.*: //p' | tr '\n' ' ' | sed 's/ $//'
	)"
done
