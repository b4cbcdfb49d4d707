#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# arch-images.sh IMAGE FORMAT KERNEL USER PROCESS_VA PROCESS_PA: a real dump of an i386 or s390x
# machine: its roots by its registers, by VMCOREINFO, and by looks with neither; what is said
# of it; what a trimmed one keeps. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$(shared "arch/$1.elf") || exit $?
format=$2
kernel=$3
user=$4

pagewalk info "$image" >"$tmp/info"
check "$1: info names the kernel's root" \
	grep -q "^kernel root   $kernel, $format$" "$tmp/info"
check "$1: ... that proved itself" grep -q 'self-map proof: passed' "$tmp/info"
check "$1: ... and no entry is malformed" grep -q '^integrity .* 0 malformed entries' "$tmp/info"

# root STATE FILE: the addresses of roots of this state, without leading zeroes.
root() {
	awk -v state="$1" '$3 == state { sub(/^0x0*/, "0x", $1); print $1 }' "$2"
}

pagewalk roots "$image" >"$tmp/roots"
check "$1: the kernel's root is listed" [ "$(root kernel "$tmp/roots")" = "$kernel" ]
check "$1: the loaded process's is running" [ "$(root running "$tmp/roots")" = "$user" ]
check "$1: others have users, too" [ "$(root mapped "$tmp/roots" | wc -l)" -ge 2 ]

# Without the registers: their notes have another name, of the same length.
sed -e '1,/VMCOREINFO/s/QEMU/xEMU/g; 1,/VMCOREINFO/s/LINUX\x00/xINUX\x00/g' "$image" >"$tmp/noregs"
pagewalk roots "$tmp/noregs" >"$tmp/roots.noregs"
check "$1: VMCOREINFO alone tells the kernel's root" \
	grep -q "^0x0*${kernel#0x} .* kernel .*found=vmcoreinfo-ram,self-map" "$tmp/roots.noregs"
# Without VMCOREINFO, too.
sed -e 's/VMCOREINFO\x00/vmcoreinfo\x00/g' "$tmp/noregs" >"$tmp/bare"
rm "$tmp/noregs"
pagewalk roots "$tmp/bare" >"$tmp/roots.bare"
check "$1: looks alone tell the kernel's root" \
	grep -q "^0x0*${kernel#0x} .* kernel .*found=self-map,table-bits" "$tmp/roots.bare"
awk '{ print $1, $2 }' "$tmp/roots" >"$tmp/expected"
awk '{ print $1, $2 }' "$tmp/roots.bare" >"$tmp/actual"
same "$1: and all others" "$tmp/expected" "$tmp/actual"
rm "$tmp/bare"

pagewalk translate --root "$user" --half user "$image" "$5" >"$tmp/translated"
check "$1: an address of the process leads where the guest said" \
	grep -q "^0x0*${5#0x}  0x0*${6#0x} " "$tmp/translated"

# What is kept says the same; its notes are still in the machine's byte order.
pagewalk trim "$image" "$tmp/trimmed" >"$tmp/out"
check "$1: trimmed to less than a hundredth" \
	[ "$(wc -c <"$tmp/trimmed")" -lt "$(($(wc -c <"$image") / 100))" ]
for what in kernel user; do
	at=$kernel
	[ "$what" = kernel ] || at=$user
	pagewalk dump --root "$at" --half $what "$image" >"$tmp/expected"
	pagewalk dump --root "$at" --half $what "$tmp/trimmed" >"$tmp/actual"
	same "$1: the trimmed one's $what root maps the same" "$tmp/expected" "$tmp/actual"
done
pagewalk roots "$tmp/trimmed" | grep -v '^#' >"$tmp/actual"
grep -v '^#' "$tmp/roots" >"$tmp/expected"
same "$1: and it has the same roots" "$tmp/expected" "$tmp/actual"
tap_done
