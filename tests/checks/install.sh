#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# install.sh BUILD: what is installed works from there: the command, and a program
# built with pkg-config against the shared and against the static library. Prints TAP.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
build=$1
make_tmp

meson install -C "$build" --no-rebuild --destdir "$tmp/dest" >"$tmp/log" 2>&1 ||
	die "meson install: $(tail -n 1 "$tmp/log")"
pc=$(find "$tmp/dest" -name pagewalk.pc)
libdir=$(dirname "$(dirname "$pc")")
# Beside the system's own, which may have libraries that ours needs.
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$tmp/dest
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR

# passes NAME COMMAND...
passes() {
	name=$1
	shift
	if "$@" >"$tmp/log" 2>&1; then
		tap_ok "install: $name"
	else
		tap_fail "install: $name" "$tmp/log"
	fi
}

compile() { # compile NAME LINKER-OPTIONS
	# shellcheck disable=SC2046,SC2086 # words
	gcc -std=c11 -Wall -Wextra -Werror -o "$tmp/$1" "$tmp/program.c" \
		$(pkg-config --cflags pagewalk) $2
}

cat >"$tmp/program.c" <<'C'
#include <pagewalk/pagewalk.h>

int main(void)
{
	/* Needs what images need. */
	struct pgw_image *image;

	return pgw_format_by_name("x86_64-la48") &&
			       pgw_image_open("/", NULL, &image, NULL) == -PGW_EIO
		       ? 0
		       : 1;
}
C

"$(find "$tmp/dest" -path '*/bin/pagewalk')" --version >"$tmp/version"
passes 'the command runs and has the version of the library' \
	grep -x "pagewalk $(pkg-config --modversion pagewalk)" "$tmp/version"
passes 'a program compiles with the shared library' \
	compile shared "$(pkg-config --libs pagewalk)"
passes 'and runs' env LD_LIBRARY_PATH="$libdir" "$tmp/shared"
passes 'and needs libpagewalk.so.0' \
	sh -c "readelf -d '$tmp/shared' | grep 'NEEDED.*libpagewalk.so.0'"
passes 'a program compiles with the static library' \
	compile static "$(pkg-config --static --libs pagewalk | sed "s|-lpagewalk|$libdir/libpagewalk.a|")"
passes 'and runs' "$tmp/static"
for header in "$root"/include/pagewalk/*.h; do
	passes "${header##*/}" cmp "$header" "$(find "$tmp/dest" -name "${header##*/}")"
done
for page in "$root"/man/*.1; do
	passes "${page##*/}" cmp "$page" "$(find "$tmp/dest" -name "${page##*/}")"
done
tap_done
