#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# halves.sh: what the commands do with roots of one half, with sizes of leaves that are
# runs of slots, and with memory types, on an arm64 image. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

image=$(shared arm64-4k-48.elf) || exit $?
kernel="--root 0x404bc000 --format arm64-4k-48"

# dump ARGUMENT...: of the kernel's root, without the summary
dump() {
	# shellcheck disable=SC2086 # words
	pagewalk dump --leaves $kernel "$@" "$image" | sed '$d'
}

dump >"$tmp/leaves"
dump --half kernel >"$tmp/kernel"
same 'dump: the default of a root of one half is the kernel half' "$tmp/leaves" "$tmp/kernel"
check 'dump: high addresses only' sh -c "! grep -v '^0xffff' $tmp/leaves"
# shellcheck disable=SC2086 # words
complains 'dump --half both: there is one' 2 '--half both: a root of format arm64-4k-48' \
	dump --half both $kernel "$image"

# A root of the kernel's is not taken for a process's.
# shellcheck disable=SC2086 # words
complains 'translate: an address in the other half' 2 'not in the half .*see --half' \
	translate $kernel "$image" 400000
# shellcheck disable=SC2086 # words
run translate $kernel "$image" ffff000010000000
check 'translate: an address in this half' grep -q '  !empty  ' "$tmp/out"
# A process's: init's first page, which the console says is executable.
user='--root 0x40c90000 --format arm64-4k-48'
# shellcheck disable=SC2086 # words
run translate --half user $user "$image" 400000
check 'translate --half user' grep -Eq '^0x0000000000400000  0x.*  r--/r-x  ' "$tmp/out"
# shellcheck disable=SC2086 # words
complains 'translate --half user: a kernel address' 2 'not in the half' \
	translate --half user $user "$image" ffff000000000000
# shellcheck disable=SC2086 # words
pagewalk dump --leaves --half user $user "$image" | sed '$d' >"$tmp/user"
check 'dump --half user: low addresses, for users, never executed by the kernel' sh -c \
	"test -s $tmp/user && ! grep -Evx '0x0000.*  r[w-]-/r[w-][x-]  .*' $tmp/user"

complains 'dump --half user: the default root is not of that half' 2 'of the kernel half' \
	dump --half user "$image"

# Sizes: those of level 0 and 1, each in two.
: >"$tmp/sizes"
for size in 4K 64K 2M 32M; do
	dump --level "$size" >"$tmp/$size"
	check "dump --level $size: leaves of $size only" sh -c \
		"test -s $tmp/$size && ! grep -Ev '  +$size  +$size  ' $tmp/$size"
	cat "$tmp/$size" >>"$tmp/sizes"
done
sort "$tmp/sizes" >"$tmp/sorted"
same 'dump --level: the sizes make all' "$tmp/leaves" "$tmp/sorted"
dump --level pmd >"$tmp/pmd"
sort "$tmp/2M" "$tmp/32M" >"$tmp/expected"
same 'dump --level pmd: both sizes of the level' "$tmp/expected" "$tmp/pmd"
dump --level 64K,pte >"$tmp/pte"
sort "$tmp/4K" "$tmp/64K" >"$tmp/expected"
same 'dump --level: levels and sizes may be mixed' "$tmp/expected" "$tmp/pte"
check 'dump: leaves of runs are those with the contiguous bit' sh -c \
	"! grep -v ' cont ' $tmp/64K $tmp/32M && ! grep ' cont ' $tmp/4K $tmp/2M"
# shellcheck disable=SC2086 # words
complains 'dump --level: a size of another granule' 2 'arm64-4k-48 has no leaves of 16K' \
	dump --level 16K $kernel "$image"

# Memory types, by Linux's order, since MAIR_EL1 is not in the image.
check 'dump: memory is normal and devices are devices' sh -c \
	"! grep '  0x000000000[0-3].*normal' $tmp/leaves && ! grep '  0x000000004.*device' $tmp/leaves"
# shellcheck disable=SC2086 # words
pagewalk dump --leaves --json $kernel "$image" | sed '$d' >"$tmp/json"
sed 's/.*"attrs":\[\([^]]*\)\].*/\1/; s/"//g; s/,/ /g' "$tmp/json" >"$tmp/expected"
sed 's/.*...\/...  //; s/?$//' "$tmp/leaves" >"$tmp/actual"
same 'dump --json: the same attributes' "$tmp/expected" "$tmp/actual"
check 'dump: a type that rests on an assumption says so' sh -c \
	"! grep -v '?$' $tmp/leaves && ! grep -v ',\"memory_type_assumed\":true,' $tmp/json"
check 'dump --json: a type at every leaf' sh -c \
	"! grep -Ev '\"(normal|normal-tagged|normal-nc|device-nGnRE)\"\]' $tmp/json"
# shellcheck disable=SC2086 # words
pagewalk dump --leaves --mair 40044f0ff $kernel "$image" | sed '$d' >"$tmp/actual"
sed 's/?$//' "$tmp/leaves" >"$tmp/expected"
same 'dump --mair: it is known' "$tmp/expected" "$tmp/actual"
# shellcheck disable=SC2086 # words
pagewalk dump --leaves --json --mair 44 $kernel "$image" | sed '$d' >"$tmp/json"
check 'dump --mair --json: by this value' sh -c \
	"grep -q '\"normal-nc\"]' $tmp/json && ! grep -E '_assumed|nGnRE\"' $tmp/json"
# shellcheck disable=SC2086 # words
run translate --mair 0 $kernel "$image" ffff000000000000
check 'translate --mair' grep -q '  af .*device-nGnRnE$' "$tmp/out"
complains 'dump --mair: not a number' 2 "--mair: 'wb' is not" dump --mair wb "$image"
complains 'dump --mair: of another machine' 2 '--mair: tables of format x86_64-la48 do not' \
	dump --mair 0 "$root/tests/data/x86_64-la48-pti.small.elf"
run info "$image"
check 'info: the memory types are assumed, in Linux'\''s order' \
	grep -q "^control bits .* MAIR_EL1=0x40044f0ff (assumed: Linux's order) " "$tmp/out"
run info --json "$image"
check 'info --json: the same' \
	grep -qF '"MAIR_EL1":{"value":"0x000000040044f0ff","known":false}' "$tmp/out"
tap_done
