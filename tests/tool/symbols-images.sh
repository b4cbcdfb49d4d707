#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# symbols-images.sh: the symbols of a real kernel as its own /proc/kallsyms printed them, and
# addresses that are given by name. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
image=$(shared linux/linux-6.1-amd64.elf) || exit $?
oracle=$(shared linux/linux-6.1-amd64.oracle.txt) || exit $?

# Those of modules have [MODULE] behind them.
sed -n '/^BEGIN \/proc\/kallsyms/,/^END \/proc\/kallsyms/p' "$oracle" | tr -d '\r' |
	grep -v -e '^BEGIN' -e '^END' -e '\[' >"$tmp/expected"
pagewalk symbols "$image" >"$tmp/all"
grep -v '^#' "$tmp/all" >"$tmp/lines"
same 'symbols: as the kernel printed them' "$tmp/expected" "$tmp/lines"
check 'symbols: the summary says how they were found' sh -c "tail -n 1 '$tmp/all' |
	grep -q 'symbols=94101  source=kallsyms-vmcoreinfo  layout=base-relative-percpu'"

# The address of init_task is known to the console; a CPU's own copies are not, but
# __per_cpu_offset, which is a symbol, is read by other means in the library's test.
va=$(grep ' D init_task$' "$tmp/expected" | cut -d' ' -f1)
pagewalk translate --symbols "$image" "0x$va" @init_task >"$tmp/both"
head -n 5 "$tmp/both" >"$tmp/first"
sed -n 6,10p "$tmp/both" >"$tmp/second"
same 'translate: @NAME is the address of the symbol' "$tmp/first" "$tmp/second"
check 'translate --symbols: the name of an address' grep -qx '  symbol init_task+0x0' "$tmp/both"
pagewalk translate --symbols "$image" @init_task+10 >"$tmp/ten"
check 'translate: an offset from a name' grep -qx '  symbol init_task+0x10' "$tmp/ten"
check 'translate --symbols: the summary says how' grep -q '; names: kallsyms-vmcoreinfo$' "$tmp/ten"

# Each CPU's cpu_number is its own, and CPU 2 is not there: the machine had two.
pagewalk symbols --cpu 0 "$image" cpu_number >"$tmp/cpu0"
pagewalk symbols --cpu 1 "$image" cpu_number >"$tmp/cpu1"
check 'symbols --cpu: a variable of CPU 1' grep -qx 'ffff8950099199e0 A cpu_number' "$tmp/cpu1"
check 'symbols --cpu: another one of CPU 0' sh -c "! cmp -s '$tmp/cpu0' '$tmp/cpu1'"
ends 'symbols --cpu: no such CPU' 1 symbols --cpu 2 "$image" cpu_number
ends 'symbols: nothing has such a name' 1 symbols "$image" no_such_symbol
complains 'translate: no such name' 2 'it has no symbol' translate "$image" @no_such_symbol
complains 'translate: no per-CPU variable' 2 'is no per-CPU variable' translate "$image" @init_task:cpu0
tap_done
