#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# page.sh: what pagewalk report writes, as a browser shows it: the numbers of other commands, for
# keyboards, at two widths, in light and dark, and nothing is asked of a network.
# page.sh IMAGE: of this shared image, the numbers alone. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

# look ARGUMENT...: what page_check.py finds in Chromium.
look() {
	command -v chromium >/dev/null || {
		echo "$me: Chromium is not there" >&2
		[ "${tap_failed:-0}" -eq 0 ] || exit 1
		exit 77
	}
	/usr/bin/python3 "$root/tests/tool/page_check.py" "$@" >"$tmp/tap" 2>"$tmp/err" || :
	grep -q '^1\.\.[1-9]' "$tmp/tap" || { echo 'no plan'; cat "$tmp/err"; } >>"$tmp/tap"
	grep '^ok ' "$tmp/tap" | sed 's/^ok [0-9]* - //' >"$tmp/passed"
	grep -v '^ok \|^1\.\.' "$tmp/tap" >"$tmp/log" || :
	while read -r passed; do
		tap_ok "$passed"
	done <"$tmp/passed"
	tap_empty 'in Chromium' "$tmp/log"
	tap_done
}

if [ $# -gt 0 ]; then
	image=$(shared "$1.elf") || exit $?
	run report "$image" -o "$tmp/page.html"
	check 'a page is written' test "$status" -le 1
	look "$image" "$tmp/page.html"
	exit
fi

small=$root/tests/data/x86_64-la48-pti.small.elf
page=$tmp/page.html
ends 'a page is written' 0 report "$small" -o "$page"
check '... and summed up' grep -q '^#  spaces=.* ranges=.* errors=' "$tmp/out"
cp "$page" "$tmp/before"
complains 'what is there is not replaced' 2 'such a file already' report "$small" --output "$page"
check '... and stays' cmp -s "$page" "$tmp/before"
ends '--force replaces it' 0 report --force --json "$small" -o "$page"
check '... with the same' cmp -s "$page" "$tmp/before"
check '... and --json sums it up' grep -q '^{"summary":{"spaces":7,"ranges":295,"rows":295,"roots":13,' "$tmp/out"
complains 'no place to write to' 2 'says where the page goes' report "$small"
cp "$small" "$tmp/image"
complains 'the image is never replaced' 2 'the input itself' report --force "$tmp/image" -o "$tmp/image"
check '... and stays' cmp -s "$small" "$tmp/image"
complains 'a folder that is not there' 3 'No such file' report "$small" -o "$tmp/none/page.html"
run report --budget 60 "$small" -o "$tmp/cut.html"
check 'a budget runs out: status 1, which is said' sh -c \
	"test $status -eq 1 && grep -q '  truncated\$' $tmp/out && grep -q 'the page says what' $tmp/err &&
	grep -q 'address spaces not all is here' $tmp/cut.html"
head -c 3000 "$small" >"$tmp/cut"
run report "$tmp/cut" -o "$tmp/none.html"
check 'a file that is cut: status 1, no root, which is said' sh -c \
	"test $status -eq 1 && grep -q 'No page-table root was found' $tmp/none.html && grep -q 'cut short or damaged' $tmp/none.html"
mkdir "$tmp/full"
check 'no room: status 3' sh -c \
	"ulimit -f 4; status=0; '$PGW_TOOL' report '$small' -o '$tmp/full/page.html' || status=\$?; test \$status -eq 3"
check '... and nothing is left' sh -c "[ -z \"\$(ls -A $tmp/full)\" ]"

# Names that would be markup, end a script, turn text round, or are no UTF-8.
zstd -q -d -o "$tmp/tasks.elf" "$root/tests/data/linux-7.2-amd64.tasks.elf.zst"
/usr/bin/python3 "$root/tests/tool/hostile_names.py" "$tmp/tasks.elf" "$tmp/<img src=x>&'.elf"
symbols=$root/tests/data/linux-7.2-amd64.tasks.map
zstd -q -d -o "$tmp/devices.elf" "$root/tests/data/virt/vtd61.elf.zst"
run report "$tmp/<img src=x>&'.elf" --symbols="$symbols" -o "$tmp/hostile.html"
run report "$tmp/devices.elf" -o "$tmp/devices.html"
look "$small" "$page" "$tmp/<img src=x>&'.elf" "$tmp/hostile.html" "$symbols" \
	"$tmp/devices.elf" "$tmp/devices.html"
