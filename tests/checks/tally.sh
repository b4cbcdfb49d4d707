#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# How scripts/tally counts. Prints TAP.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
make_tmp

# counts NAME RESULT STATUS STDOUT EXPECTED-LINE...: one program, as meson logs it.
counts() {
	name=$1
	printf '{"name":"s / prog","result":"%s","returncode":%s,"stdout":"%s"}\n' "$2" "$3" "$4" \
		>"$tmp/testlog"
	shift 4
	printf '%s\n' "$@" | sed 's/ b: prog/	b: prog/' >"$tmp/expected"
	# shellcheck disable=SC2086 # a file, or nothing
	"$root/scripts/tally" b "$tmp/testlog" ${may_skip-} >"$tmp/got" 2>/dev/null || true
	if diff "$tmp/expected" "$tmp/got" >"$tmp/log"; then
		tap_ok "tally: $name"
	else
		tap_fail "tally: $name" "$tmp/log"
	fi
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

: >"$tmp/testlog"
if "$root/scripts/tally" b "$tmp/testlog" >"$tmp/log" 2>&1; then
	tap_fail 'tally: no test at all is an error' "$tmp/log"
else
	tap_ok 'tally: no test at all is an error'
fi
tap_done
