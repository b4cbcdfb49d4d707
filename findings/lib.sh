# SPDX-License-Identifier: BSD-2-Clause
# What the findings share; to be sourced. They need root and debootstrap, and the network.
# shellcheck shell=sh
set -eu
export LC_ALL=C
tmp=$(mktemp -d)
trap 'rm -rf --one-file-system "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

# debian RELEASE PACKAGE=VERSION...: a Debian of its own in $tmp/RELEASE with these packages.
debian() {
	release=$1
	shift
	printf '%s: %s\n' "$release" "$*"
	if ! debootstrap --variant=minbase "$release" "$tmp/$release" "$mirror" >"$tmp/log" 2>&1 ||
		! chroot "$tmp/$release" env DEBIAN_FRONTEND=noninteractive apt-get -q -y install \
			--no-install-recommends "$@" >"$tmp/log" 2>&1; then
		tail -n 3 "$tmp/log" >&2
		exit 1
	fi
}

# bare_riscv RELEASE SOURCE: link an assembler source as bare code at 0x80000000: RELEASE's /code.
bare_riscv() {
	cp "$2" "$tmp/$1/code.s"
	chroot "$tmp/$1" sh -c 'riscv64-linux-gnu-as -o code.o code.s &&
		riscv64-linux-gnu-ld -Ttext=0x80000000 --build-id=none -o code code.o'
}

# monitor RELEASE CPU COMMAND...: run /code for a second, then ask QEMU's monitor.
monitor() {
	release=$1
	cpu=$2
	shift 2
	{
		sleep 1
		printf '%s\n' "$@"
		sleep 1
		echo quit
	} | chroot "$tmp/$release" timeout 30 qemu-system-riscv64 -M virt -cpu "$cpu" -m 64 -bios code \
		-display none -serial none -monitor stdio | tr -d '\r' | grep -v '^(qemu)\|^QEMU'
}

# in_gdb RELEASE MACHINE LINE...: what gdb-multiarch says, connected to qemu-system-MACHINE, which stands.
in_gdb() {
	release=$1
	machine=$2
	shift 2
	printf '%s\n' 'target remote stub' "$@" disconnect >"$tmp/$release/lines"
	chroot "$tmp/$release" sh -c "rm -f stub
		qemu-system-$machine -nodefaults -display none -S -gdb unix:stub,server=on,wait=off 2>/dev/null &
		for i in 1 2 3 4 5 6 7 8 9; do [ -S stub ] || sleep 1; done
		gdb-multiarch -nx -q -batch -x lines 2>&1
		kill \$!"
}

# expect NAME EXPECTED ACTUAL
expect() {
	if [ "$2" != "$3" ]; then
		printf '%s: this has changed\nseen before: %s\nnow: %s\n' "$1" "$2" "$3" >&2
		exit 1
	fi
	printf '%s: as seen: %s\n' "$1" "$3"
}
