#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# registers.sh: registers that a dump lacks: info says which and who prints them, --register gives
# them. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$tmp/riscv
python3 "$root/tests/tool/other_machines.py" riscv-bare "$image" || die 'no image'

run info "$image"
check 'info: what the file lacks' grep -qx \
	'registers     not in the file: satp; --register NAME=VALUE gives them' "$tmp/out"
check 'info: ... and who prints it' grep -q \
	'^              gdb prints them, connected to .*: info registers NAME$' "$tmp/out"
run info --json "$image"
check 'info --json: the same' grep -q '"missing_registers":\[{"name":"satp","where":"gdb prints ' \
	"$tmp/out"

satp=8000000000080100
ends 'roots --register' 0 roots --register "satp=$satp" "$image"
check 'roots --register: the CPU has loaded it' grep -Eq \
	'^0x0*80100000  riscv-sv39 .* found=cpu' "$tmp/out"
run info --register "satp=0x$satp" "$image"
check 'info --register: a CPU has it' grep -qx "cpus          cpu0 satp=0x$satp" "$tmp/out"
check 'info --register: nothing is missing' sh -c "! grep -q 'not in the file' $tmp/out"
check 'info --register: the root is this' grep -q \
	"^root          0x80100000, riscv-sv39, loaded on a CPU" "$tmp/out"
run info --json --register "satp=0x$satp" "$image"
check 'info --json --register' grep -q \
	"\"cpus\":\[{\"satp\":\"0x$satp\"}\],\"missing_registers\":\[\]" "$tmp/out"
ends 'translate --register, by another case' 0 translate --register "SATP=$satp" "$image" 80000123
check 'translate --register: by the leaf of 1 GiB' grep -q \
	'^0x0*80000123  0x0*80000123 .* 1G ' "$tmp/out"
ends 'the last of one name counts' 0 translate --register satp=0 --register "satp=$satp" "$image" \
	80000123

python3 "$root/tests/tool/other_machines.py" riscv32-bare "$tmp/riscv32" || die 'no image'
ends 'riscv32: translate --register' 0 translate --register satp=80080100 "$tmp/riscv32" 80000123
check 'riscv32: by the leaf of 4 MiB' grep -q '^0x0*80000123  0x0*80000123 .* 4M ' "$tmp/out"
ends 'riscv32: dump --format' 0 dump --format riscv-sv32 --root 80100000 "$tmp/riscv32"
check 'riscv32: the same' grep -q '^0x0*80000000-0x0*803fffff  0x0*80000000 .* 4M ' "$tmp/out"

complains 'a register that it does not have' 2 \
	"--register: riscv64 has no register 'cr3' that tables go by; it has satp$" \
	info --register cr3=1000 "$image"
for wrong in satp satp= =1 satp=x satp=11112222333344445; do
	complains "--register $wrong" 2 "info: --register: '$wrong' is not a register, = and" \
		info --register "$wrong" "$image"
done
linux=$root/tests/data/x86_64-la48-pti.small.elf
complains 'what says nothing alone' 2 '--register: TTBR1_EL1 says nothing without TCR_EL1$' \
	info --register TTBR1_EL1=1000 "$(
		python3 "$root/tests/tool/other_machines.py" arm64-identity "$tmp/arm64"
		printf '%s' "$tmp/arm64"
	)"
# TCR_EL1: 48 bits of 4 KiB tables on both sides; with bit 59, DS, entries are others than this format's.
arm64_user() {
	run dump --root cpu0 --half user --register "TCR_EL1=$1" --register TTBR0_EL1=40ff0000 --register TTBR1_EL1=40ff0000 \
		--register SCTLR_EL1=1 --register MAIR_EL1=ff "$tmp/arm64"
}
arm64_user 80100010
check 'arm64: a root of 48 bits' grep -q '^# root 0x40ff0000, arm64-4k-48, user half' "$tmp/out"
arm64_user 800000080100010
check 'arm64: with TCR_EL1.DS it is not read as one' sh -c \
	"test $status -eq 3 && grep -q 'does not hold the root' $tmp/err"
# What the file has of a CPU is there: one register of it can be told apart.
cr3=$(pagewalk info --json "$linux" | sed -n 's/.*"cpus":\[{[^}]*"cr3":"0x0*\([0-9a-f]*\)".*/\1/p')
pagewalk roots "$linux" >"$tmp/expected"
pagewalk roots --register "cr3=$cr3" "$linux" >"$tmp/actual"
same 'what the file says is given' "$tmp/expected" "$tmp/actual"
run info --register cr3=123000 "$linux"
check 'what is given counts, not what the file says' grep -q 'cpu0 CR0=.* CR3=0x123000 ' "$tmp/out"
# Raw memory has a machine once its kernel has proved itself.
printf '%4096s' '' >"$tmp/raw"
complains 'raw memory of no machine' 2 '--register: it is not known what machine' \
	info --register cr3=1000 --ram "0=$tmp/raw"
tap_done
