#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# symbols.sh: names where there are none, and what is no name. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
image=$root/tests/data/x86_64-la48-pti.small.elf # page tables and nothing else

missing='expected the kernel.s table of names (kallsyms)'
suffix='is not @NAME\[+OFFSET\]\[:cpuN\]'

complains 'symbols: an image without names' 3 "$missing" symbols "$image"
complains 'translate: a name where there are none' 3 "$missing" translate "$image" @init_task
complains 'translate --symbols: the same' 3 "$missing" \
	translate --symbols "$image" ffffffff81000000
complains 'translate: what is behind + is no number' 2 "$suffix" translate "$image" @init_task+x
complains 'translate: what is behind :cpu is no number' 2 "$suffix" \
	translate "$image" @init_task:cpux
complains 'translate: @ alone is no name' 2 'not an address' translate "$image" @
complains 'symbols --cpu: no number' 2 'not the number of a CPU' symbols --cpu x "$image"
complains 'symbols --symbols: a file is needed' 2 'a file is missing' symbols --symbols "$image"
for command in audit find roots stats diff ps; do
	case $command in
	find) set -- "$image" 0 ;;
	diff) set -- "$image" "$image" ;;
	*) set -- "$image" ;;
	esac
	complains "$command --symbols: a file is needed" 2 'a file is missing' $command --symbols "$@"
done
# The names of a file, everywhere: the image has none of its own.
tasks=$root/tests/data/linux-6.1-amd64.tasks.elf.zst
names=--symbols=${tasks%.elf.zst}.map
run find "$names" "$tasks" @init_task
check 'find @NAME by a file of names' test "$status" -eq 1
check '... where it lies' grep -q '^address  text=@init_task  va=0xffffffff9101aa40 ' "$tmp/out"
run roots --owners "$names" "$tasks"
check 'roots --owners by a file of names' test "$status" -eq 0
check '... whose they are' grep -q '  who=process 89 threads$' "$tmp/out"
run stats "$names" "$tasks"
check 'stats by a file of names' test "$status" -eq 1
check '... of processes' grep -q 'pid=89 ' "$tmp/out"
complains 'symbols --symbols=: no file' 2 'is not a file' symbols --symbols= "$image"
complains 'dump --range: a name where there are none' 3 "$missing" dump --range @a-@b "$image"
complains 'dump --root: a name where there are none' 3 "$missing" dump --root @a "$image"
complains 'dump: --symbols does not go with --style ptdump' 2 'goes with none of' \
	dump --style ptdump --symbols "$image"
run dump --regions "$image"
check 'dump --regions: what is documented' grep -q '  \[espfix\]\|  \[kernel-map\]' "$tmp/out"
check 'dump --regions: what is missing is said' grep -q 'regions by symbols are not known' "$tmp/err"
complains 'dump: --region does not go with --pid' 2 'does not go with' \
	dump --pid 1 --region modules "$image"
complains 'translate --pages: nothing is known of pages' 3 'expected' \
	translate --pages "$image" ffffffff81000000
complains 'dump --pages: the same' 3 'expected' dump --pages "$image"
complains 'dump: --pages does not go with --style ptdump' 2 'goes with none of' \
	dump --style ptdump --pages "$image"
tap_done
