#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# arch-images.sh IMAGE FORMAT KERNEL USER PROCESS_VA PROCESS_PA [FOUND [REGISTER...]]: a real dump of
# an i386, s390x or other machine: its roots by its registers, or those that it lacks (NAME=VALUE),
# by VMCOREINFO, and by looks with neither (FOUND says how); what is said of it; what a trimmed one
# keeps. IMAGE is one of the shared images, or cut/NAME: the tables of one, in tests/data/arch. Prints
# TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

case $1 in
cut/*)
	image=$tmp/${1#cut/}.elf
	zstd -q -d -o "$image" "$root/tests/data/arch/${1#cut/}.elf.zst"
	;;
*) image=$(shared "arch/$1.elf") || exit $? ;;
esac
whole=$1
format=$2
kernel=$3
user=$4
process_va=$5
process_pa=$6
looks=${7:-self-map,table-bits}
shift "$(($# < 7 ? 6 : 7))"
given=
for register; do
	given="$given --register $register"
done
set -- "${image##*/}"
set -- "${1%.elf}"

# shellcheck disable=SC2086 # words
pagewalk info $given "$image" >"$tmp/info"
check "$1: info names the kernel's root" \
	grep -q "^kernel root   $kernel, $format$" "$tmp/info"
check "$1: ... that proved itself" grep -q 'proof.*: passed' "$tmp/info"
check "$1: ... and no entry is malformed" grep -q '^integrity .* 0 malformed entries' "$tmp/info"

# root STATE FILE: the addresses of roots of this state, without leading zeroes.
root() {
	awk -v state="$1" '$3 == state { sub(/^0x0*/, "0x", $1); print $1 }' "$2"
}

# shellcheck disable=SC2086 # words
pagewalk roots $given "$image" >"$tmp/roots"
check "$1: the kernel's root is listed" [ "$(root kernel "$tmp/roots")" = "$kernel" ]
check "$1: the loaded process's is running" [ "$(root running "$tmp/roots")" = "$user" ]
check "$1: others have users, too" [ "$(root mapped "$tmp/roots" | wc -l)" -ge 2 ]

# Without the registers: their notes have another name, of the same length.
sed -e '1,/VMCOREINFO/s/QEMU/xEMU/g; 1,/VMCOREINFO/s/LINUX\x00/xINUX\x00/g' "$image" >"$tmp/noregs"
pagewalk roots "$tmp/noregs" >"$tmp/roots.noregs"
check "$1: VMCOREINFO alone tells the kernel's root" \
	grep -q "^0x0*${kernel#0x} .* kernel .*found=vmcoreinfo-ram,${looks%,*}" "$tmp/roots.noregs"
# Without VMCOREINFO, too.
sed -e 's/VMCOREINFO\x00/vmcoreinfo\x00/g' "$tmp/noregs" >"$tmp/bare"
rm "$tmp/noregs"
pagewalk roots "$tmp/bare" >"$tmp/roots.bare"
check "$1: looks alone tell the kernel's root" \
	grep -q "^0x0*${kernel#0x} .* kernel .*found=$looks" "$tmp/roots.bare"
awk '{ print $1, $2 }' "$tmp/roots" >"$tmp/expected"
awk '{ print $1, $2 }' "$tmp/roots.bare" >"$tmp/actual"
same "$1: and all others" "$tmp/expected" "$tmp/actual"
rm "$tmp/bare"

pagewalk translate --root "$user" --half user "$image" "$process_va" >"$tmp/translated"
check "$1: an address of the process leads where the guest said" \
	grep -q "^0x0*${process_va#0x}  0x0*${process_pa#0x} " "$tmp/translated"

# What is kept says the same; its notes are still in the machine's byte order.
pagewalk trim "$image" "$tmp/trimmed" >"$tmp/out"
case $whole in
cut/*) same "$1: nothing of a trimmed one is left out" "$image" "$tmp/trimmed" ;;
*)
	check "$1: trimmed to less than a hundredth" \
		[ "$(wc -c <"$tmp/trimmed")" -lt "$(($(wc -c <"$image") / 100))" ]
	;;
esac
for what in kernel user; do
	at=$kernel
	[ "$what" = kernel ] || at=$user
	pagewalk dump --root "$at" --half $what "$image" >"$tmp/expected"
	pagewalk dump --root "$at" --half $what "$tmp/trimmed" >"$tmp/actual"
	same "$1: the trimmed one's $what root maps the same" "$tmp/expected" "$tmp/actual"
done
# shellcheck disable=SC2086 # words
pagewalk roots $given "$tmp/trimmed" | grep -v '^#' >"$tmp/actual"
grep -v '^#' "$tmp/roots" >"$tmp/expected"
same "$1: and it has the same roots" "$tmp/expected" "$tmp/actual"
tap_done
