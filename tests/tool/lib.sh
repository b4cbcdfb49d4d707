# SPDX-License-Identifier: BSD-2-Clause
# What the tests of the command share; to be sourced, from the folder of the test.
# shellcheck shell=sh
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
export LC_ALL=C
unset NO_COLOR

[ -x "${PGW_TOOL:-}" ] || die 'PGW_TOOL is not the command to test'

pagewalk() {
	timeout 60 "$PGW_TOOL" "$@"
}

# shared NAME: the path of a file of the shared images, decompressed if need be.
# Without it the whole test is skipped, unless something failed before.
shared() {
	from=${PGW_SHARED:-$root/../shared}/images/$1
	cache=${PGW_IMAGE_CACHE:-$tmp}
	if [ -r "$from" ]; then
		printf '%s\n' "$from"
		return
	fi
	if [ ! -r "$from.zst" ]; then
		printf '%s: %s is not there\n' "$me" "$from.zst" >&2
		[ "${tap_failed:-0}" -eq 0 ] || return 1
		return 77
	fi
	if [ ! -e "$cache/$1" ] || [ "$(find "$from.zst" -newer "$cache/$1")" ]; then
		mkdir -p "$(dirname "$cache/$1")"
		# The rename makes the file appear whole to tests that run beside this one.
		zstd -q -d -f --sparse -o "$cache/$1.$$" "$from.zst" >&2 &&
			mv -f "$cache/$1.$$" "$cache/$1" || return 1
	fi
	printf '%s\n' "$cache/$1"
}

# same NAME EXPECTED ACTUAL: passes if the two files are equal.
same() {
	if diff "$2" "$3" >"$tmp/diff" 2>&1; then
		tap_ok "$1"
	else
		head -n 40 "$tmp/diff" >"$tmp/why"
		tap_fail "$1" "$tmp/why"
	fi
}

# check NAME COMMAND...: passes if the command succeeds.
check() {
	name=$1
	shift
	if "$@" >"$tmp/check" 2>&1; then
		tap_ok "$name"
	else
		tap_fail "$name" "$tmp/check"
	fi
}

# run ARGUMENT...: the command's output in $tmp/out and $tmp/err, its status in $status.
run() {
	status=0
	pagewalk "$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
}

# ends NAME STATUS ARGUMENT...: it ends with this status, and says nothing beside its output.
ends() {
	name=$1
	expected=$2
	shift 2
	run "$@"
	printf 'status %d, expected %d\n' "$status" "$expected" | cat - "$tmp/err" >"$tmp/why"
	if [ "$status" -eq "$expected" ] && [ ! -s "$tmp/err" ]; then
		tap_ok "$name"
	else
		tap_fail "$name" "$tmp/why"
	fi
}

# complains NAME STATUS PATTERN ARGUMENT...: it ends with this status and one line on
# standard error that matches, and prints nothing else.
complains() {
	name=$1
	expected=$2
	pattern=$3
	shift 3
	run "$@"
	{
		printf 'status %d, expected %d; the line should match: %s\n' "$status" \
			"$expected" "$pattern"
		cat "$tmp/err" "$tmp/out"
	} >"$tmp/why"
	if [ "$status" -eq "$expected" ] && [ ! -s "$tmp/out" ] &&
		[ "$(wc -l <"$tmp/err")" -eq 1 ] && grep -q "^pagewalk: .*$pattern" "$tmp/err"; then
		tap_ok "$name"
	else
		tap_fail "$name" "$tmp/why"
	fi
}
