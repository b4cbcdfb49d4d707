#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# sandbox.sh TRIES: what the command itself can still do when its image is open: TRIES is preloaded into it,
# tries each thing and says what came of it (sandbox_tries.c). Of a packed image, and without the sandbox,
# where all is possible. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp
tries=$1

mkdir "$tmp/in" "$tmp/out" "$tmp/other"
cp "$root/tests/data/x86_64-la48-pti.small.elf" "$tmp/in/plain"
zstd -q -o "$tmp/in/packed" "$tmp/in/plain"

# tried IMAGE OPTION...: what came of each, in $tmp/said
tried() {
	file=$tmp/in/$1
	shift
	rm -rf "$tmp/out" "$tmp/other"
	mkdir "$tmp/out" "$tmp/other"
	echo text >"$tmp/other/file"
	PGW_TRY_OTHER="$tmp/other" PGW_TRY_OUT="$tmp/out" PGW_TRY_IMAGE="$file" LD_PRELOAD="$tries" \
		"$PGW_TOOL" trim "$@" "$file" "$tmp/out/new" 2>&1 >/dev/null | sed -n 's/^try: //p' >"$tmp/said"
}

# EPERM is 1, EACCES 13.
refused() {
	sed -n 's/: error \(1\|13\)$//p' "$tmp/said"
}

cat >"$tmp/expected" <<'END'
read a file of the system
read another file
open the image again
write to the image
make a file elsewhere
cut a file
remove a file
make a socket
make a local socket
run a program
trace a process
read a process
send a signal
make a process
type into a terminal
give a file away
make memory for others
END
if ! pagewalk info "$tmp/in/plain" | grep -q '^sandbox *Landlock.*seccomp$'; then
	echo '1..0 # SKIP this kernel has no Landlock'
	exit 77
fi
for image in plain packed; do
	tried $image
	refused >"$tmp/actual"
	same "$image: refused when it is open" "$tmp/expected" "$tmp/actual"
	check "$image: its output is written, and more could be" sh -c \
		"test -s $tmp/out/new && grep -qx 'write to the folder of the output: done' $tmp/said"
	check "$image: what was not to be touched is as it was" \
		sh -c "[ \"\$(cat $tmp/other/file)\" = text ] && ! test -e $tmp/other/new"
done
tried plain --no-sandbox
check 'without the sandbox nothing is refused' [ -z "$(refused | grep -v '^read a process')" ]
check '... and all was tried' [ "$(wc -l <"$tmp/said")" -eq 18 ]
tap_done
