#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# release.sh: the version is the same wherever it is named, and scripts/release makes a release in a
# clone, with a key that is made for it. Prints TAP.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
make_tmp

is() { # is NAME EXPECTED GOT
	printf 'expected %s\ngot %s\n' "$2" "$3" >"$tmp/log"
	if [ "$2" = "$3" ]; then tap_ok "$1"; else tap_fail "$1" "$tmp/log"; fi
}

meson_version() {
	sed -n "s/^  version: '\(.*\)',/\1/p" "$1/meson.build"
}

version=$(meson_version "$root")
is 'debian/changelog has the version' "$version" "$(sed -n '1s/.*(\(.*\)).*/\1/p' "$root/debian/changelog")"
is 'CHANGELOG.md begins with the version' "$version" \
	"$(sed -n '/^## /{ s/^## \[Unreleased\]: //; s/^## \[\(.*\)\] - .*/\1/; p; q; }' "$root/CHANGELOG.md")"

if ! git -C "$root" -c safe.directory='*' rev-parse HEAD >/dev/null 2>&1 || ! command -v gpg >/dev/null; then
	tap_ok '# SKIP release: no git repository, or no gpg'
	tap_done
	exit
fi
GNUPGHOME=$tmp/gpg
export GNUPGHOME
mkdir -m 700 "$GNUPGHOME"
trap 'gpgconf --kill all; rm -rf "$tmp"' EXIT
gpg -q --batch --passphrase '' --quick-gen-key 'Tests of releases' default default never 2>"$tmp/log" ||
	die "gpg: $(tail -n 1 "$tmp/log")"
git -c safe.directory='*' clone -q "$root" "$tmp/clone" 2>"$tmp/log" || die "git: $(tail -n 1 "$tmp/log")"
cd "$tmp/clone"
cp "$root/scripts/release" scripts/release
git config user.name tests
git config user.email tests@localhost
git add scripts/release
git diff --cached --quiet || git commit -q -m 'as it is'

released() { # released STATUS NAME VERSION [VARIABLE...]
	expected=$1
	name=$2
	number=$3
	shift 3
	status=0
	env KEY='Tests of releases' CHECK=true "$@" scripts/release "$number" >"$tmp/log" 2>&1 || status=$?
	if [ "$status" -eq "$expected" ]; then tap_ok "$name"; else tap_fail "$name" "$tmp/log"; fi
}

before=$(git rev-parse HEAD)
released 1 'no version' next
released 1 'no key' 9.8.7 KEY=nobody
released 1 'checks that fail' 9.8.7 CHECK=false
echo >>README.md
released 1 'changes that are not committed' 9.8.7
git checkout -q README.md
is 'none of them leaves a trace' "$before" "$(git rev-parse HEAD)$(git tag -l 'v9*')$(git status --porcelain)"

released 0 'a release' 9.8.7 CHECK="grep -q \"'9.8.7'\" meson.build"
is 'the version is in all places' '9.8.7 9.8.7 9.8.7' "$(meson_version .) $(
	sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog) $(sed -n '/^## /{ s/^## \[\(.*\)\] - .*/\1/; p; q; }' CHANGELOG.md)"
is 'the tag is signed' 0 "$(git verify-tag v9.8.7 2>/dev/null; echo $?)"
tar -xzf dist/pagewalk-9.8.7.tar.gz -C "$tmp" || mkdir "$tmp/pagewalk-9.8.7"
is 'the tarball is the tag' "$(git ls-tree -r --name-only v9.8.7 | LC_ALL=C sort | sha256sum)" \
	"$(cd "$tmp/pagewalk-9.8.7" && find . ! -type d | sed 's,^\./,,' | LC_ALL=C sort | sha256sum)"
is 'the checksums are signed and right' 0 "$(cd dist && gpg -q -d pagewalk-9.8.7.sha256.asc 2>/dev/null |
	sha256sum -c --quiet; echo $?)"
is 'the notes are those of the change log' "$(grep -c '^- ' dist/pagewalk-9.8.7.md)" \
	"$(git tag -l --format='%(contents)' v9.8.7 | grep -c '^- ')"
rm -rf dist
released 1 'the same version again' 9.8.7
released 1 'nothing new' 9.8.8
tap_done
