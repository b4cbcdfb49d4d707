#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# gdb-multiarch takes a ppc64 machine of QEMU's for little-endian, and reads its registers backwards.
#
# QEMU's stub tells registers in the order that the guest has at that moment, which the last bit of
# its MSR says; a machine starts big-endian. A target description has no word for the order, and
# gdb's own guess is the host's. So $msr is 0x90 instead of 0x9000000000000000, and all others are
# as wrong, until "set endian big". Whoever reads registers through gdb has to know what gdb
# believes: the bytes are right.
#
# Seen with gdb 13.1 (13.1-3) and QEMU 7.2.22 (1:7.2+dfsg-7+deb12u18+b3) of Debian 12, on x86-64.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
debian bookworm 'qemu-system-ppc=1:7.2+dfsg-7+deb12u18+b3' gdb-multiarch=13.1-3

# shellcheck disable=SC2016 # the register is gdb's
expect 'the MSR of powernv9, before and after set endian big' '$1 = 0x90 $2 = 0x9000000000000000' \
	"$(in_gdb bookworm 'ppc64 -M powernv9 -m 1G' 'p/x $msr' 'set endian big' 'p/x $msr' |
		grep '^.[12] ' | paste -sd ' ')"
