#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# kernels.sh: several kernels in one image, a VMCOREINFO that the user brings or that does not fit,
# and a file that was cut short. What is expected follows from how kernels.py makes them. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
for kind in two two-note cut wrong text note; do
	PYTHONDONTWRITEBYTECODE=1 python3 "$root/tests/tool/kernels.py" "$kind" "$tmp/$kind" ||
		die "no $kind"
done
two=$tmp/two
first=0x0000000000012000
second=0x0000000000032000

# prints NAME PATTERN ARGUMENT...: a line of the output matches.
prints() {
	name=$1
	pattern=$2
	shift 2
	run "$@"
	check "$name" grep -Eq -- "$pattern" "$tmp/out"
}

# roots NAME NUMBER ARGUMENT...: so many roots are listed.
roots() {
	name=$1
	expected=$2
	shift 2
	run roots "$@"
	check "$name" [ "$(grep -c '^0x' "$tmp/out")" -eq "$expected" ]
}

roots 'two kernels: all roots' 4 "$two"
check 'two kernels: roots says that there are two' grep -q '^# 4 roots of 2 kernels' "$tmp/out"
check 'two kernels: ... and whose each root is' sh -c \
	"[ \$(grep -c ' kernel=1' $tmp/out) -eq 2 ] && [ \$(grep -c ' kernel=2' $tmp/out) -eq 2 ]"
cp "$tmp/out" "$tmp/roots"
prints 'two kernels: info lists them' '^kernels +1: root 0x12000, x86_64-la48, 6\.1\.0-first' info "$two"
check 'two kernels: ... the second too' grep -Eq '^ +2: root 0x32000, x86_64-la48, 6\.1\.0-second$' "$tmp/out"
prints 'two kernels: info --json' \
	"\"kernels\":\[\{\"number\":1,\"root\":\"$first\".*\"number\":2,\"root\":\"$second\",.*\"release\":\"6.1.0-second\"" \
	info --json "$two"
for kernel in 2 6.1.0-second; do
	roots "--kernel $kernel: roots" 2 --kernel "$kernel" "$two"
	check "--kernel $kernel: its own" grep -q "^$second .* kernel " "$tmp/out"
	prints "--kernel $kernel: dump" '^# root 0x32000,' dump --kernel "$kernel" "$two"
	prints "--kernel $kernel: translate" '^0xffffffff81002000  0x0000000000032000 ' \
		translate --kernel "$kernel" "$two" ffffffff81002000
	prints "--kernel $kernel: info" '^kernel root +0x32000,' info --kernel "$kernel" "$two"
done
prints '--kernel with --root' '^# root 0x[0-9a-f]+, x86_64-la48, whole root: ' \
	dump --kernel 2 --root cpu0 "$two"
complains '--kernel with the root of a CPU that runs another' 2 'cpu0 does not run kernel 1' \
	dump --kernel 1 --root cpu0 "$two"
for command in info roots dump translate trim; do
	# shellcheck disable=SC2046 # words
	complains "--kernel: $command: no such number" 2 '--kernel 9: it has 2 kernels' "$command" \
		--kernel 9 "$two" $([ "$command" != trim ] || echo "$tmp/trimmed9")
done
complains '--kernel: no such release' 2 '--kernel 6.1: it has 2 kernels' roots --kernel 6.1 "$two"
complains '--kernel: of one' 2 '--kernel 2: it has 1 kernel, ' dump --kernel 2 "$tmp/wrong"
complains '--kernel without a value' 2 'is not a kernel' dump --kernel '' "$two"

# The CPUs run both, so the look through memory goes on until both are found.
for command in dump translate; do
	prints "two kernels: $command says so" \
		"^# root 0x12000, .*, kernel 1 of 2 \(--kernel chooses\): " "$command" "$two"
	prints "two kernels: $command of the second" \
		'^# root 0x32000, .*, kernel 2 of 2, 6\.1\.0-second \(--kernel chooses\): ' \
		"$command" --kernel 2 "$two"
	prints "two kernels: $command --json" '^\{"summary":\{.*"kernel":1,"kernels":2,' \
		"$command" --json "$two"
	run "$command" "$tmp/cut"
	check "one kernel: $command says nothing" sh -c "! grep -q 'kernel 1 of' $tmp/out"
done
prints 'two kernels, one with a note: info did not look for more' \
	'^kernels +memory was not looked through for more' info "$tmp/two-note"
prints '... in JSON' '"kernels":\[\{"number":1,[^]]*\],"kernels_are_all":false' info --json "$tmp/two-note"
prints 'two kernels: info looked for all' '\],"kernels_are_all":true' info --json "$two"

run trim "$two" "$tmp/trimmed"
run roots "$tmp/trimmed"
grep '^0x' "$tmp/roots" >"$tmp/expected"
grep '^0x' "$tmp/out" >"$tmp/actual" || true
same 'trim keeps the roots of both' "$tmp/expected" "$tmp/actual"
run trim --kernel 2 "$two" "$tmp/trimmed2"
check 'trim --kernel keeps those of one' grep -q '^# 2 roots,' "$tmp/out"

for kind in text note; do
	prints "--vmcoreinfo $kind" '^# root 0x32000,' dump --vmcoreinfo "$tmp/$kind" "$two"
	prints "--vmcoreinfo $kind: is kernel 1" "^$second .*vmcoreinfo-given .*kernel=1" \
		roots --vmcoreinfo "$tmp/$kind" "$two"
done
complains '--vmcoreinfo that fits no kernel' 3 'given VMCOREINFO' \
	dump --vmcoreinfo "$tmp/text" "$tmp/wrong"
complains '--vmcoreinfo that is none' 3 'expected a VMCOREINFO' dump --vmcoreinfo "$two" "$two"
complains '--vmcoreinfo that is not there' 3 'No such file' dump --vmcoreinfo "$tmp/none" "$two"
: >"$tmp/empty"
complains '--vmcoreinfo of nothing' 3 'expected a VMCOREINFO' dump --vmcoreinfo "$tmp/empty" "$two"
complains '--vmcoreinfo without an end' 3 'expected a VMCOREINFO' dump --vmcoreinfo /dev/zero "$two"

prints 'a note that does not fit: info' '^vmcoreinfo +in a note, .*it does not fit: ' info "$tmp/wrong"
check 'a note that does not fit: the right root all the same' \
	grep -q '^kernel root   0x12000, x86_64-la48$' "$tmp/out"
prints 'a note that does not fit: info --json' '"source":"note",.*"fits":false,' info --json "$tmp/wrong"
prints 'one that fits: info --json' '"source":"ram",[^}]*"fits":true,' info --json "$two"

roots 'cut short: all roots' 2 "$tmp/cut"
check 'cut short: they agree' [ "$(grep -c 'proof=partial .*agree=2  missing=1$' "$tmp/out")" -eq 2 ]
check 'cut short: the sum' grep -q '^# 2 roots; 2 lack tables; the file is truncated' "$tmp/out"
prints 'cut short: dump counts what is missing' \
	'^# root 0x12000, x86_64-la48, kernel half: 1 range, 1 leaf, .* 1 unreadable \(1 table missing\)$' \
	dump "$tmp/cut"
check 'cut short: ... and tells' grep -q '1 range unreadable: 1 table that the root leads to' "$tmp/err"
prints 'cut short: dump --json' '"unreadable":1,"missing_tables":1' dump --json "$tmp/cut"
prints 'cut short: translate' ': 0 of 1 mapped, 1 unreadable: tables missing$' \
	translate "$tmp/cut" ffffffff81002000
prints 'cut short: info' 'partial proof: the kernel half of 2 roots agrees' info "$tmp/cut"
check 'cut short: info: tables' grep -q ' 1 tables unreadable$' "$tmp/out"
prints 'cut short: roots --json' '"proof":"partial",.*"kernel":1,"agree":2,"missing":1' \
	roots --json "$tmp/cut"
tap_done
