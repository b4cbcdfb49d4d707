#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# other-images.sh: a dump of UEFI firmware against QEMU's oracles, leaf by leaf; and one in
# which a CPU ran a guest's code. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$(shared arch/ovmf.elf) || exit $?
tlb=$(shared arch/ovmf.info_tlb.any.txt) || exit $?
gva2gpa=$(shared arch/ovmf.gva2gpa.txt) || exit $?
ends 'ovmf: roots: status 0' 0 roots "$image"
check 'ovmf: the root is firmware'\''s' \
	grep -q '^0x0000000007801000  x86_64-la48  firmware .* cpus=0 .* found=cpu  efi_system_table=0x' "$tmp/out"
tr -d '\r' <"$tlb" >"$tmp/expected"
pagewalk dump --leaves --json "$image" | awk -f "$root/tests/tool/info-tlb.awk" >"$tmp/actual"
same "ovmf: dump: all $(wc -l <"$tmp/expected") leaves are QEMU's" "$tmp/expected" "$tmp/actual"
awk '/^GVA/ { print $3 }' "$gva2gpa" >"$tmp/addresses"
awk '/^GVA/ { print $3, $4 ~ /^(0x)?[0-9a-f]+$/ ? $4 : "-" }' "$gva2gpa" | sed 's/ 0x/ /; s/ 0*\([0-9a-f]\)/ \1/' >"$tmp/expected"
{ pagewalk translate "$image" <"$tmp/addresses" || :; } |
	awk '/^0x/ { print $1, $2 }' | sed 's/^0x0*\([0-9a-f]\)/0x\1/; s/ 0x0*\([0-9a-f]\)/ \1/; s/ !.*/ -/' >"$tmp/actual"
same "ovmf: translate: all $(wc -l <"$tmp/expected") addresses are as QEMU has them" \
	"$tmp/expected" "$tmp/actual"

image=$(shared virt/npt72.elf) || exit $?
ends 'npt72: roots: status 0' 0 roots "$image"
check 'npt72: what CPU 1 runs is a guest'\''s' \
	grep -q '^0x0000000000008000  x86_64-la48  guest  .* cpus=1 .* vmcb=0x' "$tmp/out"
check 'npt72: what CPU 0 runs is a process'\''s' \
	grep -q '^0x0000000005803000  x86_64-la48  running  .* cpus=0 ' "$tmp/out"
complains 'npt72: dump --root cpu1: refused' 3 "cpu1 ran a guest: its root 0x8000 is an address in the guest's memory" \
	dump --root cpu1 "$image"
pagewalk dump "$image" | tail -n 1 >"$tmp/actual"
check 'npt72: dump: the kernel'\''s root is the default' \
	grep -q '^# root 0x322a000, x86_64-la48, kernel half: ' "$tmp/actual"
tap_done
