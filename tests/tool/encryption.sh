#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# encryption.sh: what the commands say of machines whose memory is encrypted. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

# machine KIND: its core.
machine() {
	python3 "$root/tests/tool/other_machines.py" "$1" "$tmp/$1" || die "no $1"
	printf '%s\n' "$tmp/$1"
}

summary='whole root: 3 ranges, 8 leaves, 32K; 5 table visits; 0 malformed, 0 unreadable'
cat >"$tmp/expected" <<TEXT
0x0000000040000000-0x0000000040001fff  0x0000000000000000        8K  4K  rwx/---  a d encrypted
0x0000000040002000-0x0000000040003fff  0x0000000000002000        8K  4K  rwx/---  a d shared
0x0000000040004000-0x0000000040007fff  0x0000000000004000       16K  4K  rwx/---  a d encrypted
# root 0x100000, x86_64-la48, $summary
TEXT

# The bit is found in CR3 and in all tables.
sme=$(machine sme)
ends 'C-bit found: status 0' 0 dump "$sme"
same 'C-bit found: ranges end where encryption does' "$tmp/expected" "$tmp/out"
ends 'C-bit given: status 0' 0 dump --encryption-bit 47 "$sme"
same 'C-bit given: the same' "$tmp/expected" "$tmp/out"
run dump --leaves --json --range 40001000-40002fff "$sme"
check 'JSON: encrypted' grep -Eq '"va":"0x0000000040001000",.*"attrs":\["a","d","encrypted"\]' "$tmp/out"
check 'JSON: shared' grep -Eq '"va":"0x0000000040002000",.*"attrs":\["a","d","shared"\]' "$tmp/out"
run info "$sme"
check 'info: which bit, and how it was found' grep -q ' C-bit=47 (tables) ' "$tmp/out"
run info --json "$sme"
check 'info --json: the same' grep -q \
	'"encryption":{"bit":47,"set_means":"encrypted","found":"tables"}' "$tmp/out"
run dump --encryption-bit none "$sme"
check 'none: what CR3 points to is no memory: status 1' [ "$status" -eq 1 ]
check 'none: it is said' grep -q ' unreadable: ' "$tmp/err"

# TDX's bit cannot be found without a kernel, so it is given.
tdx=$(machine tdx)
ends 'shared bit given: status 0' 0 dump --encryption-bit shared:51 "$tdx"
same 'shared bit given: the same' "$tmp/expected" "$tmp/out"
run dump "$tdx"
check 'shared bit not given: an address far from all memory' \
	grep -q '^0x0000000040002000-0x0000000040003fff  0x0008000000002000 ' "$tmp/out"
run info "$tdx"
check 'info: none is assumed' grep -q ' C-bit=none (assumed) ' "$tmp/out"

for bit in 31 52 shared: shared:31 x ''; do
	complains "--encryption-bit '$bit'" 2 \
		"'$bit' is not a bit from 32 to 51, shared:BIT or none" \
		dump --encryption-bit "$bit" "$sme"
done

# An ELF core of arm64 with nothing in it but a page.
python3 - "$tmp/arm64" <<'PY'
import struct, sys
with open(sys.argv[1], 'wb') as core:
    core.write(struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\2\1\1', 4, 183, 1, 0, 64, 0, 0, 64,
                           56, 1, 0, 0, 0))
    core.write(struct.pack('<IIQQQQQQ', 1, 0, 120, 0, 0x40000000, 4096, 4096, 0) + bytes(4096))
PY
complains 'not on other machines' 2 '--encryption-bit is for x86_64; this is .* of type arm64' \
	info --encryption-bit 51 "$tmp/arm64"
tap_done
