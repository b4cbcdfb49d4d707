#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# streams.sh [BUILD]: what the newest QEMU and libvirt write of a small guest, compared with its
# memory; what can be made of files that are refused by name. Needs root, debootstrap and the
# network; PGW_DEBIANS is a folder with Debians that it made, to be used again. Prints TAP; the
# result is in streams.expect.
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-$here/../../build}" && pwd)
# shellcheck source=findings/lib.sh
. "$here/../../findings/lib.sh"
debians=${PGW_DEBIANS:-$tmp}
compare=$build/tests/makers/test_streams
pagewalk=$build/pagewalk
head -c 65536 /dev/urandom >"$tmp/blob"
echo '# SPDX-License-Identifier: BSD-2-Clause' >"$tmp/result"
nr=0

result() {
	nr=$((nr + 1))
	printf '%s %d - %s\n' "$1" $nr "$2" | tee -a "$tmp/result"
}

# check NAME COMMAND...
check() {
	name=$1
	shift
	if "$@" >"$tmp/said" 2>&1; then
		result ok "$name"
	else
		result 'not ok' "$name"
		sed 's/^/# /' "$tmp/said"
	fi
}

# have RELEASE PACKAGE...: a Debian with these.
have() {
	[ -e "$debians/$1/made" ] && return
	debian "$@" | sed 's/^/# /'
	[ "$debians" = "$tmp" ] || mv "$tmp/$1" "$debians/$1"
	touch "$debians/$1/made"
}

in_debian() {
	release=$1
	shift
	chroot "$debians/$release" env LC_ALL=C "$@"
}

# guest RELEASE MONITOR-COMMAND|sleep... [-- OPTION...]: a stopped PC of 64 MiB with a blob at 2 MiB.
guest() {
	release=$1
	shift
	rm -f "$debians/$release"/stream* "$debians/$release"/raw
	cp "$tmp/blob" "$debians/$release/blob"
	: >"$tmp/commands"
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		printf '%s\n' "$1" >>"$tmp/commands"
		shift
	done
	[ $# -eq 0 ] || shift
	echo quit >>"$tmp/commands"
	while IFS= read -r line; do
		case $line in
		'sleep '*) sleep "${line#sleep }" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$tmp/commands" | in_debian "$release" qemu-system-x86_64 -nodefaults -S -display none \
		-accel tcg -machine q35 -m 64 -device loader,file=/blob,addr=0x200000,force-raw=on \
		-monitor stdio "$@" 2>&1 | tr -d '\r' | grep -v '^(qemu)\|^QEMU' >"$tmp/monitor" || true
}

# refused FILE WORDS: it is, and that is said of it.
refused() {
	status=0
	"$pagewalk" info "$1" >"$tmp/said" 2>&1 || status=$?
	[ $status -eq 3 ] && grep -q "$2" "$tmp/said"
}

have bookworm qemu-system-x86 qemu-utils libvirt-daemon libvirt-clients libvirt-daemon-driver-qemu \
	libvirt-daemon-system gzip bzip2 xz-utils lzop
have sid qemu-system-x86

save='pmemsave 0 0x4000000 "/raw"'
for release in bookworm sid; do
	at=$debians/$release
	guest "$release" 'migrate "exec:cat > /stream"' "$save"
	check "QEMU of $release: exec:cat" "$compare" "$at/stream" "$at/raw"
	guest "$release" 'migrate_set_capability xbzrle on' 'migrate "exec:cat > /stream"' "$save"
	check "QEMU of $release: xbzrle that was not needed" "$compare" "$at/stream" "$at/raw"
	guest "$release" 'migrate_set_capability x-ignore-shared on' 'migrate "exec:cat > /stream"'
	check "QEMU of $release: x-ignore-shared" refused "$at/stream" x-ignore-shared
	guest "$release" 'migrate_set_capability postcopy-ram on' 'migrate -d "exec:cat > /stream"' \
		'sleep 5' migrate_cancel
	check "QEMU of $release: postcopy-ram" refused "$at/stream" 'migrate again without postcopy-ram'
done
at=$debians/sid
guest sid 'migrate "file:/stream"' "$save"
check "QEMU of sid: file:" "$compare" "$at/stream" "$at/raw"
guest sid 'migrate_set_capability mapped-ram on' 'migrate "file:/stream"' "$save"
check "QEMU of sid: mapped-ram" "$compare" "$at/stream" "$at/raw"
at=$debians/bookworm
guest bookworm 'migrate_set_capability compress on' 'migrate "exec:cat > /stream"'
check 'QEMU of bookworm: compress' refused "$at/stream" 'migrate again with compress off'

# What is said that can be done with a disk that has a saved state in it.
in_debian bookworm qemu-img create -q -f qcow2 /disk 64M
guest bookworm 'savevm state' "$save" -- -drive file=/disk,if=virtio
check 'a disk with a state' refused "$at/disk" 'qemu -loadvm'
guest bookworm 'dump-guest-memory /stream' "$save" -- -drive file=/disk,if=virtio -loadvm state
check 'a disk with a state: -loadvm, dump-guest-memory' "$compare" "$at/stream" "$at/raw"
rm -f "$at/disk"

# win-dmp is for guests that told QEMU where Windows has its own header.
guest bookworm 'dump-guest-memory -w /stream' -- -device vmcoreinfo
check 'win-dmp of a guest that is not Windows' grep -q '^Error: ' "$tmp/monitor"
check 'win-dmp of a guest that is not Windows: no file, or an empty one' test ! -s "$at/stream"

libvirt() {
	for folder in proc dev sys; do
		mount --bind /$folder "$at/$folder"
	done
	trap 'umount -l "$at/proc" "$at/dev" "$at/sys" || true; rm -rf --one-file-system "$tmp"' EXIT
	mkdir -p "$at/etc/libvirt" "$at/run/user"
	cat >"$at/guest.xml" <<-'XML'
		<domain type='qemu'><name>guest</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
		<os><type arch='x86_64' machine='q35'>hvm</type></os>
		<devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>
	XML
	cat >"$at/save" <<-'SH'
		export HOME=/root XDG_RUNTIME_DIR=/run/user
		printf '%s\n' 'user = "root"' 'group = "root"' 'stdio_handler = "file"' \
			'security_driver = "none"' 'namespaces = []' 'cgroup_controllers = []' \
			"save_image_format = \"$1\"" >/etc/libvirt/qemu.conf
		libvirtd -f /dev/null &
		daemon=$!
		until virsh -q -c qemu:///session list; do sleep 1; done
		virsh -q -c qemu:///session create /guest.xml --paused &&
			virsh -q -c qemu:///session qemu-monitor-command guest --hmp 'pmemsave 0 0x4000000 "/raw"' &&
			virsh -q -c qemu:///session save guest /stream
		kill $daemon
		wait $daemon
	SH
	for format in raw gzip bzip2 xz lzop; do
		rm -f "$at/stream" "$at/raw"
		in_debian bookworm sh /save $format >"$tmp/virsh" 2>&1
		if [ $format = raw ]; then
			check "virsh save: $format" "$compare" "$at/stream" "$at/raw"
			continue
		fi
		check "virsh save: $format" refused "$at/stream" "$format -d makes a QEMU migration stream"
		offset=$(sed -n 's/.*offset \(0x[0-9a-f]*\):.*/\1/p' "$tmp/said")
		tail -c +$((offset + 1)) "$at/stream" | in_debian bookworm $format -d >"$tmp/unpacked"
		check "virsh save: $format, unpacked as it is said" "$compare" "$tmp/unpacked" "$at/raw"
	done
}
libvirt

printf '1..%d\n' $nr | tee -a "$tmp/result"
diff -u "$here/streams.expect" "$tmp/result"
