#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# audit-policy.sh: what a policy turns on, off, up and down, what it allows; what a baseline knows;
# and that SARIF says what the records say. Prints TAP.
set -eu
# shellcheck source=tests/tool/lib.sh
. "$(dirname "$0")/lib.sh"
make_tmp

small=$root/tests/data/x86_64-la48-pti.small.elf

# policy TEXT: it becomes the policy.
policy() {
	printf '%s\n' "$1" >"$tmp/policy"
}

policy '{}'
run audit --policy "$tmp/policy" "$small"
has_jansson=true
! grep -q jansson "$tmp/err" || has_jansson=false
if ! $has_jansson; then
	check 'without jansson: refused by its name' test "$status" -eq 3
	tap_ok 'what a policy says # SKIP this pagewalk has no jansson'
else
	check 'an empty policy: status 0' test "$status" -eq 0
	pagewalk audit "$small" >"$tmp/expected"
	same 'an empty policy: as without one' "$tmp/expected" "$tmp/out"

	policy '{"rules": {"user-wx": "error", "no-ram": "off"}}'
	run audit --policy "$tmp/policy" "$small"
	check 'a level: status 1' test "$status" -eq 1
	check 'a level: as the policy has it' test "$(grep -c 'rule=user-wx  level=error' "$tmp/out")" -eq 3
	check 'off: not even that it is not checked' sh -c "! grep -q 'rule=no-ram' $tmp/out"

	for allow in '"rule": "user-wx"' '"region": "user"' '"range": "1000000000+64K"' \
		'"rule": "user-wx", "range": "0-ffffffffff", "reason": "a compiler"'; do
		policy '{"rules": {"user-wx": "error"}, "allow": [{'"$allow"'}]}'
		run audit --policy "$tmp/policy" "$small"
		check "allow $allow: status 0" test "$status" -eq 0
		check "allow $allow: counted" grep -q '^# .* errors=0 .* allowed=3 ' "$tmp/out"
	done
	for allow in '"rule": "kernel-wx"' '"region": "kernel"' '"range": "1000001000+64K"' \
		'"symbol": "_stext"' '"rule": "user-wx", "region": "kernel"'; do
		policy '{"rules": {"user-wx": "error"}, "allow": [{'"$allow"'}]}'
		run audit --policy "$tmp/policy" "$small"
		check "allow $allow: not these" grep -q '^# .* errors=3 .* allowed=0 ' "$tmp/out"
	done

	for text in '' '[]' 'x' '{"rule": {}}' '{"rules": []}' '{"rules": {"kernel-xw": "off"}}' \
		'{"rules": {"kernel-wx": "bad"}}' '{"rules": {"kernel-wx": 1}}' '{"allow": {}}' \
		'{"allow": [1]}' '{"allow": [{}]}' '{"allow": [{"reason": "none"}]}' \
		'{"allow": [{"rule": "x"}]}' '{"allow": [{"range": "2-1"}]}' '{"allow": [{"va": "1"}]}' \
		'{"rules": {}, "rules": {}}'; do
		policy "$text"
		complains "policy '$text': refused" 2 "$tmp/policy: " audit --policy "$tmp/policy" "$small"
	done
	complains 'a policy that is not there' 3 'No such file' audit --policy "$tmp/none" "$small"
	# Bytes that are no UTF-8 are no JSON; what is UTF-8 comes out as it is.
	printf '{"allow": [{"rule": "user-wx", "reason": "\377\376"}]}' >"$tmp/policy"
	complains 'a reason that is no UTF-8: refused' 2 "$tmp/policy: line 1: not JSON" \
		audit --policy "$tmp/policy" "$small"
	policy '{"rules": {"user-wx": "error"}, "allow": [{"range": "1000000000+64K", "reason": "\u00fcber 漢 \"it\" \u202e \u001b[0m"}]}'
	run audit --sarif --policy "$tmp/policy" "$small"
	check 'a reason in UTF-8: SARIF has it, but for what would not be seen' grep -qF \
		'"justification":"über 漢 \"it\" \u00e2\u0080\u00ae \u001b[0m"' "$tmp/out"
	policy '{"rules": {"user-wx": "error"}, "allow": [{"range": "1000000000+64K", "reason": "it \"says\" so"}]}'
fi

# What is known does not count; what is not, does.
ends '--write-baseline: status 0' 0 audit --write-baseline "$tmp/known" "$small"
check '--write-baseline: a line for each place' test "$(grep -vc '^#' "$tmp/known")" -eq 3
complains '--write-baseline: replaces nothing' 3 'there is such a file already' audit --write-baseline "$tmp/known" "$small"
ends '--write-baseline --force: does' 0 audit --force --write-baseline "$tmp/known" "$small"
cp "$small" "$tmp/image"
complains '--write-baseline: not the image itself' 3 'never changed' \
	audit --force --write-baseline "$tmp/image" "$tmp/image"
same '--write-baseline: the image is as it was' "$small" "$tmp/image"
mkfifo "$tmp/fifo"
status=0
timeout -k 20 1 "$PGW_TOOL" audit --write-baseline "$tmp/late" "$tmp/fifo" 2>/dev/null || status=$?
check '--write-baseline: a signal ends what waits for the image' test "$status" -eq 124
ends '--baseline: status 0' 0 audit --baseline "$tmp/known" "$small"
check '--baseline: all is known' grep -q '^# .* notes=0 .* known=3 ' "$tmp/out"
check '--baseline: and says so' test "$(grep -c '^finding  rule=user-wx  level=note  known  ' "$tmp/out")" -eq 3
for text in '' 'x' 'kernel-wx kernel 0x0+0x1'; do
	printf '%s\n' "$text" >"$tmp/other"
	complains "--baseline '$text': refused" 2 'not a baseline' audit --baseline "$tmp/other" "$small"
done
complains '--baseline: not there' 3 'No such file' audit --baseline "$tmp/none" "$small"

# A fault that was not there before.
python3 "$root/tests/tool/audit_plant.py" "$PGW_TOOL" "$small" "$tmp/planted" leave 1 >"$tmp/plants"
pagewalk audit --write-baseline "$tmp/all" "$tmp/planted" >/dev/null || :
run audit --baseline "$tmp/known" "$tmp/planted"
check '--baseline: new faults: status 1' test "$status" -eq 1
check '--baseline: what is known is none of them' grep -q '^# .* errors=[1-9].* known=3 ' "$tmp/out"
ends '--baseline: of these, too: status 0' 0 audit --baseline "$tmp/all" "$tmp/planted"
sed -i '/^kernel-wx /d' "$tmp/all"
run audit --baseline "$tmp/all" "$tmp/planted"
check '--baseline: all but one: status 1' test "$status" -eq 1
check '--baseline: it is that one' grep -q '^# .* errors=1  warnings=0  notes=0 ' "$tmp/out"

complains '--sarif --json' 2 'exclude each other' audit --sarif --json "$small"
set --
! $has_jansson || set -- --policy "$tmp/policy"
for image in "$small" "$tmp/planted"; do
	pagewalk audit --sarif "$@" --baseline "$tmp/known" "$image" >"$tmp/sarif" || :
	pagewalk audit --json "$@" --baseline "$tmp/known" "$image" >"$tmp/json" || :
	python3 "$root/tests/tool/sarif_check.py" "$tmp/sarif" "$tmp/json" >"$tmp/tap" 2>&1 || :
	grep -q '^1\.\.[3-9]' "$tmp/tap" || echo 'no plan' >>"$tmp/tap"
	grep '^not ok\|^# \[\|^no plan\|Error' "$tmp/tap" >"$tmp/log" || :
	tap_empty "sarif of ${image##*/} ($(grep -c '^ok ' "$tmp/tap") checks)" "$tmp/log"
done
tap_done
