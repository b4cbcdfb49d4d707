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

# narrow NAME FILE: no line has more than 80 columns.
narrow() {
	awk 'length > 80' "$2" >"$tmp/log"
	tap_empty "$1" "$tmp/log"
}

# What a page says of an option of its own or of all commands; a line of its own is enough in both.
for page in "$root"/man/pagewalk-*.1; do
	command=$(basename "$page" .1 | sed 's/^pagewalk-//')
	"$PGW_TOOL" "$command" --help >"$tmp/text"
	narrow "$command --help: at most 80 columns" "$tmp/text"
	grep -v '^  --help' "$tmp/text" | grep -q '^  --' || continue # it takes none
	sed -n 's/^  --\([a-z-]*\).*/\1/p' "$tmp/text" | grep -vx help >"$tmp/help"
	sed -n 's/^\.It Fl -\([a-z-]*\).*/\1/p' "$page" "$root/man/pagewalk.1" | sort -u >"$tmp/page"
	words "man: each option of $command, and no other"
	sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/s/^\.\(Op \)\{0,1\}Fl -\([a-z-]*\).*/\2/p' "$page" >"$tmp/page"
	words "man: each option of $command in its synopsis"
done
"$PGW_TOOL" --help >"$tmp/text"
narrow '--help: at most 80 columns' "$tmp/text"
tap_done
