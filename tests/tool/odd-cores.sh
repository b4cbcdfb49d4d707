#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Cores whose headers are not as usual: memory that was left out because it is zeroes,
# segments without a physical address, memory that is not where the headers say, CPUs
# without paging, other machines. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
python3 "$root/tests/tool/odd_core.py" "$tmp"

# says NAME STATUS PATTERN ARGUMENT...: it ends so, and its output matches.
says() {
	name=$1
	expected=$2
	pattern=$3
	shift 3
	run "$@"
	{
		printf 'status %d, expected %d; it should say: %s\n' "$status" "$expected" "$pattern"
		cat "$tmp/out" "$tmp/err"
	} >"$tmp/why"
	if [ "$status" -eq "$expected" ] && cat "$tmp/out" "$tmp/err" | grep -q "$pattern"; then
		tap_ok "$name"
	else
		tap_fail "$name" "$tmp/why"
	fi
}
# silent NAME PATTERN: the last command did not say this.
silent() {
	check "$1" sh -c "! grep -q '$2' $tmp/out $tmp/err"
}

left_out='2 segments hold less than they claim, as makedumpfile -E leaves out pages of zeroes: --zero-fill reads'
mapped=10200000
empty=10000000

says 'plain: empty' 1 'empty' translate --root cpu0 "$tmp/plain" $empty
silent 'plain: nothing is said of zeroes' 'zero-fill'
ends 'plain: mapped' 0 translate --root cpu0 "$tmp/plain" $mapped

says 'left out: unreadable' 1 unreadable translate --root cpu0 "$tmp/zero" $empty
check 'left out: one line says what is likely' grep -q "$left_out" "$tmp/err"
check 'left out: no more than that' sh -c "[ \$(wc -l <$tmp/err) -eq 1 ]"
says 'left out: dump says so too' 1 "$left_out" dump --root cpu0 "$tmp/zero"
says 'left out: in the style of ptdump, too' 1 "$left_out" \
	dump --root cpu0 --half user --style ptdump "$tmp/zero"
says 'left out: info says so, too' 1 "$left_out" info "$tmp/zero"
ends 'left out: what is there is mapped' 0 translate --root cpu0 "$tmp/zero" $mapped

whole='[1-9][0-9]* unreadable\|[1-9][KBM] unreadable\|hold less'
for command in info roots 'dump --root cpu0'; do
	# shellcheck disable=SC2086 # words
	run $command --zero-fill "$tmp/zero"
	silent "--zero-fill: $command: nothing is unreadable" "$whole"
done
pagewalk translate --root cpu0 "$tmp/plain" $empty $mapped >"$tmp/expected" || :
pagewalk translate --root cpu0 --zero-fill "$tmp/zero" $empty $mapped >"$tmp/actual" || :
same '--zero-fill: translate, as of the whole image' "$tmp/expected" "$tmp/actual"
pagewalk dump --root cpu0 "$tmp/plain" >"$tmp/expected" || :
pagewalk dump --root cpu0 --zero-fill "$tmp/zero" >"$tmp/actual" || :
same '--zero-fill: dump, as of the whole image' "$tmp/expected" "$tmp/actual"
says '--zero-fill: info counts' 0 '36K of it read as zeroes: 2 segments claim more than they hold' \
	info --zero-fill "$tmp/zero"
says '--zero-fill: info --json counts' 0 '"gaps":2.*"zero_filled":36864,"unreadable":0' \
	info --json --zero-fill "$tmp/zero"
says '--zero-fill: what is lost is not zeroes' 1 '8K unreadable; the file is truncated' \
	info --zero-fill "$tmp/zero-cut"
complains '--zero-fill: not with --ram' 2 'is for an ELF core' \
	info --zero-fill --ram "0=$tmp/plain"
pagewalk trim --zero-fill --force "$tmp/zero" "$tmp/trimmed" >/dev/null
says '--zero-fill: trim writes the zeroes' 1 empty translate --root cpu0 "$tmp/trimmed" $empty

says 'kcore: a segment without an address is passed over' 0 \
	'1 more segments passed over: they have no physical address (-1)' info "$tmp/kcore"
says 'kcore: in JSON, and nothing is truncated' 0 '"segments":1,"unplaced":1,.*"truncated":false' \
	info --json "$tmp/kcore"
ends 'kcore: mapped' 0 translate --root cpu0 "$tmp/kcore" $mapped
for command in info roots dump translate; do
	complains "kcore of old: $command refuses" 3 \
		'a core without physical addresses: all its segments are at 0 .*--ram PA=FILE@OFFSET+SIZE' \
		$command "$tmp/kcore-old"
done

moved='memory is read 1632 bytes before where the headers say: the notes and the file are so much shorter'
says 'shift: every command says so: translate' 0 "$moved" translate --root cpu0 "$tmp/shift-shorter" $mapped
says 'shift: every command says so: dump' 0 "$moved" dump --root cpu0 "$tmp/shift-shorter"
says 'shift: every command says so: roots' 0 "$moved" roots "$tmp/shift-shorter"
says 'shift: every command says so: info' 0 "$moved" info "$tmp/shift-shorter"
check 'shift: info has it in its output' \
	grep -q 'read 1632 bytes before where the headers say' "$tmp/out"
silent 'shift: nothing is truncated' truncated
pagewalk dump --root cpu0 "$tmp/plain" >"$tmp/expected"
pagewalk dump --root cpu0 "$tmp/shift-shorter" >"$tmp/actual" 2>/dev/null
same 'shift: dump, as of the plain image' "$tmp/expected" "$tmp/actual"
pagewalk dump --root cpu0 "$tmp/shift-longer" >"$tmp/actual" 2>/dev/null
same 'shift: notes longer than said: dump, as of the plain image' "$tmp/expected" "$tmp/actual"
says 'shift: in JSON' 0 '"shift":-1632,' info --json "$tmp/shift-shorter"
says 'shift: longer, in JSON' 0 '"shift":440,' info --json "$tmp/shift-longer"
says 'shift: the most there is' 0 'memory is read 9223372036854775808 bytes before where' \
	info "$tmp/shift-most"
says 'shift: the most there is, in JSON' 0 '"shift":-9223372036854775808,' info --json "$tmp/shift-most"
pagewalk dump --root cpu0 "$tmp/shift-most" >"$tmp/actual" 2>/dev/null
same 'shift: the most there is: dump, as of the plain image' "$tmp/expected" "$tmp/actual"
says 'no shift: a file that is only cut' 1 'the file is truncated' info "$tmp/cut"
silent 'no shift: is not said' 'where the headers say'

says 'more tables are missing than are counted: roots' 0 ' missing=104[0-9]*+$' roots "$tmp/many-missing"
says '... roots --json' 0 '"missing":104[0-9]*,"missing_is_cut":true' roots --json "$tmp/many-missing"
says '... dump' 1 ' unreadable (104[0-9]*+ tables missing)$' dump --root cpu0 --level 1G "$tmp/many-missing"
check '... and its message' grep -q '104[0-9]*+ tables that the root leads to are not in' "$tmp/err"
says '... dump --json' 1 '"missing_tables":104[0-9]*,"missing_is_cut":true' \
	dump --root cpu0 --json --level 1G "$tmp/many-missing"
says 'a few that are missing are counted: roots --json' 0 '"missing":1,"missing_is_cut":false' \
	roots --json "$tmp/zero"

says 'real mode: no root, and why' 1 'expected a CPU that uses page tables: on all of them paging is off' \
	info "$tmp/real-mode"
check 'real mode: the CPU says so' grep -q 'CR0=0x60000010 .*(real mode)' "$tmp/out"
complains 'real mode: dump' 3 'on all of them paging is off' dump "$tmp/real-mode"

says 'MIPS: info names it' 1 'of a machine of type MIPS (ELF machine 8)' info "$tmp/mips"
complains 'MIPS: dump' 3 'MIPS: the roots of x86_64, i386, arm64, arm, riscv, s390x, ppc64 and loongarch64 machines can be found' \
	dump "$tmp/mips"
tap_done
