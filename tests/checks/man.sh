#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The manual pages have the commands and options that --help has; options of all
# commands are in pagewalk.1. Prints TAP.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
make_tmp

# words NAME: compares what help and what the page names.
words() {
	sort "$tmp/help" >"$tmp/sorted-help"
	sort "$tmp/page" >"$tmp/sorted-page"
	[ -s "$tmp/help" ] || echo 'help names none' >"$tmp/sorted-page"
	diff "$tmp/sorted-help" "$tmp/sorted-page" >"$tmp/log" || true
	tap_empty "$1" "$tmp/log"
}

"$PGW_TOOL" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' >"$tmp/help"
for page in "$root"/man/pagewalk-*.1; do
	basename "$page" .1 | sed 's/^pagewalk-//'
done >"$tmp/page"
words 'man: each command has a page'

for page in "$root"/man/pagewalk-*.1; do
	command=$(basename "$page" .1 | sed 's/^pagewalk-//')
	"$PGW_TOOL" "$command" --help | sed -n 's/^  --\([a-z]*\).*/\1/p' | grep -vx help >"$tmp/help"
	sed -n 's/^\.It Fl -\([a-z]*\).*/\1/p' "$page" "$root/man/pagewalk.1" >"$tmp/page"
	words "man: each option of $command, and no other"
done
tap_done
