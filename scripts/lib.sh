# SPDX-License-Identifier: BSD-2-Clause
# What the scripts share; to be sourced.
# shellcheck shell=sh

me=${0##*/}

die() {
	printf '%s: %s\n' "$me" "$*" >&2
	exit 1
}

# A folder that is gone when the script ends.
make_tmp() {
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/pagewalk.XXXXXX") || die 'cannot make a temporary folder'
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 1' HUP INT TERM
}

# Test results as TAP: one line a case, so that scripts/check can count them.
tap_nr=0
tap_failed=0

tap_ok() {
	tap_nr=$((tap_nr + 1))
	printf 'ok %d - %s\n' "$tap_nr" "$1"
}

# tap_fail NAME FILE: the file says why.
tap_fail() {
	tap_nr=$((tap_nr + 1))
	tap_failed=$((tap_failed + 1))
	printf 'not ok %d - %s\n' "$tap_nr" "$1"
	sed 's/^/# /' "$2"
}

# tap_empty NAME FILE: passes if the file, a list of breaches, is empty.
tap_empty() {
	if [ -s "$2" ]; then
		tap_fail "$1" "$2"
	else
		tap_ok "$1"
	fi
}

tap_done() {
	printf '1..%d\n' "$tap_nr"
	[ "$tap_nr" -gt 0 ] && [ "$tap_failed" -eq 0 ]
}
