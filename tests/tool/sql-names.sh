#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# sql-names.sh: names from an image are data to pagewalk sql, and no more, in its text, in JSON and in a
# statement. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

zstd -q -d -o "$tmp/tasks.elf" "$root/tests/data/linux-7.2-amd64.tasks.elf.zst"
python3 "$root/tests/tool/hostile_names.py" "$tmp/tasks.elf" "$tmp/image"
symbols=$root/tests/data/linux-7.2-amd64.tasks.map

run sql --symbols="$symbols" "$tmp/image" "select name from processes"
cp "$tmp/out" "$tmp/text"
check 'text: a name is one line, of what a terminal shows' python3 -c "
text = open('$tmp/text', 'rb').read()
rows = [line for line in text.splitlines() if b'script' in line or b'planted' in line or b'[31m' in line]
assert len(rows) == 3 and all(32 <= byte < 127 for row in rows for byte in row), rows"
run sql --json --symbols="$symbols" "$tmp/image" "select pid, name from processes order by pid"
cp "$tmp/out" "$tmp/json"
run ps --json --symbols="$symbols" "$tmp/image"
check 'JSON: the names that ps has' python3 -c "
import json
ours = [json.loads(line) for line in open('$tmp/json')]
theirs = [json.loads(line) for line in open('$tmp/out')]
named = lambda rows: {row['pid']: row['name'] for row in rows if 'name' in row and row.get('pid')}
assert named(ours) == named(theirs) and len(named(ours)) > 20"
run sql --symbols="$symbols" "$tmp/image" "select count(*) from processes where name like '<b id=planted>_'"
check 'a name is compared, and is no part of a statement' grep -qx 1 "$tmp/out"
small=$root/tests/data/x86_64-la48-pti.small.elf
run sql "$small" "select * from processes, symbols, vmas"
check 'what bars several tables is said once' sh -c "test $status -eq 3 && test \"\$(wc -l <$tmp/err)\" -eq 1"
run sql "$small" "select 1 from processes; select 1 from symbols"
check '... a statement' sh -c "test $status -eq 3 && test \"\$(wc -l <$tmp/err)\" -eq 1"
tap_done
