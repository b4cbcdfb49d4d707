# SPDX-License-Identifier: BSD-2-Clause
# What people type. The build itself is Meson's: see meson.build.
PREFIX ?= /usr/local
BUILD = build

.PHONY: all demo check check-bare check-drgn check-fleet check-gdb check-sandbox check-sarif deb wheel release check-long check-linux check-schedules check-seeds mutants bench bench-compare bench-peers fuzz install format lint clean help

all:
	@scripts/setup demo
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	@ninja -C $(BUILD)

demo:
	@scripts/demo

check:
	@scripts/check

# make check-bare RELEASE=trixie AS_USER=1
check-bare:
	@scripts/check-bare

# Not part of check: the Debian packages, built and tried in a bare root. make deb RELEASE=trixie
deb:
	@scripts/deb

# Not part of check: the Python module beside each drgn. make check-drgn RELEASE=sid
check-drgn: all
	@scripts/check-drgn

# Not part of check: gdb's commands in the gdb of each Debian. make check-gdb RELEASE=sid
check-gdb: all
	@scripts/check-gdb

# Not part of check: the sandbox on the kernels of each Debian.
check-sandbox: all
	@scripts/check-sandbox

# Not part of check: a thousand machines in ClickHouse, and what is asked of them.
check-fleet: all
	@scripts/check-fleet $(FLEET)

# Not part of check: what audit --sarif prints, by the standard's schema.
check-sarif: all
	@scripts/check-sarif

# make release VERSION=1.2.3 KEY=ID
release:
	@scripts/release $(VERSION)

# Not part of check: the Python package.
wheel: all
	@scripts/wheel

# Not part of check: the comparison with QEMU's MMU, with many more random tables; machines that run,
# with many more captures and kills; builds without each library; what real makers of dumps write, in
# guests; and ten million interleavings of operations.
check-long:
	@scripts/setup check
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	@ninja -C $(BUILD)
	@PGW_MMU_ROUNDS=$${PGW_MMU_ROUNDS:-20} meson test -C $(BUILD) --no-rebuild --suite mmu -t 20
	@PGW_LIVE_KILLS=$${PGW_LIVE_KILLS:-1000} PGW_LIVE_CAPTURES=$${PGW_LIVE_CAPTURES:-200} meson test -C $(BUILD) --no-rebuild --suite live -t 20
	@scripts/check-libraries
	@scripts/check-sql
	@scripts/check-makers $(MAKERS)
	@scripts/check-schedules --long $(BUILD)

# Not part of check: random tests with new seeds; ROUNDS=N: so many.
check-seeds:
	@scripts/check-seeds $(BUILD)

# Not part of check: interleavings of pairs up to a bound, and whether planted faults are found.
check-schedules:
	@scripts/setup check
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	@ninja -C $(BUILD) tests/schedule/test_schedule
	@scripts/check-schedules $(BUILD)

# Not part of check: the comparison with Linux's own walker, in many more cases; and whether it
# notices faults in ours.
check-linux:
	@scripts/setup check
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	@ninja -C $(BUILD)
	@PGW_LINUX_ANY=1 PGW_LINUX_CASES=$${PGW_LINUX_CASES:-1000000} meson test -C $(BUILD) --no-rebuild --suite linux -t 20
	@tests/linux/faults $(BUILD)

# Not part of check: an hour. Does a test notice each of some 200 small wrong changes?
mutants:
	@scripts/setup check
	@mkdir -p $(BUILD)
	@scripts/mutants --keep $(BUILD)/mutants.known --table docs/testing.md

bench: all
	@scripts/bench

# make bench-compare BASE=main
bench-compare: all
	@scripts/bench-compare $(BASE) $(BENCHES)

# Not part of check, which does not install what this compares with.
bench-peers:
	@scripts/bench-peers

fuzz:
	@scripts/fuzz

install: all
	@meson configure $(BUILD) -Dprefix=$(PREFIX) >/dev/null
	@meson install -C $(BUILD) --quiet $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

format:
	@scripts/setup lint
	@scripts/lint --format

lint:
	@scripts/lint

clean:
	rm -rf build build-clang build-asan build-tsan build-fuzz

help:
	@echo 'make            build the library and build/pagewalk'
	@echo 'make demo       build, and show the main job on a bundled image'
	@echo 'make check      build four ways and run every test'
	@echo 'make check-bare both of these on a bare Debian made on the spot; RELEASE (bookworm), AS_USER=1'
	@echo 'make deb        the Debian packages, built and tried in a bare Debian; RELEASE, OUT (build/deb/RELEASE)'
	@echo 'make check-drgn the Python module beside the drgn of a Debian; RELEASE (bookworm, trixie, sid)'
	@echo 'make check-gdb  the commands of gdb in the gdb of a Debian; RELEASE (bookworm, trixie, sid)'
	@echo 'make check-sandbox the sandbox on the kernels of each Debian, in guests'
	@echo 'make check-fleet a thousand exports in two servers of ClickHouse; FLEET (10 100 1000)'
	@echo 'make check-sarif what audit --sarif prints, by the schema of the standard'
	@echo 'make release VERSION=1.2.3  check, tag and pack a release; KEY, DIST (dist)'
	@echo 'make wheel      the Python package: an sdist and a wheel, tried, in DIST (dist)'
	@echo 'make check-long compare with QEMU on many more tables; PGW_MMU_ROUNDS (default 20);'
	@echo '                with what real makers of dumps write; MAKERS (all); many more interleavings'
	@echo 'make check-seeds      each random test with twenty new seeds'
	@echo 'make check-schedules  every interleaving of two operations, and planted faults'
	@echo 'make check-linux compare with the walker of Linux in many more cases; PGW_LINUX_CASES (1000000)'
	@echo 'make mutants    look whether a test notices each of some 200 small wrong changes'
	@echo 'make bench      run the benchmarks'
	@echo 'make bench-compare BASE=REV  the same over another revision, as ratios; BENCHES=NAMES'
	@echo 'make bench-peers other tools beside this one, on the same dumps'
	@echo 'make fuzz       run each fuzz target for FUZZ_SECONDS (60)'
	@echo 'make install    install; PREFIX (default /usr/local) and DESTDIR are honoured'
	@echo 'make lint       static analysis, formatting, shell scripts'
	@echo 'make format     put the C files into the house style'
	@echo 'make clean      remove the build folders'
