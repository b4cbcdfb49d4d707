#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Breaches of the locking rule that Clang's thread-safety analysis finds: each
# function is refused with the message that says why, and accepted once it is put
# right. Prints TAP.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
make_tmp

# accepts FILE LANGUAGE
accepts() {
	clang -x "$2" -Wall -Wextra -Werror=thread-safety -fsyntax-only \
		-I"$root/include" "$1" >"$tmp/log" 2>&1
}

# breach NAME MESSAGE: reads the body of a function of mm, kernel_mm and ops; lines that begin
# with - are the wrong program's only, those with + the right one's.
breach() {
	sed 's/^/	/' >"$tmp/body"
	for twin in wrong right; do
		{
			printf '#include <pagewalk/pagewalk.h>\n\n'
			printf 'int f(struct pgw_mm *mm, struct pgw_mm *kernel_mm, const struct pgw_mm_walk_ops *ops);\n'
			printf 'int f(struct pgw_mm *mm, struct pgw_mm *kernel_mm, const struct pgw_mm_walk_ops *ops)\n{\n'
			printf '\t(void)mm, (void)kernel_mm, (void)ops;\n'
			case $twin in
			wrong) sed '/^	+/d; s/^	-/	/' "$tmp/body" ;;
			right) sed '/^	-/d; s/^	+/	/' "$tmp/body" ;;
			esac
			printf '\treturn 0;\n}\n'
		} >"$tmp/$twin.c"
	done
	for language in c c++; do
		if accepts "$tmp/wrong.c" "$language"; then
			cp "$tmp/wrong.c" "$tmp/log"
			tap_fail "$1 ($language): is refused" "$tmp/log"
		elif grep -q "error: $2.*thread-safety" "$tmp/log" &&
			[ "$(grep -c 'error:' "$tmp/log")" = 1 ]; then
			tap_ok "$1 ($language): is refused"
		else
			tap_fail "$1 ($language): is refused with its own message" "$tmp/log"
		fi
		if accepts "$tmp/right.c" "$language" && [ ! -s "$tmp/log" ]; then
			tap_ok "$1 ($language): is accepted when put right"
		else
			tap_fail "$1 ($language): is accepted when put right" "$tmp/log"
		fi
	done
}

breach 'a walk without the lock' \
	"calling function 'pgw_walk_page_range_novma' requires holding mmap lock 'mm'" <<'END'
+pgw_mmap_write_lock(mm);
pgw_walk_page_range_novma(mm, 0, 4096, ops, NULL, NULL);
+pgw_mmap_write_unlock(mm);
END

breach 'a walk through VMAs after the unlock' \
	"calling function 'pgw_walk_page_range' requires holding mmap lock 'mm'" <<'END'
pgw_mmap_read_lock(mm);
-pgw_mmap_read_unlock(mm);
pgw_walk_page_range(mm, 0, 4096, ops, NULL);
+pgw_mmap_read_unlock(mm);
END

breach 'a walk of the kernel mm with another lock' \
	"calling function 'pgw_walk_kernel_page_table_range' requires holding mmap lock 'kernel_mm'" <<'END'
-pgw_mmap_read_lock(mm);
+pgw_mmap_read_lock(kernel_mm);
pgw_walk_kernel_page_table_range(kernel_mm, 0, 4096, ops, NULL, NULL);
-pgw_mmap_read_unlock(mm);
+pgw_mmap_read_unlock(kernel_mm);
END

breach "a debug walk without the kernel mm's lock" \
	"calling function 'pgw_walk_page_range_debug' requires holding mmap lock 'pgw_mm_kernel_mm(mm)' exclusively" <<'END'
pgw_mmap_write_lock(mm);
+pgw_mmap_write_lock(pgw_mm_kernel_mm(mm));
pgw_walk_page_range_debug(mm, 0, 4096, ops, NULL, NULL);
+pgw_mmap_write_unlock(pgw_mm_kernel_mm(mm));
pgw_mmap_write_unlock(mm);
END

breach 'a debug walk with read locks' \
	"calling function 'pgw_walk_page_range_debug' requires holding mmap lock 'mm' exclusively" <<'END'
-pgw_mmap_read_lock(mm);
+pgw_mmap_write_lock(mm);
pgw_mmap_write_lock(pgw_mm_kernel_mm(mm));
pgw_walk_page_range_debug(mm, 0, 4096, ops, NULL, NULL);
pgw_mmap_write_unlock(pgw_mm_kernel_mm(mm));
-pgw_mmap_read_unlock(mm);
+pgw_mmap_write_unlock(mm);
END

breach 'a scan without the lock' \
	"calling function 'pgw_scan_extents' requires holding mmap lock 'mm'" <<'END'
+pgw_mmap_assert_locked(mm);
pgw_scan_extents(mm, 0, 4095, NULL, NULL);
END

breach 'a translation without the lock' \
	"calling function 'pgw_translate' requires holding mmap lock 'mm'" <<'END'
struct pgw_translation t;

+if (pgw_mmap_read_trylock(mm))
+	return 1;
pgw_translate(mm, 0, &t);
+pgw_mmap_read_unlock(mm);
END

breach 'an edit without the lock' \
	"calling function 'pgw_mm_unmap' requires holding mmap lock 'mm'" <<'END'
+pgw_mmap_write_lock(mm);
pgw_mm_unmap(mm, 0, 4095, PGW_UNMAP_EXACT);
+pgw_mmap_write_unlock(mm);
END

breach 'a function that writes, under a read lock' \
	"calling function 'pgw_mm_munmap_locked' requires holding mmap lock 'mm' exclusively" <<'END'
-pgw_mmap_read_lock(mm);
+pgw_mmap_write_lock(mm);
pgw_mm_munmap_locked(mm, 0, 4096);
-pgw_mmap_read_unlock(mm);
+pgw_mmap_write_unlock(mm);
END

breach 'a function that writes, after the downgrade' \
	"calling function 'pgw_mm_munmap_locked' requires holding mmap lock 'mm' exclusively" <<'END'
pgw_mmap_write_lock(mm);
+pgw_mm_munmap_locked(mm, 0, 4096);
pgw_mmap_write_downgrade(mm);
-pgw_mm_munmap_locked(mm, 0, 4096);
pgw_mmap_read_unlock(mm);
END

breach 'a function that takes the lock, with the lock' \
	"cannot call function 'pgw_mm_munmap' while mmap lock 'mm' is held" <<'END'
-pgw_mmap_write_lock(mm);
pgw_mm_munmap(mm, 0, 4096);
-pgw_mmap_write_unlock(mm);
END

breach 'an unlock of what is not held' \
	"releasing mmap lock 'mm' that was not held" <<'END'
+pgw_mmap_read_lock(mm);
pgw_mmap_read_unlock(mm);
END

breach 'an unlock in the wrong mode' \
	"releasing mmap lock 'mm' using exclusive access, expected shared access" <<'END'
pgw_mmap_read_lock(mm);
-pgw_mmap_write_unlock(mm);
+pgw_mmap_read_unlock(mm);
END

breach 'an unlock after a downgrade as if there was none' \
	"releasing mmap lock 'mm' using exclusive access, expected shared access" <<'END'
pgw_mmap_write_lock(mm);
pgw_mmap_write_downgrade(mm);
-pgw_mmap_write_unlock(mm);
+pgw_mmap_read_unlock(mm);
END

breach 'a downgrade of a read lock' \
	"releasing mmap lock 'mm' using exclusive access, expected shared access" <<'END'
-pgw_mmap_read_lock(mm);
+pgw_mmap_write_lock(mm);
pgw_mmap_write_downgrade(mm);
pgw_mmap_read_unlock(mm);
END

breach 'a lock taken twice' \
	"acquiring mmap lock 'mm' that is already held" <<'END'
pgw_mmap_read_lock(mm);
-pgw_mmap_read_lock(mm);
pgw_mmap_read_unlock(mm);
END

# clang 14 says mutex whatever the kind of lock, clang 19 the kind.
breach 'a lock that is kept' \
	"\(mmap lock\|mutex\) 'mm' is still held at the end of function" <<'END'
pgw_mmap_write_lock(mm);
+pgw_mmap_write_unlock(mm);
END

breach 'a trylock whose status nobody looks at' \
	"releasing mmap lock 'mm' that was not held" <<'END'
-pgw_mmap_write_trylock(mm);
+if (!pgw_mmap_write_trylock(mm))
	pgw_mmap_write_unlock(mm);
END

breach 'a walk of a file without its lock' \
	"calling function 'pgw_walk_page_mapping' requires holding i_mmap lock 'mapping'" <<'END'
struct pgw_mapping *mapping = NULL;

-pgw_mmap_read_lock(mm);
+pgw_mapping_read_lock(mapping);
pgw_walk_page_mapping(mapping, 0, 1, ops, NULL);
-pgw_mmap_read_unlock(mm);
+pgw_mapping_read_unlock(mapping);
END

breach 'pages taken out of a file, with its lock' \
	"cannot call function 'pgw_mapping_truncate' while i_mmap lock 'mapping' is held" <<'END'
struct pgw_mapping *mapping = NULL;

-pgw_mapping_read_lock(mapping);
pgw_mapping_truncate(mapping, 1);
-pgw_mapping_read_unlock(mapping);
END

tap_done
