#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# bare-metal.sh PROGRAM ARCHITECTURE [IMAGE]: a program of examples/bare-metal, run by QEMU, prints
# what golden/PROGRAM-ARCHITECTURE.txt has: what its MMU did. Prints TAP; skipped without QEMU or image.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
make_tmp
name=$1-$2
image=${3-}
virt=virt
[ "$name" != hypervisor-arm64 ] || virt=virt,virtualization=on

case $2 in
x86_64) set -- qemu-system-x86_64 -machine pc -cpu max -no-reboot ;;
arm64) set -- qemu-system-aarch64 -machine $virt -cpu cortex-a57 ;;
riscv64) set -- qemu-system-riscv64 -machine virt -cpu rv64 -bios none ;;
esac
if [ -z "$image" ]; then
	echo "1..0 # SKIP $name: there is no compiler for it"
	exit 77
fi
if ! command -v "$1" >/dev/null; then
	echo "1..0 # SKIP $name: QEMU is not installed"
	exit 77
fi

# It ends by itself; one that does not is shown with what it came to.
timeout 100 "$@" -nodefaults -no-user-config -accel tcg -m 64M -display none -serial stdio \
	-kernel "$image" </dev/null >"$tmp/out" 2>"$tmp/err" || echo "QEMU: status $?" >>"$tmp/err"
tr -d '\r' <"$tmp/out" | diff "$root/tests/mmu/golden/$name.txt" - >"$tmp/log" || true
cat "$tmp/err" >>"$tmp/log"
tap_empty "$name does what it should" "$tmp/log"
tap_done
