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

sed -n '/^BEGIN \/proc\/kallsyms/,/^END \/proc\/kallsyms/p' "$oracle" | tr -d '\r' |
	grep -v -e '^BEGIN' -e '^END' >"$tmp/with-modules"
pagewalk symbols "$image" >"$tmp/all"
grep -v '^#' "$tmp/all" >"$tmp/lines"
same 'symbols: as the kernel printed them, those of modules too' "$tmp/with-modules" "$tmp/lines"
grep -v '\[' "$tmp/with-modules" >"$tmp/expected"
check 'symbols: the summary says how they were found' sh -c "tail -n 1 '$tmp/all' |
	grep -q 'symbols=94101  source=kallsyms-vmcoreinfo  layout=base-relative-percpu  modules=4$'"

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

# What a module calls its address.
pagewalk translate --symbols "$image" ffffffffc054b000 >"$tmp/module"
check 'translate --symbols: an address of a module' grep -qx \
	'  symbol set_multicast_list+0x0 \[dummy\]' "$tmp/module"

# The frame of the kernel's root is a page of its image; that of a process's root has the mark.
pagewalk translate --pages "$image" @init_top_pgt >"$tmp/page"
check 'translate --pages: a page of the image' grep -q \
	'^  page 0x6e10000 type=- mapping=- refs=1 maps=0 flags=.*reserved' "$tmp/page"
pagewalk translate --pages --json "$image" @init_top_pgt >"$tmp/page"
check 'translate --pages --json' grep -q '"page":{"pa":"0x0000000006e10000",.*"flags":\[.*"reserved"' \
	"$tmp/page"

# Beside each leaf of a dump is what translate has of it, which is what /proc/kpageflags had (linux_pages).
pagewalk dump --pages --json --pid 1 "$image" >"$tmp/dump" || :
sed -n 's/^{"va":"\(0x[0-9a-f]*\)".*/\1/p' "$tmp/dump" >"$tmp/addresses"
pagewalk translate --pages --json --root "$(sed -n 's/.*"root":"\(0x[0-9a-f]*\)".*/\1/p' "$tmp/dump" | head -n 1)" \
	"$image" <"$tmp/addresses" >"$tmp/pages"
check 'dump --pages: of each leaf what translate has' python3 -c "
import json
ours, theirs = ([r for r in map(json.loads, open(name)) if 'page' in r] for name in ('$tmp/dump', '$tmp/pages'))
assert len(ours) > 100 and [(r['va'], r['page']) for r in ours] == [(r['va'], r['page']) for r in theirs]
assert {'anon', 'file'} <= {r['page']['mapping'] for r in ours}"
pagewalk dump --pages --pid 1 "$image" >"$tmp/dump" || :
check 'dump --pages: one line each' grep -q \
	'^0x[0-9a-f-]*x[0-9a-f]*  0x[0-9a-f]* .* r.*  page 0x[0-9a-f]* type=- mapping=anon refs=1 maps=1 flags=.*swapbacked' "$tmp/dump"
pagewalk dump --pages --pa fed00000-fed00fff "$image" >"$tmp/dump"
check 'dump --pages: a device has none' grep -q '  page -$' "$tmp/dump"

# By files, which have the kernel where it was linked: all of it is moved.
make_file() {
	PYTHONDONTWRITEBYTECODE=1 python3 "$root/tests/tool/symbol_files.py" "$1" "$tmp/expected" \
		"$tmp/$1" || die "no $1"
}
for kind in map elf other hostile-1 hostile-2 hostile-3 hostile-4 hostile-5 hostile-6; do
	make_file $kind
done
pagewalk symbols --symbols="$tmp/map" "$image" >"$tmp/all"
grep -v '^#' "$tmp/all" >"$tmp/lines"
same 'symbols --symbols=FILE: a System.map, moved' "$tmp/with-modules" "$tmp/lines"
check 'symbols --symbols=FILE: the summary has file and distance' sh -c "tail -n 1 '$tmp/all' |
	grep -q 'symbols=94101  source=system-map  layout=-  slide=0x000000000e600000'"
complains 'symbols --symbols=FILE: of a kernel that is another one' 3 \
	'expected symbols of the kernel in the image' symbols --symbols="$tmp/other" "$image"
pagewalk translate --symbols="$tmp/map" "$image" @init_task >"$tmp/by_map"
check 'translate --symbols=FILE: @NAME by the file' grep -qx '  symbol init_task+0x0' "$tmp/by_map"
check 'translate --symbols=FILE: the summary says so' grep -q '; names: system-map$' "$tmp/by_map"
pagewalk ps --symbols="$tmp/map" "$image" >"$tmp/ps"
check 'ps --symbols=FILE' grep -q '^# 75 threads, 69 processes' "$tmp/ps"
if pagewalk symbols --symbols="$tmp/elf" "$image" >"$tmp/all" 2>"$tmp/err"; then
	# Letters of some symbols are the linker's, and not the sections'.
	cut -d' ' -f1,3 "$tmp/with-modules" >"$tmp/expected.short"
	grep -v '^#' "$tmp/all" | cut -d' ' -f1,3 >"$tmp/lines.short"
	same 'symbols --symbols=FILE: an ELF file' "$tmp/expected.short" "$tmp/lines.short"
	sort "$tmp/expected.short" >"$tmp/expected.sorted"
	for kind in two dynamic; do
		make_file $kind
		pagewalk symbols --symbols="$tmp/$kind" "$image" | grep -v '^#' | cut -d' ' -f1,3 |
			sort >"$tmp/lines.sorted"
		same "symbols --symbols=FILE: an ELF file, $kind" "$tmp/expected.sorted" "$tmp/lines.sorted"
	done
	for kind in hostile-1 hostile-2 hostile-3 hostile-4 hostile-5 hostile-6; do
		run symbols --symbols="$tmp/$kind" "$image"
		check "symbols --symbols=FILE: $kind ends" [ "$status" -eq 0 -o "$status" -eq 3 ]
	done
else
	check 'symbols --symbols=FILE: an ELF file without libelf' grep -q libelf "$tmp/err"
fi

# Ranges and roots by name; a name on each line of a dump.
pagewalk dump --symbols --range @_stext-@_etext "$image" >"$tmp/text"
check 'dump --range by names, --symbols' grep -q ' r-x/---  g a d  @startup_64+0x0$' "$tmp/text"
pagewalk dump --symbols --json --range @_stext+4K "$image" >"$tmp/json"
check 'dump --json --symbols' grep -q '"symbol":"startup_64","symbol_offset":"0x0000000000000000"' \
	"$tmp/json"
pagewalk dump --root @init_top_pgt "$image" | tail -n 1 >"$tmp/root"
check 'dump --root @NAME: where the kernel has it' grep -q '^# root 0x6e10000,' "$tmp/root"
# What addresses are for.
pagewalk dump --regions "$image" >"$tmp/regions"
check 'dump --regions: an area and who asked for it' grep -q '  \[bpf bpf_prog_pack_alloc+0x164\]$' \
	"$tmp/regions"
check 'dump --regions: a section of a module' grep -q '  \[module dummy .text' "$tmp/regions"
check 'dump --regions: all lines but the last' sh -c "[ \$(grep -cv '  \[' '$tmp/regions') -eq 1 ]"
pagewalk dump --region 'percpu cpu1' --regions --json "$image" >"$tmp/region"
check 'dump --region, --json' grep -q \
	'^{"va":"0xffff895009900000",.*"region":"percpu","region_detail":"cpu1","region_source":"symbols"' \
	"$tmp/region"
check 'dump --region: the summary says it' grep -q '"only_region":"percpu cpu1","ranges":1' "$tmp/region"
complains 'dump --region: there is none' 2 "no region is called 'heap'" dump --region heap "$image"
complains 'dump --range: the end is before the start' 2 'is not FIRST-LAST' \
	dump --range @_etext-@_stext "$image"
complains 'dump --range: a name without an end' 2 'is not FIRST-LAST' dump --range @_stext "$image"
complains 'dump --root: a name that is not mapped' 2 'the kernel does not map' \
	dump --root @__per_cpu_start "$image"

# A kernel whose kallsyms have functions alone, and no symbol that says where its BTF is: its
# processes are found all the same.
arm64=$(shared arm64-4k-48-debian.elf) || exit $?
pagewalk ps "$arm64" >"$tmp/ps"
check 'ps: of a kernel without names of data' sh -c \
	"grep -q '^      1 .* S .* sh$' '$tmp/ps' && grep -q '^      2 .* kthreadd$' '$tmp/ps'"
tap_done
