#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# linux.sh RELEASE KIND PROGRAM FOLDER COMPILER...: compile a part of a release of Linux
# ("6.12" or "newest") in FOLDER, and compare it with ours by PROGRAM. KIND is "walk", the
# walker, or an architecture, whose page-table dump it is then. Prints TAP. Skipped where the
# source cannot be had, and where "newest" has become another one than was compared before: that
# should stop nobody's work on something else. PGW_LINUX_ANY=1 compares it all the same.
# PGW_LINUX_CASES: how many cases of the walker (20000); of a dump, which is much longer, it is
# a tenth.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
release=$1
kind=$2
program=$3
folder=$4
shift 4
here=$root/tests/linux
known=7.2
cases=${PGW_LINUX_CASES:-20000}

# What stands in for the kernel's headers: all are the shim. The kernel's own are those that
# fetch-linux has; linux/errno.h is also the C library's, and that is what it is to be.
headers='linux/mm linux/highmem linux/sched linux/hugetlb linux/swap linux/swapops linux/debugfs
	linux/mmu_context linux/kasan linux/init linux/seq_file linux/pci linux/fs linux/io linux/efi
	linux/string linux/pgtable linux/mm_types asm/tlbflush asm/e820/types asm/fixmap asm/kasan
	asm/memory asm/pgtable-hwdef asm/ptdump internal'

source=$("$root/scripts/fetch-linux" "${PGW_IMAGE_CACHE:-$folder}/linux-source" "$release") || exit
case $release-$(cat "$source/version") in
newest-"$known".*) ;;
newest-*)
	if [ -z "${PGW_LINUX_ANY-}" ]; then
		echo "linux-source $(cat "$source/version") is newer than $known: make check-linux compares it"
		exit 77
	fi
	;;
esac
case $kind in
walk)
	shim=shim.h
	glue=glue.c
	so=$folder/$release.so
	flags=
	! grep -q 'int walk_page_range_novma' "$source/include/linux/pagewalk.h" ||
		flags=-DKERNEL_HAS_NOVMA
	;;
*)
	shim=shim_ptdump.h
	glue=glue_ptdump.c
	so=$folder/$release-$kind.so
	flags=-DSHIM_ARCH_$kind
	cases=$((cases / 10))
	;;
esac

stubs=$folder/$release-$kind
for header in $headers; do
	mkdir -p "$(dirname "$stubs/$header")"
	printf '#include "%s"\n' "$shim" >"$stubs/$header.h"
done
# Warnings are the kernel's own affair.
# shellcheck disable=SC2086 # a word, or nothing
"$@" -std=gnu11 -O2 -g -w -fPIC -shared -fvisibility=hidden $flags -I"$stubs" -I"$here/kernel" \
	-I"$here" -I"$source" -I"$source/include" "$here/kernel/$glue" "$here/kernel/shim.c" -o "$so"
printf '# linux-source %s\n' "$(cat "$source/version")"

# Small cases, one for each switch: with it they are the same, without it they are not. Others
# were faults.
replay() {
	make_tmp
	for file in "$here"/replay/*.txt; do
		name=$(basename "$file" .txt)
		status=0
		"$program" --kernel "$so" --replay "$file" >"$tmp/log" || status=$?
		if [ $status -eq 77 ]; then
			tap_ok "$name: not in this release"
			continue
		elif [ $status -ne 0 ]; then
			tap_fail "$name: replayed, we do as Linux" "$tmp/log"
			continue
		fi
		tap_ok "$name: replayed, we do as Linux"
		"$program" --list | grep -qx "$name" || continue
		if "$program" --kernel "$so" --replay "$file" --without "$name" --no-shrink \
			>"$tmp/log"; then
			tap_fail "$name: replayed without the switch, we do not" "$tmp/log"
		else
			tap_ok "$name: replayed without the switch, we do not"
		fi
	done
	tap_done
	rm -rf "$tmp"
}

if [ "$kind" = walk ]; then
	replay || failed=1
	set -- --switches
else
	set -- --arch "$kind"
fi
"$program" --kernel "$so" --name "$release" --cases "$cases" "$@"
[ -z "${failed-}" ]
