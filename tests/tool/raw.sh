#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# raw.sh IMAGE BASE: the memory that is in an image, cut out of it byte for byte, says by
# itself whose it is, where it begins, and what its roots are. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

base=$(($2))
case $1 in
*.small) image=$root/tests/data/$1.elf ;;
*) image=$(shared "$1.elf") || exit $? ;;
esac

# Memory from BASE on for 1 GiB; devices and ROMs elsewhere do not count.
raw=$tmp/memory
readelf -lW "$image" | awk '$1 == "LOAD" { print $2, $4, $5, $6 }' | while read -r offset pa size all; do
	if [ $((pa)) -ge "$base" ] && [ $((pa - base)) -lt 1073741824 ]; then
		dd if="$image" of="$raw" iflag=skip_bytes,count_bytes oflag=seek_bytes bs=1M \
			skip=$((offset)) count=$((size)) seek=$((pa - base)) \
			conv=notrunc,sparse status=none
		# A file does not end in a hole by itself.
		truncate -s ">$((pa - base + all))" "$raw"
	fi
done

# What is known without registers: running and mapped are the same then, whatever section they are in.
without_registers() {
	sed -E '/^# /d; s/ (running|mapped) +/ mapped /; s/  cpus=[^ ]*//; s/found=cpu,/found=/; s/,cpu,/,/' |
		sort
}
# What is known without VMCOREINFO: not how the kernel's root was found.
without_text() {
	sed -E 's/ found=.*//'
}

pagewalk roots "$image" | without_registers >"$tmp/expected"
pagewalk roots "$raw" | without_registers >"$tmp/roots"
same 'roots: of raw memory, as of the image' "$tmp/expected" "$tmp/roots"
pagewalk info "$raw" >"$tmp/info" || true
check 'info: says that it was derived, and how' grep -q 'was derived: .* proves itself' "$tmp/info"
check 'info: memory begins where it does' \
	grep -q "^  *$(printf '0x%016x' "$base")-" "$tmp/info"
pagewalk dump --leaves "$image" >"$tmp/expected.dump" || true
pagewalk dump --leaves "$raw" >"$tmp/dump" || true
same 'dump: of raw memory, as of the image' "$tmp/expected.dump" "$tmp/dump"
check 'dump: there is some' grep -q '^0x' "$tmp/dump"

hex=$(printf '%x' "$base")
pagewalk roots --ram "$hex=$raw" | without_registers >"$tmp/roots"
same 'roots --ram: as of the image' "$tmp/expected" "$tmp/roots"
pagewalk info --ram "$hex=$raw" >"$tmp/info" || true
check 'info --ram: nothing was derived' sh -c "! grep -q derived $tmp/info"
format=$(awk 'NR == 1 { print $2 }' "$tmp/expected")
va=$(awk 'NR == 1 { sub("-.*", ""); print }' "$tmp/dump")
pagewalk translate "$image" "$va" >"$tmp/expected.translate"
pagewalk translate --format "$format" --ram "$hex=$raw" "$va" >"$tmp/translate"
same 'translate --ram: addresses are the only arguments' "$tmp/expected.translate" "$tmp/translate"

# In two files, the upper one first.
half=$(($(wc -c <"$raw") / 2 / 65536 * 65536))
dd if="$raw" of="$tmp/upper" iflag=skip_bytes bs=1M skip="$half" conv=sparse status=none
truncate -s "$(($(wc -c <"$raw") - half))" "$tmp/upper"
dd if="$raw" of="$tmp/lower" iflag=count_bytes bs=1M count="$half" conv=sparse status=none
truncate -s "$half" "$tmp/lower"
pagewalk roots --ram "$(printf '%x' $((base + half)))=$tmp/upper" --ram "$hex=$tmp/lower" |
	without_registers >"$tmp/roots"
same 'roots --ram --ram: as of the image' "$tmp/expected" "$tmp/roots"
rm -f "$tmp/upper" "$tmp/lower"

# In two parts of one file, whose name looks as if it were a part, too.
ln -s "$raw" "$tmp/memory@10"
pagewalk roots --ram "$(printf '%x' $((base + half)))=$raw@$(printf '%x' "$half")" \
	--ram "$hex=$tmp/memory@10@0+$((half / 1024))K" | without_registers >"$tmp/roots"
same 'roots --ram: of parts of a file, as of the image' "$tmp/expected" "$tmp/roots"
pagewalk roots --ram "$hex=$tmp/memory@10" | without_registers >"$tmp/roots"
same 'roots --ram: a file that is there is not taken for a part' "$tmp/expected" "$tmp/roots"

# Somewhere else nothing proves itself, and nothing is believed.
complains '--ram: not where it belongs' 3 'expected memory of a machine' \
	dump --ram "$(printf '%x' $((base + 2097152)))=$raw"

# By looks alone.
pagewalk info "$image" >"$tmp/info" || true
text=$(sed -n 's/^vmcoreinfo *in memory, at //p' "$tmp/info")
if [ "$text" ]; then
	dd if=/dev/zero of="$raw" bs=4096 count=1 oflag=seek_bytes seek=$((text - base)) \
		conv=notrunc status=none
fi
without_text <"$tmp/expected" >"$tmp/expected.looks"
pagewalk roots "$raw" >"$tmp/out"
without_registers <"$tmp/out" | without_text >"$tmp/roots"
same 'roots: without VMCOREINFO, as of the image' "$tmp/expected.looks" "$tmp/roots"
case $1 in
x86_64-*) looks=level3-table ;;
arm64-*) looks=table-bits ;;
*) looks='image-header' ;;
esac
check "roots: the kernel's is found by $looks" \
	grep -q "  kernel .*proof=passed.*  found=self-map,$looks\$" "$tmp/out"
tap_done
