#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# firmware.sh: what info says of a machine that EDK II runs, and of one whose notes of itself are
# damaged. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$(shared arch/ovmf.elf) || exit $?
pagewalk info "$image" >"$tmp/info"

# As the shell said on the console: "UEFI v2.70 (EDK II, 0x00010000)".
check 'the firmware is named by its own marks' \
	grep -q '^firmware  *UEFI 2.7, EDK II revision 0x10000; system table at 0x75eb018$' "$tmp/info"
check 'its identity map is one line' \
	grep -q '^ *maps 1T of addresses to themselves, and no other$' "$tmp/info"
check 'memory by type' grep -q '^memory map  *130 regions: reserved 188K, .* runtime-code 592K' "$tmp/info"
# 128 MiB, less what is not memory below 1 MiB.
total=$(sed -n 's/^memory map *[0-9]* regions: //p' "$tmp/info" | tr ',' '\n' |
	awk '{ sub(/K$/, "", $2); kib += $2 } END { print kib }')
check '... is all memory of the machine' [ "$total" -eq $((128 * 1024 - 384)) ]
# Of these pages `info mem` has each as -r- or -rw, and `info tlb` the latter with NX.
check 'no code that stays may be written' \
	grep -q '^ *of runtime-code 0B writable and executable$' "$tmp/info"
pagewalk info --json "$image" >"$tmp/json"
check 'JSON' grep -q '"firmware":{"uefi_major":2,"uefi_minor":70,"vendor":"EDK II"' "$tmp/json"

# A byte of the links of every entry of the map is changed: no ring is left.
sed 's/mmap\x00\x00\x00\x00./mmap\x00\x00\x00\x00\xff/g' "$image" >"$tmp/rings"
pagewalk info "$tmp/rings" >"$tmp/actual"
check 'damaged links: the firmware is still named' grep -q '^firmware  *UEFI 2.7' "$tmp/actual"
check 'damaged links: there is no memory map' [ "$(grep -c '^memory map' "$tmp/actual")" -eq 0 ]
rm "$tmp/rings"
# A system table whose checksum is wrong is none.
sed 's/IBI SYST/IBI SYSX/g' "$image" >"$tmp/table"
pagewalk info "$tmp/table" >"$tmp/actual" || true
check 'no system table: no firmware' [ "$(grep -c '^firmware' "$tmp/actual")" -eq 0 ]
tap_done
