#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What the commands answer about the bundled image, each answer held against another
# one: leaves against ranges, filters against their opposites, JSON against text,
# translate against dump. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
image=$root/tests/data/x86_64-la48-pti.small.elf
markers=$root/tests/data/x86_64-la48-pti.markers

dump() {
	pagewalk dump "$@" "$image" | sed '$d'
}
lines() {
	wc -l <"$1"
}
# equal NAME VALUE VALUE
equal() {
	printf '%s\n' "$2" >"$tmp/left"
	printf '%s\n' "$3" >"$tmp/right"
	same "$1" "$tmp/left" "$tmp/right"
}

dump --root cpu0 >"$tmp/ranges"
dump --root cpu0 --leaves >"$tmp/leaves"
dump --root cpu0 --leaves --json >"$tmp/leaves.json"

ends 'dump: status 0' 0 dump --root cpu0 "$image"
check 'dump: lines have the documented form' sh -c "! grep -Evx \
	'0x[0-9a-f]{16}-0x[0-9a-f]{16}  0x[0-9a-f]{16} +[0-9]+[BKMGT]  (4K|2M|1G)  [r-][w-][x-]/[r-][w-][x-](  [a-z0-9]+( [a-z0-9]+)*)?' $tmp/ranges"
check 'dump: ranges ascend' sort -c "$tmp/ranges"
check 'dump --leaves: leaves ascend' sort -c "$tmp/leaves"

# Neighbours in virtual and physical address whose entries are the same to the MMU make
# one range. Numbers of more than 53 bits are added as two halves of eight digits.
cat >"$tmp/merge.awk" <<'AWK'
function digit(digits, i) {
	return index("0123456789abcdef", substr(digits, i, 1)) - 1
}
function value(digits,    n, i) {
	for (i = 1; i <= length(digits); i++)
		n = n * 16 + digit(digits, i)
	return n
}
function sum(digits, size,    low, high) {
	low = value(substr(digits, 9)) + size
	high = value(substr(digits, 1, 8)) + int(low / 2 ^ 32)
	return sprintf("%08x%08x", high % 2 ^ 32, low % 2 ^ 32)
}
function flush() {
	if (size)
		print first, first_pa, size, rest
}
{
	# "va":"0x...","pa":"0x...","size":N,"level":N,"entry":"0x..." and the rest
	split($0, part, "\"")
	va = substr(part[4], 3)
	pa = substr(part[8], 3)
	leaf = substr(part[11], 2) + 0
	level = substr(part[13], 2) + 0
	entry = substr(part[16], 3)
	# XD and the protection key, G, the eight bits below it, and of large leaves PAT.
	look = level substr(entry, 1, 1) int(digit(entry, 2) / 8) digit(entry, 14) % 2 \
		substr(entry, 15) (level ? digit(entry, 13) % 2 : "")
	sub(".*\"kernel\"", "\"kernel\"")
	if (va != next_va || pa != next_pa || look != range_look || $0 != rest) {
		flush()
		first = va
		first_pa = pa
		size = 0
		range_look = look
		rest = $0
	}
	size += leaf
	next_va = sum(va, leaf)
	next_pa = sum(pa, leaf)
}
END { flush() }
AWK
awk -f "$tmp/merge.awk" "$tmp/leaves.json" >"$tmp/merged"
dump --root cpu0 --json |
	sed 's/^{"va":"0x\([^"]*\)","pa":"0x\([^"]*\)","size":\([0-9]*\),.*\("kernel".*\)/\1 \2 \3 \4/' \
		>"$tmp/expected"
same 'dump: ranges are the leaves, merged' "$tmp/merged" "$tmp/expected"

# Each half, and both.
dump --root cpu0 --half user --leaves >"$tmp/user"
dump --root cpu0 --half kernel --leaves >"$tmp/kernel"
cat "$tmp/user" "$tmp/kernel" >"$tmp/both"
same 'dump --half: user and kernel make both' "$tmp/leaves" "$tmp/both"
check 'dump --half user: low addresses only' sh -c "! grep -v '^0x00' $tmp/user"
dump --half kernel >"$tmp/half"
dump >"$tmp/default"
same 'dump: the default is the kernel half' "$tmp/half" "$tmp/default"
dump --root 0xda0a000 --half kernel >"$tmp/root"
same 'dump: ... of the kernel'\''s root' "$tmp/root" "$tmp/default"
dump --root 6b6000 >"$tmp/root"
same 'dump --root: an address names the same root as cpu0' "$tmp/ranges" "$tmp/root"
dump --root 6b6000 --format x86_64-la48 >"$tmp/root"
same 'dump --format: the format that it is' "$tmp/ranges" "$tmp/root"

# A filter and its opposite make the whole.
# halves NAME FILTER OPPOSITE
halves() {
	# shellcheck disable=SC2086 # words
	{
		dump --root cpu0 --leaves $2 >"$tmp/with"
		dump --root cpu0 --leaves $3 >"$tmp/without"
	}
	sort "$tmp/with" "$tmp/without" >"$tmp/both"
	same "dump $1: it and its opposite make all" "$tmp/leaves" "$tmp/both"
	check "dump $1: both have some" test -s "$tmp/with" -a -s "$tmp/without"
}
halves '--perm k:x' '--perm k:x' '--perm k:!x'
halves '--perm u:r' '--perm u:r' '--perm u:!r'
halves '--perm ku:w' '--perm k:w' '--perm k:!w'
halves '--level 0' '--level 0' '--level 1,2,3,4'
halves '--level 2M' '--level pmd' '--level 4K,1G,pgd'
halves '--pa' '--pa 0-ffffff' '--pa 1000000-ffffffffffffffff'
halves '--range' '--range 0-ffffffff880fffff' '--range ffffffff88100000-ffffffffffffffff'
dump --root cpu0 --leaves --perm k:x >"$tmp/with"
grep -E '  [r-][w-]x/...(  |$)' "$tmp/leaves" >"$tmp/expected"
same 'dump --perm k:x: the leaves that say x' "$tmp/expected" "$tmp/with"
dump --root cpu0 --leaves --perm 'k:r!w,u:r!x' >"$tmp/with"
grep -E '  r-[x-]/r[w-]-(  |$)' "$tmp/leaves" >"$tmp/expected"
same 'dump --perm k:r!w,u:r!x' "$tmp/expected" "$tmp/with"
dump --root cpu0 --pa da0a000+4K >"$tmp/with"
check 'dump --pa: a page is one page of each range that maps it' sh -c \
	"test -s $tmp/with && ! grep -Ev '  0x000000000da0a000 +4K  4K  ' $tmp/with"
dump --pa 234567-234567 --level 2M >"$tmp/with"
check 'dump --pa: a byte is the leaf that maps it' \
	grep -Eqx '0xffff969d00200000-0xffff969d003fffff  0x0000000000200000 +2M  2M  .*' "$tmp/with"
equal 'dump --pa: ... once' "$(lines "$tmp/with")" 1
dump --range ffff969d00200123-ffff969d00200456 >"$tmp/with"
check 'dump --range: clipped to the byte' grep -Eq \
	'^0xffff969d00200123-0xffff969d00200456  0x0000000000200123 +820B  2M  ' "$tmp/with"
dump --range ffff969d00200000+2M >"$tmp/with"
dump --range 0xffff969d00200000-0xFFFF969D003FFFFF >"$tmp/expected"
same 'dump --range: FIRST+SIZE is FIRST-LAST' "$tmp/expected" "$tmp/with"
pagewalk dump --range 0-fff "$image" >"$tmp/out"
check 'dump --range: looks into both halves by default' grep -q '; 1 table visit; ' "$tmp/out"
ends 'dump --range: between the halves there is nothing' 0 \
	dump --range 0000800000000000-ffff7fffffffffff "$image"

# The summary.
pagewalk dump --root cpu0 "$image" | tail -n 1 >"$tmp/summary"
check 'dump: the summary counts what was printed' grep -qx \
	"# root 0x6b6000, x86_64-la48, whole root: $(lines "$tmp/ranges") ranges, $(lines "$tmp/leaves") leaves, .*; 0 malformed, 0 unreadable" \
	"$tmp/summary"

# JSON.
hex='"0x[0-9a-f]{16}"'
rights='"[r-][w-][x-]"'
check 'dump --json: records have the documented form' sh -c "! grep -Evx \
	'\{\"va\":$hex,\"pa\":$hex,\"size\":[0-9]+,\"level\":[0-4],\"entry\":$hex,\"kernel\":$rights,\"user\":$rights,\"attrs\":\[(\"[a-z0-9]+\"(,\"[a-z0-9]+\")*)?\],\"root\":$hex\}' $tmp/leaves.json"
pagewalk dump --root cpu0 --json "$image" | tail -n 1 >"$tmp/summary"
check 'dump --json: the last record is the summary' grep -Eqx \
	"\{\"summary\":\{.*\"ranges\":$(lines "$tmp/ranges"),\"leaves\":$(lines "$tmp/leaves"),.*\"truncated\":false,\"malformed\":0,\"unreadable\":0\}\}" \
	"$tmp/summary"
# Reduce JSON from the inside out; valid text ends up as one V.
cat >"$tmp/json.sed" <<'SED'
s/"([^"\\[:cntrl:]]|\\(["\\\/bfnrt]|u[0-9a-f]{4}))*"/S/g
s/-?(0|[1-9][0-9]*)|true|false|null/V/g
:again
s/\[([SV](,[SV])*)?\]/V/
t again
s/\{(S:[SV](,S:[SV])*)?\}/V/
t again
SED
# valid_json ARGUMENT...
valid_json() {
	run "$@"
	sed -E -f "$tmp/json.sed" "$tmp/out" | grep -vx V >"$tmp/why" || :
	tap_empty "$1: every line is JSON" "$tmp/why"
}
ln -s "$image" "$tmp/a \"name\" with \\ and	tab"
valid_json info --json "$tmp/a \"name\" with \\ and	tab"
valid_json roots --json "$image"
valid_json dump --json --root cpu0 "$image"
valid_json translate --json --root cpu0 "$image" 400000 0 800000000000 ffffffffffffffff

# Translate answers for every leaf what dump said.
awk '{ print $1 }' "$tmp/leaves" | cut -c 1-18 >"$tmp/addresses"
status=0
pagewalk translate --root cpu0 "$image" <"$tmp/addresses" >"$tmp/out" || status=$?
equal 'translate: all are mapped' "$status" 0
awk '/^0x/ { $3 = ""; print }' "$tmp/out" >"$tmp/translated"
awk '{ $1 = substr($1, 1, 18); $3 = $4 = ""; print }' "$tmp/leaves" | tr -s ' ' >"$tmp/expected"
tr -s ' ' <"$tmp/translated" >"$tmp/actual"
same 'translate: every leaf is as dump said' "$tmp/expected" "$tmp/actual"
pagewalk translate --root cpu0 --json "$image" - <"$tmp/addresses" |
	sed -n 's/.*"pa":\("[^"]*"\).*"entry":\("[^"]*"\),"kernel".*/\1 \2/p' >"$tmp/actual"
sed 's/.*"pa":\("[^"]*"\).*"entry":\("[^"]*"\).*/\1 \2/' "$tmp/leaves.json" >"$tmp/expected"
same 'translate --json: ... with its entry' "$tmp/expected" "$tmp/actual"
cat >"$tmp/expected" <<'TEXT'
0x0000000000400123  0x000000000f829123        4K  r--/r--  a
  PML4   0x00000000006b6000  0x80000000006c4067  table
  PDPT   0x00000000006c4000  0x00000000006b5067  table
  PD     0x00000000006b5010  0x00000000006c7067  table
  PT     0x00000000006c7000  0x800000000f829025  leaf
0x0000000000000000  !empty                    2M  pmd  0x0000000000000000-0x00000000001fffff
  PML4   0x00000000006b6000  0x80000000006c4067  table
  PDPT   0x00000000006c4000  0x00000000006b5067  table
  PD     0x00000000006b5000  0x0000000000000000  empty
# root 0x6b6000, x86_64-la48, whole root: 1 of 2 mapped
TEXT
run translate --root cpu0 "$image" 400123 0x0
same 'translate: every level'\''s entry' "$tmp/expected" "$tmp/out"
equal 'translate: status 1 if one is not mapped' "$status" 1
status=0
printf '# addresses\n\n  0x400123 \r\n0\n' |
	pagewalk translate --root cpu0 "$image" >"$tmp/out" 2>"$tmp/err" || status=$?
same 'translate: the same from standard input' "$tmp/expected" "$tmp/out"
status=0
printf '400123\nfoo\n400123\n' |
	pagewalk translate --root cpu0 "$image" >"$tmp/out" 2>"$tmp/err" || status=$?
equal 'translate: standard input ends at what is no address' \
	"$status $(cat "$tmp/err")" "2 pagewalk: translate: 'foo' is not an address in hexadecimal"

# Cut short.
run dump --root cpu0 --half kernel --leaves --budget 9 "$image"
equal 'dump --budget: status 1' "$status" 1
sed -n '$s/.*; cut short at \(0x[0-9a-f]*\)$/\1/p' "$tmp/out" >"$tmp/cut_at"
check 'dump --budget: the summary says where' test -s "$tmp/cut_at"
check 'dump --budget: so does standard error' grep -q \
	"^pagewalk: .* cut short at $(cat "$tmp/cut_at"): " "$tmp/err"
sed '$d' "$tmp/out" >"$tmp/cut"
awk -v at="$(cat "$tmp/cut_at")" 'substr($1, 1, 18) < at' "$tmp/kernel" >"$tmp/expected"
same 'dump --budget: all that lies before is there' "$tmp/expected" "$tmp/cut"
run dump --root cpu0 --json --budget 9 "$image"
tail -n 1 "$tmp/out" >"$tmp/summary"
check 'dump --budget --json: truncated is true' \
	grep -Eq "\"truncated\":true,\"truncated_va\":$hex," "$tmp/summary"
dump --root cpu0 --budget none >"$tmp/out"
same 'dump --budget none' "$tmp/ranges" "$tmp/out"

# A root whose tables are not in the image.
run dump --root 0x7654000 --half kernel "$image"
equal 'dump: unreadable tables: status 1' "$status" 1
equal 'dump: ... and a line of their own' "$(head -n 1 "$tmp/out")" \
	'0xffff800000000000-0xffffffffffffffff  !unreadable             128T  pgd  table=0x0000000007654000'
run dump --style ptdump --half kernel --root 0x7654000 "$image"
equal 'dump --style ptdump: unreadable tables: status 1' "$status" 1
check 'dump --style ptdump: ... and a line that says so' grep -q \
	'^0xffff880000000000-0x0000000000000000         120T !unreadable                   pgd$' "$tmp/out"

# The kernel's way.
pagewalk dump --style ptdump --markers "$markers" "$image" >"$tmp/ptdump"
equal 'dump --style ptdump: banners' "$(grep -c '^---\[ .* \]---$' "$tmp/ptdump")" \
	"$(lines "$markers")"
check 'dump --style ptdump: lines have the kernel'\''s form' sh -c "! grep -Evx \
	'(---\[ .* \]---|0x[0-9a-f]{16}-0x[0-9a-f]{16} {3}[ 0-9]{9}[BKMGTPE] .{30}p[gmut4][de])' $tmp/ptdump"
pagewalk dump --style ptdump --half user "$image" >"$tmp/user" 2>/dev/null
equal 'dump --style ptdump --half user: the kernel'\''s root has no user half' "$(cat "$tmp/user")" \
	'0x0000000000000000-0x0000800000000000         128T                               pgd'
printf '# mine\n\n0 \033[31mred\n0xffffffff88c00000 2 Two lines  \r\nffffffff89400000 Rest\n' >"$tmp/markers"
pagewalk dump --style ptdump --markers "$tmp/markers" "$image" >"$tmp/ptdump"
grep -A 3 -e '---\[' "$tmp/ptdump" | grep -v '^--$' | cut -c 1-18 >"$tmp/actual"
cat >"$tmp/expected" <<'TEXT'
---[ \x1b[31mred ]
0x0000000000000000
0xffff968000000000
0xffff969d00000000
---[ Two lines ]--
0xffffffff88c00000
0xffffffff89000000
... 2 entries skip
---[ Rest ]---
0xffffffff89400000
0xffffffff8952f000
0xffffffff89600000
TEXT
same 'dump --markers: names made harmless, a limit of lines kept' "$tmp/expected" "$tmp/actual"
printf '0 A\nnonsense\n' >"$tmp/markers"
complains 'dump --markers: a line that is none' 2 'line 2 is not ADDRESS' \
	dump --style ptdump --markers "$tmp/markers" "$image"
complains 'dump --markers: no such file' 3 "$tmp/nothing: No such file" \
	dump --style ptdump --markers "$tmp/nothing" "$image"

# info and roots.
ends 'info: status 0' 0 info "$image"
for word in 'elf-core, written by QEMU' 'OSRELEASE=6.1.192' 'kernel root   0xda0a000, x86_64-la48' \
	'self-map proof: passed' 'WP=1 (known)' 'NXE=1 (assumed)' \
	'integrity     88 tables: 0 malformed entries, 164 leaves outside memory, 0 tables shared,'; do
	check "info: $word" grep -qF "$word" "$tmp/out"
done
ends 'roots: status 0' 0 roots "$image"
equal 'roots: the last line counts them' "$(tail -n 1 "$tmp/out" | cut -d ';' -f 1)" \
	"# $(grep -c '^0x' "$tmp/out") roots"
awk '/kpti=kernel/ { sub(".*twin=", ""); print $1 }' "$tmp/out" >"$tmp/twins"
awk '/kpti=user/ { print $1 }' "$tmp/out" >"$tmp/expected"
same 'roots: each kernel half names its user half' "$tmp/expected" "$tmp/twins"

# Help and version.
for command in info roots dump translate find stats audit diff; do
	ends "$command --help: status 0" 0 "$command" --help
	check "$command --help: usage first" sh -c "head -n 1 $tmp/out | grep -q '^Usage: pagewalk $command '"
	sed -n "s/^  pagewalk \\($command [^<]*[^ <]\\)\\(  .*\\|\$\\)/\\1/p" "$tmp/out" | sed 's/   .*//' >"$tmp/examples"
	check "$command --help: has examples" test -s "$tmp/examples"
	# This image has no processes; linux-inside.sh has some.
	sed -i '/--owners\|--pid\|@\| 1:\|--index/d' "$tmp/examples"
	while read -r example; do
		status=0
		# shellcheck disable=SC2046 # words
		pagewalk $(printf '%s\n' "$example" | sed "s|vmcore|$image|g") >/dev/null 2>"$tmp/err" </dev/null || status=$?
		check "an example of help: $example" test "$status" -le 1
	done <"$tmp/examples"
done
ends '--help: status 0' 0 --help
check '--help: names the commands' sh -c "grep -c '^  \(info\|roots\|dump\|translate\|find\|stats\|top\|audit\|diff\|trim\|convert\|extract\|snapshot\|ps\|maps\|symbols\|completion\|report\|sql\|export\) ' $tmp/out | grep -qx 20"
ends '--version: status 0' 0 --version
check '--version: name and number' grep -Eqx 'pagewalk [0-9]+\.[0-9]+\.[0-9]+' "$tmp/out"

# A reader that goes away.
for style in '--leaves' '--leaves --json' '--style ptdump'; do
	rm -f "$tmp/status"
	{
		status=0
		# shellcheck disable=SC2086 # words
		pagewalk dump --root cpu0 $style "$image" 2>"$tmp/err" || status=$?
		printf '%s\n' "$status" >"$tmp/status"
	} | head -n 1 >"$tmp/out"
	equal "dump $style | head: ends quietly" \
		"$(cat "$tmp/status") $(grep -v 'table of markers' "$tmp/err" || :) $(lines "$tmp/out")" '0  1'
done

# Colours.
escape=$(printf '\033')
run dump --color always --root cpu0 "$image"
check 'dump --color always: has escapes' grep -q "$escape" "$tmp/out"
sed "s/$escape\\[[0-9;]*m//g" "$tmp/out" | sed '$d' >"$tmp/plain"
same 'dump --color always: and else is the same' "$tmp/ranges" "$tmp/plain"
check 'dump: no escapes in a pipe' sh -c "! grep -q '$escape' $tmp/ranges"
# on_terminal WORDS: how many lines of the output have escapes.
on_terminal() {
	script -qec "$1" /dev/null </dev/null | grep -c "$escape\\[[0-9;]*m" || :
}
tool="'$PGW_TOOL' dump --perm k:x '$image' 2>/dev/null"
check 'dump: escapes on a terminal' test "$(on_terminal "TERM=xterm $tool")" -gt 0
equal 'dump: none with NO_COLOR' "$(on_terminal "TERM=xterm NO_COLOR=1 $tool")" 0
equal 'dump: none on a dumb terminal' "$(on_terminal "TERM=dumb $tool")" 0
check 'dump --color always: beats NO_COLOR' \
	test "$(on_terminal "TERM=xterm NO_COLOR=1 $tool --color always")" -gt 0
equal 'dump --color never' "$(on_terminal "TERM=xterm $tool --color never")" 0
tap_done
