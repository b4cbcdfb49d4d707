#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# How scripts/tally counts. Prints TAP.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
make_tmp

program=prog

# tally RESULT STATUS STDOUT: one program, as meson logs it.
tally() {
	printf '{"name":"s / %s","result":"%s","returncode":%s,"stdout":"%s"}\n' "$program" "$@" \
		>"$tmp/testlog"
	# shellcheck disable=SC2086 # a file, or nothing
	"$root/scripts/tally" b "$tmp/testlog" 'meson test' ${may_skip-} >"$tmp/lines" 2>/dev/null ||
		true
}

# is_expected NAME
is_expected() {
	if diff "$tmp/expected" "$tmp/got" >"$tmp/log"; then
		tap_ok "tally: $1"
	else
		tap_fail "tally: $1" "$tmp/log"
	fi
}

# counts NAME RESULT STATUS STDOUT EXPECTED-LINE...
counts() {
	name=$1
	tally "$2" "$3" "$4"
	shift 4
	printf '%s\n' "$@" | sed 's/ b: prog/	b: prog/' >"$tmp/expected"
	grep -v '^again' "$tmp/lines" >"$tmp/got" || true
	is_expected "$name"
}

# repeats NAME STDOUT EXPECTED-COMMAND...: for the failed cases, and for no others.
repeats() {
	name=$1
	tally FAIL 1 "$2"
	shift 2
	printf '%s\n' "$@" >"$tmp/expected"
	awk -F '\t' '$1 == "again" { print before == "failed" ? $2 : "after " before }
		{ before = $1 }' "$tmp/lines" >"$tmp/got"
	is_expected "$name"
}

counts 'a plain program that passes' OK 0 'hello' 'passed b: prog'
counts 'a plain program that fails' FAIL 1 '' 'failed b: prog: ended with status 1'
counts 'a plain program that skips' SKIP 77 '' 'skipped b: prog'
counts 'a plain program that crashes' FAIL -11 '' 'failed b: prog: ended with status -11'
counts 'every case' FAIL 1 '1..3\nok 1 - x\nnot ok 2 - y\nnot ok 3 # SKIP z\n' \
	'passed b: prog: x' 'failed b: prog: y' 'skipped b: prog: z'
counts 'two groups' OK 0 '1..1\nok 1 - x\n1..1\nok 1 - y\n' \
	'passed b: prog: x' 'passed b: prog: y'
counts 'the plan at the end' OK 0 'ok 1 - x\n1..1\n' 'passed b: prog: x'
counts 'a crash between cases' FAIL -6 '1..3\nok 1 - x\n' \
	'passed b: prog: x' 'failed b: prog: 1 of 3 cases ran, ended with status -6'
counts 'a crash before the first case' FAIL -6 '1..3\n' \
	'failed b: prog: no case ran, ended with status -6'
counts 'a bad status after the last case' FAIL 23 '1..1\nok 1 - x\n' \
	'passed b: prog: x' 'failed b: prog: ended with status 23'
counts 'a program without cases' OK 0 '1..0\n' \
	'failed b: prog: no case ran, ended with status 0'
counts 'a program that hangs' TIMEOUT -15 '1..2\nok 1 - x\nok 2 - y\n' \
	'passed b: prog: x' 'passed b: prog: y' 'failed b: prog: took too long'
printf '# why\nprog: allowed # because\n' >"$tmp/may-skip"
may_skip=$tmp/may-skip
counts 'skips that may not be' OK 0 '1..2\nnot ok 1 # SKIP allowed\nok 2 # SKIP other\n' \
	'skipped b: prog: allowed' 'failed b: prog: other (skipped, but may not be here)'
counts 'a program skipped that may not be' SKIP 77 '' \
	'failed b: prog (skipped, but may not be here)'
repeats 'how to repeat a case that may not be skipped' '1..1\nok 1 # SKIP test_a\n' \
	'PGW_TEST_FILTER=test_a meson test prog' 'meson test prog'
may_skip=

repeats 'how to repeat a program' 'hello' 'meson test prog'
repeats 'how to repeat a case of a script' '1..2\nok 1 - x: a\nnot ok 2 - x: b\n' 'meson test prog'
repeats 'how to repeat cases' '1..3\nok 1 - test_a\nnot ok 2 - test_b\nnot ok 3 - test_c\n' \
	'PGW_TEST_FILTER=test_b meson test prog' 'PGW_TEST_FILTER=test_c meson test prog'
repeats 'how to repeat a random case' '# PGW_TEST_SEED=0x1f\n1..1\nnot ok 1 - test_a\n' \
	'PGW_TEST_FILTER=test_a PGW_TEST_SEED=0x1f meson test prog'
program='info-tlb x'
repeats 'how to repeat a program whose name has a space' 'hello' "meson test 'info-tlb x'"

: >"$tmp/testlog"
if "$root/scripts/tally" b "$tmp/testlog" 'meson test' >"$tmp/log" 2>&1; then
	tap_fail 'tally: no test at all is an error' "$tmp/log"
else
	tap_ok 'tally: no test at all is an error'
fi
tap_done
