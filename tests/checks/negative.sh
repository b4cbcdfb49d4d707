#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# negative.sh CHECK: scripts/check-CHECK passes on a copy of what it looks at, and
# fails, naming the culprit, once a breach is planted in the copy. Prints TAP.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"
make_tmp
check=$1
copy=$tmp/copy

run_check() {
	set -- "$copy"
	case $check in
	symbols)
		gcc -shared -fPIC -fvisibility=hidden -I"$copy" -o "$tmp/lib.so" "$copy/lib.c"
		set -- "$tmp/lib.so" "$copy"
		;;
	hardening)
		# shellcheck disable=SC2046 # words
		gcc $(cat "$copy/flags") -o "$copy/program" "$copy/program.c"
		# shellcheck disable=SC2046 # words
		gcc $(cat "$copy/flags") -c -o "$copy/object.o" "$copy/program.c"
		ar rc "$copy/objects.a" "$copy/object.o"
		set -- --fortified "$copy/program" "$copy/objects.a"
		;;
	docs)
		chmod +x "$copy/build/hello"
		"$root/tests/checks/docs.py" "$copy" "$copy/build" >"$tmp/log" 2>&1
		return
		;;
	links)
		for layer in base pt mm kernel source system analysis hosted; do
			for source in "$copy/$layer"*.c; do
				gcc -fPIC -c -o "${source%.c}.o" "$source"
			done
			mkdir -p "$copy/$layer"
			ar rc "$copy/$layer/libpgw_$layer.a" "$copy/$layer"*.o
		done
		;;
	esac
	"$root/scripts/check-$check" "$@" >"$tmp/log" 2>&1
}

fresh_copy() {
	rm -rf "$copy"
	mkdir "$copy"
	for part in $parts; do
		mkdir -p "$copy/$(dirname "$part")"
		cp -R "$root/$part" "$copy/$part"
	done
	(cd "$copy" && eval "$prepare")
}

# begin PARTS [COMMAND]: what a copy consists of; it must pass.
begin() {
	parts=$1
	prepare=${2:-:}
	fresh_copy
	if run_check; then
		tap_ok "check-$check: passes without a breach"
	else
		tap_fail "check-$check: passes without a breach" "$tmp/log"
	fi
}

# breach NAME CULPRIT COMMAND [CASES]: the command, run in the copy, plants it; with CASES,
# so many cases of the check have to fail.
breach() {
	fresh_copy
	(cd "$copy" && eval "$3")
	if run_check; then
		echo 'the breach was not noticed' >>"$tmp/log"
	elif [ -n "${4-}" ] && [ "$(grep -c '^not ok' "$tmp/log")" -ne "$4" ]; then
		echo "not $4 cases failed" >>"$tmp/log"
	elif grep -q "^# .*$2" "$tmp/log"; then
		tap_ok "check-$check: $1"
		return
	fi
	tap_fail "check-$check: $1" "$tmp/log"
}

case $check in
layers)
	begin 'include src tool'
	# What is planted below is found in the files that it is planted in: the others pass above.
	prepare="find src tool -name '*.c' ! -name status.c ! -name item.c ! -name mm.c \\
		! -name vmap.c ! -name registry.c -delete"
	breach 'base includes pt' 'src/base/status.c:.*the layer pt' \
		"echo '#include \"pt/pt.h\"' >>src/base/status.c"
	breach 'pt includes mm' 'src/pt/read/item.c:.*the layer mm' \
		"echo '#include \"mm/lock.h\"' >>src/pt/read/item.c"
	breach 'mm includes a public header of image' 'src/mm/mm.c:.*image.h' \
		"echo '#include <pagewalk/image.h>' >>src/mm/mm.c"
	breach 'mm includes libc' 'src/mm/mm.c:.*stdio.h' \
		"echo '# include <stdio.h>' >>src/mm/mm.c"
	breach 'mm includes a header that reaches into libc' 'src/mm/mm.c:.*limits.h' \
		"echo '#include <limits.h>' >>src/mm/mm.c"
	breach 'mm includes kernel' 'src/mm/mm.c:.*the layer kernel' \
		"echo '#include \"kernel/kernel_priv.h\"' >>src/mm/mm.c"
	breach 'kernel includes libc' 'src/kernel/vmap.c:.*stdlib.h' \
		"echo '#include <stdlib.h>' >>src/kernel/vmap.c"
	breach 'a source knows tables' 'src/source/planted.c:.*the layer pt' \
		"echo '#include \"pt/pt.h\"' >>src/source/planted.c"
	breach 'a source knows the system' 'src/source/planted.c:.*the layer system' \
		"echo '#include \"system/system_priv.h\"' >>src/source/planted.c"
	breach 'system includes kernel' 'src/system/planted.c:.*the layer kernel' \
		"echo '#include \"kernel/kernel_priv.h\"' >>src/system/planted.c"
	breach 'a format knows memory' 'src/pt/fmt/planted.h:.*phys.h' \
		"echo '#include <pagewalk/phys.h>' >>src/pt/fmt/planted.h"
	breach 'a format used outside its instance' 'src/pt/fmt/registry.c:.*a format' \
		"echo '#include \"pt/fmt/x86_64.h\"' >>src/pt/fmt/registry.c"
	breach 'tool includes a private header' 'tool/planted.c:.*a private header' \
		"echo '#include \"base/bits.h\"' >>tool/planted.c"
	breach 'what another file includes' 'src/mm/mm.c: the compiler reads src/source/elf.h' \
		"echo '#include \"source/elf.h\"' >src/mm/planted.inc
		echo '#include \"mm/planted.inc\"' >>src/mm/mm.c" 1
	breach 'a path out of the folder' 'tool/planted.c:.*a path with' \
		"echo '#include \"../src/base/bits.h\"' >>tool/planted.c"
	breach 'a private header without its layer' 'src/mm/mm.c:.*without its layer' \
		"echo '#include \"lock.h\"' >>src/mm/mm.c"
	breach 'a public header includes upwards' 'base.h:.*mm.h' \
		"echo '#include <pagewalk/mm.h>' >>include/pagewalk/base.h"
	breach 'an include through a macro' 'src/mm/mm.c' \
		"echo '#include HEADER' >>src/mm/mm.c"
	breach 'a layer without a rule' 'src/planted/a.c:.*no rule' \
		"mkdir src/planted; echo '#include <stdint.h>' >src/planted/a.c"
	;;
headers)
	begin 'include/pagewalk/base.h include/meson.build'
	breach 'a header that needs another first' 'uint64_t' \
		"sed -i '/#include/d' include/pagewalk/base.h"
	breach 'a word of C++ as a name' 'pgw_f' \
		"sed -i 's/^enum pgw_status {/int pgw_f(int class);\n&/' include/pagewalk/base.h"
	breach 'an extension of the language' 'pedantic' \
		"sed -i 's/^enum pgw_status {/struct planted { };\n&/' include/pagewalk/base.h"
	breach 'a header for C only that lets C++ in' 'base.h: is not for C only' \
		"printf '/*\n#error \"it is for C only\"\n*/\n' >>include/pagewalk/base.h"
	breach 'a feature switch' 'PGW_FEATURE' \
		"printf '#ifdef PGW_FEATURE\n#endif\n' >>include/pagewalk/base.h"
	breach 'a header that is not installed' 'planted.h' \
		"printf '#ifndef PAGEWALK_PLANTED_H\n#define PAGEWALK_PLANTED_H\n#endif\n' \
			>include/pagewalk/planted.h"
	;;
assertions)
	begin 'tests'
	breach 'an assertion without a test' 'no test shows assertion 48' \
		"sed -i 's/__48_/__/' tests/tool/test_ptdump.c"
	breach 'a test of an assertion that does not exist' 'there is no assertion 49' \
		"sed -i 's/__48_/__48_49_/' tests/tool/test_ptdump.c"
	;;
hardening)
	# What is not this machine's is no breach of it.
	case $(uname -m) in x86_64) branch=-fcf-protection ;; aarch64) branch=-mbranch-protection ;; *) branch= ;; esac
	case $branch in -f*) all=full ;; *) all=standard ;; esac
	begin '' "
		printf '#include <stdio.h>\\nint main(int n, char **v){char b[9];sprintf(b,\"%%s\",v[n-1]);return puts(b);}\\n' >program.c
		echo '-w -O2 -fPIE -pie -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -Wl,-z,now,-z,noexecstack ${branch:+$branch=$all}' >flags"
	breach 'a place of its own' 'no position independence' "sed -i 's/-fPIE -pie/-no-pie/' flags"
	breach 'lazy binding' 'no immediate binding' "sed -i 's/-z,now/-z,lazy/' flags"
	breach 'a stack with execution' 'no stack without execution' "sed -i 's/noexecstack/execstack/' flags"
	breach 'no guard' 'no guard of stacks' "sed -i 's/-fstack-protector-strong/-fno-stack-protector/' flags"
	breach 'nothing checked' 'no function of libc that checks' "sed -i 's/-D_FORTIFY_SOURCE=2//' flags"
	[ -z "$branch" ] || breach 'no marks' 'no mark: .*object.o' "sed -i 's/protection=$all/protection=none/' flags"
	;;
spdx)
	begin 'include src'
	breach 'a source file without the line' 'src/mm/planted.c' \
		"echo 'int planted;' >src/mm/planted.c"
	breach 'a script without the line' 'planted' \
		"printf '#!/bin/sh\n' >planted"
	breach 'another licence' 'src/planted.c' \
		"echo '/* SPDX-License-Identifier: MIT */' >src/planted.c"
	begin 'include src' 'git init -q .'
	breach 'a new file that git does not track yet' 'src/planted.c' \
		"echo 'int planted;' >src/planted.c"
	;;
linux-names)
	begin 'include tests/linux_users'
	breach 'a name that is not there' 'walk_page_vma.vma, ops, private.: implicit' \
		"sed -i '/define walk_page_vma/d' include/pagewalk/linux.h" 1
	breach 'a member that is not there' 'member *mm_walk_ops test_walk' \
		"sed -i 's/(.test_walk)/(*other_walk)/' include/pagewalk/walk.h" 1
	breach 'a function with other parameters' 'walk_page_range_debug.mm, start, end, ops, pgd' \
		"sed -i 's/walk_page_range_debug pgw_walk_page_range_debug/walk_page_range_debug pgw_walk_page_range/' \
			include/pagewalk/linux.h" 1
	breach 'a name that has come' 'linux.h has it: later *value *FW_ZEROPAGE' \
		"sed -i '/FW_ZEROPAGE/s/^has  /later/' tests/linux_users/names.txt" 1
	breach 'a line that says nothing' 'has nothing' \
		"echo 'has nothing' >>tests/linux_users/names.txt" 1
	;;
freestanding)
	begin 'include src/base'
	for header in stdlib string limits; do # on each of three architectures
		breach "an include of $header.h" "${header}[.]h" \
			"echo '#include <$header.h>' >src/base/planted.c" 3
	done
	breach 'a call into libc' 'needs strlen' \
		"echo 'unsigned long strlen(const char *); unsigned long f(const char *s);
		unsigned long f(const char *s) { return strlen(s); }' >src/base/planted.c"
	breach 'a writable variable' '[.]data has' \
		"echo 'extern int planted; int planted = 1;' >src/base/planted.c"
	breach 'a writable variable that is zero' '[.]s*bss has' \
		"echo 'int f(void); int f(void) { static int n; return n++; }' >src/base/planted.c"
	breach 'a thread-local variable' '[.]tbss has' \
		"echo 'extern _Thread_local int planted; _Thread_local int planted;' >src/base/planted.c"
	breach 'a call that the compiler makes' 'needs __[a-z]*divti3' \
		"echo '__int128 f(__int128 a, __int128 b); __int128 f(__int128 a, __int128 b)
		{ return a / b; }' >src/base/planted.c"
	;;
inline)
	# One format stands for all.
	begin 'include src/base src/pt' 'rm src/pt/*/*_arm64_*.c src/pt/*/*_riscv.c'
	breach 'a primitive that is not inlined' 'planted_pt_leaf' \
		"echo 'static __attribute__((noinline)) int planted_pt_leaf(int x) { return x + 1; }
		int f(int x); int f(int x) { return planted_pt_leaf(x); }' >src/pt/fmt/planted.h
		echo '#include \"pt/fmt/planted.h\"' >>src/pt/read/item.c"
	breach 'a primitive whose address is taken' 'planted_pt_leaf' \
		"echo 'static inline int planted_pt_leaf(int x) { return x + 1; }
		int (*f(void))(int); int (*f(void))(int) { return planted_pt_leaf; }' >src/pt/fmt/planted.h
		echo '#include \"pt/fmt/planted.h\"' >>src/pt/read/item.c"
	;;
steps)
	begin 'include src/base'
	breach 'an atomic access past base/step.h' 'src/base/mutex.h:.*__atomic_load_n' \
		"sed -i 's/step_load_n/__atomic_load_n/' src/base/mutex.h" 1
	breach 'an atomic variable of C11' 'src/base/planted.h:.*_Atomic' \
		"echo 'extern _Atomic int planted;' >src/base/planted.h" 1
	breach 'a step that is not the builtin alone' 'src/base/epoch.c' \
		"sed -i 's/__atomic_load_n(at, order)$/__atomic_load_n(at, (order, __ATOMIC_SEQ_CST))/' \
			src/base/step.h" 1
	breach 'a step that costs something' 'text: .* bytes' \
		"sed -i 's/__atomic_store_n(at, value, order)$/(__atomic_thread_fence(__ATOMIC_SEQ_CST), &)/' \
			src/base/step.h" 2
	;;
symbols)
	begin 'include/pagewalk/base.h' "mkdir pagewalk
		echo '#include \"include/pagewalk/base.h\"' >lib.c
		printf 'PGW_API const char *\npgw_planted(int x,\n\tint y);\n' >pagewalk/planted.h
		echo '#include \"pagewalk/planted.h\"' >>lib.c
		echo 'const char *pgw_planted(int x, int y) { return x == y ? \"\" : 0; }' >>lib.c"
	breach 'a declared function that is not exported' 'pgw_missing' \
		"echo 'PGW_API int pgw_missing(void);' >>pagewalk/planted.h"
	breach 'an exported function that no header declares' 'pgw_extra' \
		"echo 'PGW_API int pgw_extra(void); int pgw_extra(void) { return 0; }' >>lib.c"
	breach 'an exported name without the prefix' 'walk_extra' \
		"echo 'PGW_API int walk_extra(void); int walk_extra(void) { return 0; }' >>lib.c"
	;;
links)
	# shellcheck disable=SC2016 # for eval
	begin '' 'for layer in base pt mm kernel source system analysis hosted; do
			echo "int f_$layer(void) { return 0; }" >$layer.c
		done
		echo "extern int f_pt(void); int g(void) { return f_pt(); }" >>mm.c
		echo "#include <stdlib.h>" >>hosted.c
		echo "void g(void) { abort(); }" >>hosted.c'
	breach 'pt calls mm' 'f_mm' \
		'echo "extern int f_mm(void); int h(void) { return f_mm(); }" >>pt.c'
	breach 'source calls pt' 'f_pt' \
		'echo "extern int f_pt(void); int h(void) { return f_pt(); }" >>source.c'
	breach 'system calls analysis' 'f_analysis' \
		'echo "extern int f_analysis(void); int h(void) { return f_analysis(); }" >>system.c'
	for layer in mm system; do
		breach "files of $layer in a circle" "${layer}_b" \
			"echo 'extern int f_b(void); int h(void) { return f_b(); }' >>$layer.c
			echo 'extern int f_c(void); int f_b(void) { return f_c(); }' >${layer}_b.c
			echo 'extern int h(void); int f_c(void) { return h(); }' >${layer}_c.c" 1
	done
	breach 'mm calls kernel' 'f_kernel' \
		'echo "extern int f_kernel(void); int h(void) { return f_kernel(); }" >>mm.c'
	breach 'mm calls libc' 'abort' \
		'echo "extern void abort(void); void h(void) { abort(); }" >>mm.c'
	breach 'hosted calls pt' 'f_pt' \
		'echo "extern int f_pt(void); int h(void) { return f_pt(); }" >>hosted.c'
	;;
docs)
	# shellcheck disable=SC2016 # for eval
	begin '' 'mkdir build
		printf "#!/bin/sh\necho 1\necho 2\necho \$1\n" >build/hello
		echo "int f(void);" >a.c
		printf "[a](a.c)\n<!-- from a.c -->\n\140\140\140c\n  int f(void);\n\140\140\140\n" >a.md
		printf "\140\140\140console\n$ build/hello 3\n...\n3\n\140\140\140\n" >>a.md'
	breach 'other output' 'build/hello' 'sed -i "s/^3$/4/" a.md'
	breach 'output that is cut' 'build/hello' 'sed -i "/^3$/d; s/^\.\.\.$/1/" a.md'
	breach 'other code' 'a block is not in a.c' 'sed -i "s/int f/int g/" a.md'
	breach 'a link to nowhere' 'no such file: b.c' 'sed -i "s/(a.c)/(b.c)/" a.md'
	breach 'a command from elsewhere' 'not a command' 'sed -i "s/build.hello/hello/" a.md'
	;;
*)
	die "no breaches for check-$check"
	;;
esac
tap_done
