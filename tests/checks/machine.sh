#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# machine.sh MACHINE FOLDER WERROR: the library, built for another machine in FOLDER with
# Debian's cross compiler and run by QEMU, passes its tests, and the command says there
# what it says here, by every path. Prints TAP. Skipped without compiler or QEMU.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/../tool/lib.sh"
make_tmp
machine=$1
build=$2
werror=$3
here=$PGW_TOOL

for command in "$machine-linux-gnu-gcc" "qemu-$machine"; do
	if ! command -v "$command" >/dev/null; then
		printf '%s: %s is not there\n' "$me" "$command" >&2
		exit 77
	fi
done

# passes NAME COMMAND...: what it said, but for the cases that passed, is shown if it fails.
passes() {
	name=$1
	shift
	status=0
	"$@" >"$tmp/log" 2>&1 </dev/null || status=$?
	case $status in
	0) tap_ok "$name" ;;
	77) tap_ok "# SKIP $name" ;;
	*)
		grep -v '^ok ' "$tmp/log" >"$tmp/why" || :
		tap_fail "$name" "$tmp/why"
		;;
	esac
	[ "$status" -eq 0 ]
}

# Static, so that QEMU needs nothing of the machine but the program.
configure() {
	again=
	[ ! -f "$build/build.ninja" ] || again=--reconfigure
	meson setup $again --cross-file "$root/tests/cross/$machine.ini" -Dtests=disabled \
		-Dc_link_args=-static -Dwerror="$werror" "$build" "$root"
}
passes 'is configured' configure || tap_done || exit
passes 'is built' ninja -C "$build" pagewalk portable-tests || tap_done || exit

# A machine's vector registers and byte order are the same for all formats.
export PGW_TEST_FORMATS_EVERY=4
for program in "$build"/tests/portable/test_*; do
	[ -d "$program" ] || passes "${program##*/}" "qemu-$machine" "$program" || :
done

# The command that runs there, for the tests of the command; some need the shared dumps.
there=$tmp/pagewalk
printf '#!/bin/sh\nexec qemu-%s "%s/pagewalk" "$@"\n' "$machine" "$build" >"$there"
chmod +x "$there"
export PGW_TOOL="$there"
while read -r test arguments; do
	# shellcheck disable=SC2086 # words
	passes "$test${arguments:+ ${arguments%% *}}" "$root/tests/tool/$test.sh" $arguments || :
done <<'TESTS'
commands
halves
trim
raw x86_64-la48-pti.small 0
info-tlb x86_64-la57-pti
info-mem riscv64-sv57 riscv-sv57 0x812de000
ptdump-kernel arm64-16k-47 arm64-16k-47 0x404c8000
roots arm64-16k-52-lpa2-debian
TESTS

# say COMMAND...: all that it says, and its status.
say() {
	status=0
	"$@" 2>&1 </dev/null || status=$?
	printf 'status %d\n' "$status"
}

image=$root/tests/data/x86_64-la48-pti.small.elf
for paths in '' scalar nomemo threads=2; do
	while read -r arguments; do
		# shellcheck disable=SC2086 # words
		say "$here" $arguments "$image" >"$tmp/here"
		# shellcheck disable=SC2086 # words
		PAGEWALK_PATHS=$paths say "$there" $arguments "$image" >"$tmp/there"
		same "$arguments${paths:+ ($paths)}, as here" "$tmp/here" "$tmp/there"
	done <<-'ARGUMENTS'
		info --no-sandbox
		roots --json
		dump --leaves
		dump --style ptdump
		dump --root cpu0 --half user --leaves --json
	ARGUMENTS
done
tap_done
