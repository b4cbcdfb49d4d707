#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# run.sh MODEL.pml: verify a model and its mutants with Spin. Prints TAP.
#
# The cases are lines of the model's first comment:
#  * right | NAME | FLAGS |            all states searched, no error
#  * wrong | NAME | FLAGS | ERROR      Spin finds this error: a part of a failed
#                                      assertion's text, or "invalid end state"
# In a right case without flags every statement must have been reached too.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"

[ $# -eq 1 ] || die 'usage: run.sh MODEL.pml'
model=$(cd "$(dirname "$1")" && pwd)/${1##*/}
command -v spin >/dev/null || exit 77
make_tmp
cd "$tmp"

# search OPTIMISATION FLAG...: what pan prints goes to the file out.
search() {
	optimisation=$1
	shift
	rm -f pan* ./*.trail
	spin -a "$@" "$model" >out 2>&1 &&
		"${CC:-gcc}" "$optimisation" -w -DSAFETY -DMEMLIM=1000 -o pan pan.c >>out 2>&1 &&
		timeout 120 ./pan -b -m20000 >>out 2>&1
}

# Did the search end by itself, having found nothing?
is_right() {
	grep -q 'errors: 0$' out && ! grep -qE '^pan:[0-9]|not completed|too small' out
}

is_wrong() { # is_wrong ERROR
	grep '^pan:1: ' out | grep -qF -- "$1"
}

# Statements that the search never came to.
list_unreached() {
	sed -n 's|^	[^ ]*:\([0-9]*\), state [0-9]*, .*|unreached: line \1|p' out | sort -u
}

name=${model##*/}
name=${name%.pml}
sed -n 's/^ \* \(right\|wrong\) *|/\1|/p' "$model" >cases
[ -s cases ] || die "no cases in $model"
while IFS='|' read -r kind case flags error; do
	# shellcheck disable=SC2116,SC2086 # without the blanks around
	case=$(echo $case) error=$(echo $error) flags=$(echo $flags)
	title="$name: $kind: ${case:-as it is}"
	# An error is found soon: then compiling takes longest.
	optimisation=-O1
	[ "$kind" = right ] || optimisation=-O0
	# shellcheck disable=SC2086 # words
	search $optimisation $flags || printf 'exit status %d\n' $? >>out
	if [ "$kind" = wrong ]; then
		if [ -n "$error" ] && is_wrong "$error"; then
			tap_ok "$title"
		else
			tap_fail "$title" out
		fi
		continue
	fi
	if ! is_right; then
		tap_fail "$title" out
		continue
	fi
	: >unreached
	[ -n "$flags" ] || list_unreached >unreached
	tap_empty "$title" unreached
done <cases
tap_done
