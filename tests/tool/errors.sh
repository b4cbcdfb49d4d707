#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Wrong usage and inputs that cannot be read: the right exit status, one clear line,
# in bounded time. Prints TAP. Random bytes come from PGW_TEST_SEED.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
image=$root/tests/data/x86_64-la48-pti.small.elf

# Wrong usage: status 2.
complains 'no command' 2 'no command is given'
complains 'unknown command' 2 "no such command: 'dmup'" dmup "$image"
for command in info roots dump translate find stats audit diff; do
	complains "$command: no image" 2 'no image is given' "$command"
	complains "$command: unknown option" 2 "no such option: '--frob'" "$command" --frob "$image"
	complains "$command: unknown letter" 2 "no such option: '-x'" "$command" -x "$image"
done
for command in info roots dump stats; do
	complains "$command: two images" 2 "'other' is one argument too many" \
		"$command" "$image" other
done
complains 'completion: no shell' 2 'an argument is missing' completion
complains 'completion: another shell' 2 "'csh' is not bash, zsh or fish" completion csh
complains 'info: another command'\''s option' 2 "no such option: '--leaves'" info --leaves "$image"
complains 'dump: a value is missing' 2 "a value is missing after '--root'" dump "$image" --root

# refused OPTION VALUE...
refused() {
	option=$1
	shift
	for value; do
		complains "dump: --$option '$value'" 2 "--$option: '$value' is not " \
			dump "--$option" "$value" "$image"
	done
}
refused root '' 0x 0xg cpu cpux cpu-1 cpu99999999999 10000000000000000 '1 '
refused half '' kernels User 1
refused format '' x86_64 x86_64-la99
refused range '' 1000 1000- -1000 2000-1000 1000+ 1000+0 1000+0K ffffffffffffffff+2 \
	1000-2000- 1000+1KB 1000+1P 0x1-0x
refused perm '' k k: kx :x k:rwz k:w!w k:! 'k:r,' ',k:r' k:r,k:!r uk:r k:rw,x
refused level '' 6 , 0, pmd,, ptes 3K 2048 K 18446744073709551616K
refused pa '' 1000 5-4
refused style '' ptdumps text
refused budget '' 0 -1 0x10 all
refused color '' red

# --ram stands for the image.
refused ram '' 0 = 0= =x 0x=x 10000000000000000=x 1x=x
complains 'roots: --ram and an image' 2 "'$image' is one argument too many" \
	roots --ram "0=$image" "$image"
complains 'roots: --ram: no such file' 3 'No such file' roots --ram "0=$tmp/nothing"
complains 'roots: --ram: past the end of addresses' 3 'ends below 2^64' \
	roots --ram "ffffffffffffffff=$image"
size=$(wc -c <"$image")
complains 'roots: --ram: a part past the end of the file' 3 \
	"$image: offset 0x$(printf %x "$size"): expected a part that ends no later than the file, found" \
	roots --ram "0=$image" --ram "1000000=$image@$(printf %x "$size")"
complains 'roots: --ram: a part that is longer than the file' 3 'a part that ends no later' \
	roots --ram "0=$image@1+$(printf %x "$size")"
complains 'roots: --ram: the second file is named' 3 "$tmp/nothing@10: No such file" \
	roots --ram "0=$image" --ram "1000000=$tmp/nothing@10@0+10"
complains 'trim: --ram: where to is missing' 2 'an argument is missing' trim --ram "0=$image"
complains 'dump: --ram: no machine' 3 \
	"kernel's root proves itself; --root and --format say where" dump --ram "0=$0"
complains 'raw memory with --encryption-bit' 3 'no other bit was tried than --encryption-bit says' \
	info --encryption-bit none "$0"

complains 'dump: --level of a size that the format does not have' 2 'no leaves of 64K' \
	dump --level 64K "$image"
complains 'dump: a CPU that is not there' 2 'there is no cpu7' dump --root cpu7 "$image"
complains 'dump: a root that is not a table' 2 'no table of format x86_64-la48 can be there' \
	dump --root 1234 "$image"
complains 'dump: ptdump style with a filter' 2 'goes with none of' \
	dump --style ptdump --perm k:x "$image"
complains 'dump: ptdump style with --no-fold' 2 'goes with none of' \
	dump --style ptdump --no-fold "$image"
complains 'dump: ptdump style with --json' 2 'goes with none of' \
	dump --style ptdump --json "$image"
complains 'dump: --markers without ptdump style' 2 'goes with --style ptdump only' \
	dump --markers /dev/null "$image"
complains 'translate: an address is wrong' 2 "'ffffx' is not an address" \
	translate "$image" 1000 ffffx
complains 'translate: an address is too long' 2 "'10000000000000000' is not an address" \
	translate "$image" 10000000000000000

# Inputs that cannot be read: status 3.
# unreadable WHAT PATH PATTERN
unreadable() {
	for command in info roots dump translate stats; do
		complains "$command: $1" 3 "$3" "$command" "$2"
	done
}
mkdir "$tmp/folder"
: >"$tmp/empty"
ln -s loop "$tmp/loop"
unreadable 'no such file' "$tmp/nothing" ''
unreadable 'a directory' "$tmp/folder" ''
unreadable 'a device' /dev/zero ''
unreadable 'an empty file' "$tmp/empty" ''
unreadable 'a link to itself' "$tmp/loop" ''
unreadable 'a text' "$0" ''
complains 'a name with a line break in it' 3 'no?such' info "$tmp/no
such"

# Root may read everything, so somebody else has to try.
cp "$image" "$tmp/secret"
chmod 000 "$tmp/secret"
if [ "$(id -u)" -eq 0 ]; then
	chmod 755 "$tmp"
	cp "$PGW_TOOL" "$tmp/pagewalk"
	# shellcheck disable=SC2317 # run() calls it
	pagewalk() {
		timeout 60 setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/pagewalk" "$@"
	}
fi
unreadable 'a file without permission' "$tmp/secret" 'Permission denied'
pagewalk() {
	timeout 60 "$PGW_TOOL" "$@"
}

# bounded NAME FILE: whatever is in the file, every command ends by itself with a known
# status, and says at most a few lines about it.
bounded() {
	: >"$tmp/why"
	for command in info roots dump 'dump --style ptdump' 'dump --root cpu0' 'translate -'; do
		# shellcheck disable=SC2086 # words
		run ${command%-} "$2"
		if [ "$status" -gt 3 ] || [ "$(wc -l <"$tmp/err")" -gt 6 ]; then
			{
				printf '%s: status %d\n' "$command" "$status"
				cat "$tmp/err"
			} >>"$tmp/why"
		fi
	done
	tap_empty "$1" "$tmp/why"
}

size=$(wc -c <"$image")
for keep in 1 4 15 16 63 64 65 119 120 500 1000 4096 5000 100000 $((size / 2)) $((size - 1)); do
	head -c "$keep" "$image" >"$tmp/cut"
	bounded "cut to $keep bytes" "$tmp/cut"
	run info "$tmp/cut"
	case $status in
	1 | 3) tap_ok "cut to $keep bytes: info says so" ;;
	*) tap_fail "cut to $keep bytes: info says so" "$tmp/out" ;;
	esac
done

# Cut after the headers, in the notes: nothing tells where the tables are. Cut later: they are not there.
said="it ends at byte 3000, by its headers at byte $size"
head -c 3000 "$image" >"$tmp/cut"
for command in dump translate; do
	va=${command#dump}
	complains "cut to 3000 bytes: $command says where, and that the tables are not there" 3 \
		"the file was cut: $said; the tables are not in what is left" \
		"$command" "$tmp/cut" ${va:+0}
done
head -c 100000 "$image" >"$tmp/cut"
for command in dump translate; do
	va=${command#dump}
	run "$command" "$tmp/cut" ${va:+0}
	check "cut to 100000 bytes: $command says where" \
		grep -q "the file was cut: it ends at byte 100000, by its headers at byte $size$" "$tmp/err"
done
run dump "$tmp/cut"
check 'cut to 100000 bytes: the root that is missing counts once' \
	grep -q ', 2 unreadable (1 table missing)$' "$tmp/out"
for command in info roots; do
	run "$command" "$tmp/cut"
	check "cut to 100000 bytes: $command says where" \
		grep -q "the file is truncated: it ends at byte 100000, by its headers at byte $size" "$tmp/out"
done
run info --json "$tmp/cut"
check 'cut to 100000 bytes: info --json' grep -q "\"file_size\":100000,\"said_size\":$size," "$tmp/out"

seed=${PGW_TEST_SEED:-$(date +%s)}
printf '# PGW_TEST_SEED=%s\n' "$seed"
# octets SEED N: N random bytes.
octets() {
	# shellcheck disable=SC2059 # the bytes are the format
	printf "$(awk -v seed="$1" -v n="$2" 'BEGIN {
		srand(seed)
		for (i = 0; i < n; i++)
			printf "\\%03o", int(rand() * 256)
	}')"
}
octets "$seed" 8192 >"$tmp/random"
bounded 'random bytes' "$tmp/random"
unreadable 'random bytes' "$tmp/random" ''
# An ELF core's identification, and then anything.
{
	head -c 20 "$image"
	octets $((seed + 1)) 8192
} >"$tmp/random"
bounded 'random bytes in an ELF core' "$tmp/random"

# Eight bytes at a time of the headers and notes replaced.
for round in 1 2 3 4 5 6 7 8 9 10 11 12; do
	cp "$image" "$tmp/changed"
	chmod u+w "$tmp/changed"
	awk -v seed="$seed$round" 'BEGIN {
		srand(seed)
		for (i = 0; i < 4; i++)
			print 20 + int(rand() * 1000)
	}' >"$tmp/places"
	while read -r at; do
		octets $((seed + round * 10000 + at)) 8 |
			dd of="$tmp/changed" bs=1 seek="$at" conv=notrunc status=none
	done <"$tmp/places"
	bounded "headers changed at random, round $round" "$tmp/changed"
done

# Output that cannot be written: status 3.
# full_disk ARGUMENT...
full_disk() {
	status=0
	pagewalk "$@" >/dev/full 2>"$tmp/err" || status=$?
	if [ "$status" -eq 3 ] && [ "$(wc -l <"$tmp/err")" -eq 1 ] &&
		grep -q '^pagewalk: standard output: ' "$tmp/err"; then
		tap_ok "$1: a full disk"
	else
		tap_fail "$1: a full disk" "$tmp/err"
	fi
}
full_disk --help
full_disk --version
full_disk info "$image"
full_disk roots "$image"
full_disk dump "$image"
full_disk dump --leaves "$image"
full_disk dump --style ptdump --markers "$root/tests/data/x86_64-la48-pti.markers" "$image"
full_disk translate "$image" ffffffff88c00000

# Tables of hypervisors and IOMMUs: nothing is guessed of where they are or how many.
complains 'a stage-2 root may be several tables' 2 'several tables side by side; say how many bits' \
	dump --format arm64-s2-4k --root 1000000 "$image"
complains 'no more than it can have' 2 'arm64-s2-4k-l1:44: addresses of that format have 30 to 43 bits' \
	dump --format arm64-s2-4k-l1:44 --root 1000000 "$image"
complains 'their root is not the kernel'"'"'s' 2 '--format npt-48: say with --root where' \
	dump --format npt-48 "$image"
complains 'they have no halves' 2 '--half: a root of format ept-4 has no halves' \
	dump --format ept-4 --root 1000000 --half user "$image"
for command in info stats top find; do
	[ $command = find ] && what=1000 || what=
	complains "$command: their root is not the kernel's" 2 '--format ept-4: say with --root where' \
		$command --format ept-4 "$image" $what
done
complains 'a process'"'"'s tables are none of theirs' 2 '--format npt-48: say with --root where' \
	dump --pid 1 --format npt-48 "$image"
complains 'a root that holds both halves is whole' 2 'x86_64-la48:40: roots of that format are always' \
	dump --format x86_64-la48:40 --root 1000000 "$image"
complains 'the format of a device'"'"'s tables is known' 2 'with --vm or --device the format is known' \
	dump --device 00:02.0 --format vtd-second-3 "$image"
complains 'how Linux dumps them' 2 'how Linux dumps tables of format npt-48 is not known' \
	dump --style ptdump --format npt-48 --root 1000000 "$image"
complains 'bits are a number' 2 "--format: 'npt-48:' is not" dump --format npt-48: "$image"
tap_done
