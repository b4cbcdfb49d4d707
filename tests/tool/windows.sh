#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# windows.sh: addresses that a loongarch64 CPU takes for physical ones, by a register: as Linux has
# them if the dump does not say, or as --register says. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$tmp/loong64.elf
zstd -q -d -o "$image" "$root/tests/data/arch/loong64.elf.zst"

pagewalk info "$image" >"$tmp/info"
check 'info: the windows that Linux sets up' \
	grep -q '^windows  *0x8000000000000000-0x8fffffffffffffff .* DMW0 (assumed.* rwx/---  suc$' "$tmp/info"
check 'info: ... three of them' [ "$(grep -c 'DMW[0-3] (assumed' "$tmp/info")" -eq 3 ]
pagewalk translate "$image" 9000000001b20000 >"$tmp/actual"
check 'translate: an address in a window' \
	grep -q '^0x9000000001b20000  0x0000000001b20000  .*  rwx/---  window DMW1 (assumed)$' "$tmp/actual"
pagewalk translate --json "$image" 9000000001b20000 >"$tmp/actual"
check 'translate: JSON' \
	grep -q '"pa":"0x0000000001b20000","window":"DMW1","window_assumed":true,"kernel":"rwx","user":"---"' \
	"$tmp/actual"

# given TEXT VA: what translate says with one window, for users too, of another number.
given() {
	pagewalk translate --register DMW0=0xb000000000000029 --register DMW1=0 --register DMW2=0 \
		--register DMW3=0 "$image" "$2" >"$tmp/actual" || true
	check "translate: $1" grep -q "$3" "$tmp/actual"
}
given 'a window that is given' b000123456789abc '  0x0000123456789abc .* rwx/rwx  window DMW0  wuc$'
given '... and no other' 9000000001b20000 '!noncanonical'

pagewalk dump --half kernel "$image" >"$tmp/actual"
check 'dump: tables that empty slots share are no work' \
	grep -q ' kernel half: 29 ranges, 12575 leaves, .* 21 table visits; 0 malformed' "$tmp/actual"
tap_done
