# SPDX-License-Identifier: BSD-2-Clause
# `pagewalk dump --leaves --json` -> QEMU's `info tlb`, from nothing but each
# leaf's virtual address, level and raw entry:
#   VA: PA FLAGS, flags X (no execute) G P (page size) D A C (PCD) T (PWT) U W.
# Numbers stay strings of digits: awk counts in doubles.

function member(name,    rest) {
	rest = $0
	if (!sub(".*\"" name "\":\"?(0x)?", "", rest))
		return ""
	sub("[\",}].*", "", rest)
	return rest
}

# Bit 0 to 3 of the hexadecimal digit that is nth from the right, counting from 1.
function bit(digits, nth, n) {
	return int((index("0123456789abcdef", substr(digits, length(digits) + 1 - nth, 1)) - 1) / 2 ^ n) % 2
}

# The digits with the lowest n bits cleared.
function clear_low(digits, n,    whole, keep, value) {
	whole = int(n / 4)
	keep = length(digits) - whole
	value = index("0123456789abcdef", substr(digits, keep, 1)) - 1
	value -= value % 2 ^ (n % 4)
	return substr(digits, 1, keep - 1) substr("0123456789abcdef", value + 1, 1) \
		substr("0000000000000000", 1, whole)
}

/"summary":/ { next }

{
	entry = member("entry")
	level = member("level")
	large = level > 0
	# The address is bits 51:12, less those below the leaf's size.
	pa = "000" substr(clear_low(entry, 12 + 9 * level), 4)
	flags = (bit(entry, 16, 3) ? "X" : "-") (bit(entry, 3, 0) ? "G" : "-") \
		(large && bit(entry, 2, 3) ? "P" : "-") (bit(entry, 2, 2) ? "D" : "-") \
		(bit(entry, 2, 1) ? "A" : "-") (bit(entry, 2, 0) ? "C" : "-") \
		(bit(entry, 1, 3) ? "T" : "-") (bit(entry, 1, 2) ? "U" : "-") \
		(bit(entry, 1, 1) ? "W" : "-")
	print member("va") ": " pa " " flags
}
