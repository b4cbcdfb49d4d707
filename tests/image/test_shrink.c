/* SPDX-License-Identifier: BSD-2-Clause */
/* A file that shrinks while it is mapped: unreadable, no signal, never zeroes in the place of
 * bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pagewalk/image.h>

#include "image/mkelf.h"

#define PAGE ((size_t)4096)
#define NR_PAGES ((size_t)64)
#define MEMORY (NR_PAGES * PAGE)

/* Not aligned in the file, as in real dumps; no byte is zero but every 16th. */
static uint8_t memory[MEMORY];

/*
 * To the thread sanitizer the handler's mmap is a write to the page, in a race
 * with the other readers. It is, and the library expects it: a read decides by
 * the limit, which it looks at after it has copied.
 */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
	return "race:guard_replace_page\n";
}

struct mapped {
	struct mkelf elf;
	struct pgw_image *image;
	const struct pgw_phys *phys;
	uint64_t offset; /* of pa 0 in the file */
};

/* cmocka takes SIGBUS for itself at the start of each test: give it back to the library. */
static void restore_handler(void)
{
	static struct sigaction handler;
	static bool is_known;

	if (is_known)
		sigaction(SIGBUS, &handler, NULL);
	else
		sigaction(SIGBUS, NULL, &handler);
	is_known = true;
}

/*
 * Small files are mapped with all their pages. With this much in front of it, a file is not small,
 * and a place is read by pread() first and through the mapping then.
 */
static uint8_t filler[(size_t)1 << 20];
static bool is_large;

static int set_large(void **state)
{
	(void)state;
	is_large = true;
	return 0;
}

static void open_mapped(struct mapped *m)
{
	for (size_t i = 0; i < MEMORY; i++)
		memory[i] = i % 16 == 15 ? 0 : (uint8_t)(1 + i % 255);
	mkelf_init(&m->elf, MKELF_X86_64);
	if (is_large)
		mkelf_segment(&m->elf, UINT64_C(1) << 32, filler, sizeof(filler), sizeof(filler));
	mkelf_segment(&m->elf, 0, memory, MEMORY, MEMORY);
	assert_int_equal(pgw_image_open(mkelf_save(&m->elf), NULL, &m->image, NULL), 0);
	restore_handler();
	m->phys = pgw_image_phys(m->image);
	m->offset = m->elf.size - MEMORY;
}

static void close_mapped(struct mapped *m)
{
	pgw_image_close(m->image);
	mkelf_fini(&m->elf);
}

static void shrink(struct mapped *m, uint64_t pa)
{
	assert_int_equal(ftruncate(m->elf.fd, (off_t)(m->offset + pa)), 0);
}

/* Is what lies before end readable and right, and what reaches past it not? */
static void check_read(struct mapped *m, uint64_t pa, size_t len, uint64_t end)
{
	static uint8_t buf[MEMORY];
	int status = pgw_phys_read(m->phys, pa, buf, len);

	if (pa + len <= end) {
		assert_int_equal(status, 0);
		assert_memory_equal(buf, memory + pa, len);
	} else {
		assert_int_equal(status, -PGW_EIO);
	}
}

static void test_read__file_cut_to_nothing_is_unreadable(void **state)
{
	struct mapped m;

	(void)state;
	open_mapped(&m);
	check_read(&m, 0, PAGE, MEMORY);
	assert_int_equal(ftruncate(m.elf.fd, 0), 0);
	for (size_t i = 0; i < NR_PAGES; i++)
		check_read(&m, i * PAGE, PAGE, 0);
	for (size_t i = 0; i < NR_PAGES; i++)
		check_read(&m, i * PAGE + 8, 8, 0);
	check_read(&m, 0, MEMORY, 0);
	close_mapped(&m);
}

/*
 * What follows the end in its page reads as zeroes without a signal, so each
 * read is the first after a cut of its own: none may profit from an earlier one.
 */
static void test_read__file_cut_inside_a_page_is_unreadable_from_there(void **state)
{
	static const size_t lens[] = { 1, 8, 16, 512, 4096 };
	static const uint64_t bases[] = { 5 * PAGE, MEMORY - PAGE, MEMORY - 700 };

	(void)state;
	for (size_t b = 0; b < 3; b++) {
		for (size_t i = 0; i < 5; i++) {
			for (uint64_t back = 0; back < 40; back += 3) {
				uint64_t end = bases[b] + 13 * back % 512;
				struct mapped m;

				open_mapped(&m);
				shrink(&m, end);
				check_read(&m, end - back,
					   lens[i] < MEMORY - end + back ? lens[i]
									 : MEMORY - end + back,
					   end);
				check_read(&m, end - 16, 16, end);
				check_read(&m, end - 16, 17, end);
				close_mapped(&m);
			}
		}
	}
}

static void test_read__big_reads_see_the_end_too(void **state)
{
	struct mapped m;

	(void)state;
	open_mapped(&m);
	shrink(&m, 40 * PAGE + 5);
	check_read(&m, 0, 65536, 40 * PAGE + 5);
	check_read(&m, 24 * PAGE, 65536 + 5, 40 * PAGE + 5);
	check_read(&m, 24 * PAGE, 65536 + 6, 40 * PAGE + 5);
	check_read(&m, 0, MEMORY, 40 * PAGE + 5);
	close_mapped(&m);
}

static void test_read__shrinking_again_is_noticed(void **state)
{
	struct mapped m;

	(void)state;
	open_mapped(&m);
	for (uint64_t end = MEMORY - 1; end > 3 * PAGE; end -= 1777) {
		shrink(&m, end);
		check_read(&m, end - 8, 9, end);
		check_read(&m, end - 8, 8, end);
		check_read(&m, end + 1 < MEMORY - 8 ? end + 1 : MEMORY - 8, 8, end);
	}
	close_mapped(&m);
}

static void test_read__what_was_missing_stays_missing(void **state)
{
	struct mapped m;

	(void)state;
	open_mapped(&m);
	shrink(&m, 2 * PAGE);
	check_read(&m, 3 * PAGE, 8, 2 * PAGE);
	shrink(&m, MEMORY);
	check_read(&m, 0, PAGE, 2 * PAGE);
	check_read(&m, 3 * PAGE, 8, 2 * PAGE);
	check_read(&m, 9 * PAGE, 65536, 2 * PAGE);
	close_mapped(&m);
}

static void test_read__other_images_are_untouched(void **state)
{
	struct mapped m[8];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 8; i++)
			open_mapped(&m[i]);
		for (int i = 0; i < 8; i += 2)
			shrink(&m[i], PAGE);
		for (int i = 0; i < 8; i++)
			check_read(&m[i], 7 * PAGE, PAGE, i % 2 ? MEMORY : PAGE);
		/* Close in another order than they were opened. */
		for (int i = 0; i < 8; i++)
			close_mapped(&m[(i * 3 + round) % 8]);
	}
}

/* A search through memory fails cleanly, and does not remember half of it. */
static void test_search__file_that_shrinks_is_an_error(void **state)
{
	const struct pgw_vmcoreinfo *texts;
	const struct pgw_root_info *roots;
	struct pgw_root_info root;
	struct pgw_error err;
	struct mapped m;
	size_t nr;

	(void)state;
	open_mapped(&m);
	shrink(&m, 30 * PAGE);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pgw_image_vmcoreinfo(m.image, &texts, &nr), -PGW_EIO);
		assert_int_equal(pgw_image_roots(m.image, &roots, &nr), -PGW_EIO);
		assert_int_equal(pgw_image_kernel_root(m.image, &root, &err), -PGW_EIO);
		assert_int_equal(err.status, -PGW_EIO);
	}
	close_mapped(&m);
}

struct readers {
	struct mapped m;
	atomic_bool stop;
	atomic_uint nr_good, nr_refused, nr_wrong;
};

static void *read_on(void *arg)
{
	struct readers *readers = arg;
	uint8_t buf[256];

	while (!atomic_load(&readers->stop)) {
		for (size_t pa = 0; pa + sizeof(buf) <= MEMORY; pa += 1000) {
			if (pgw_phys_read(readers->m.phys, pa, buf, sizeof(buf)))
				atomic_fetch_add(&readers->nr_refused, 1);
			else if (memcmp(buf, memory + pa, sizeof(buf)) == 0)
				atomic_fetch_add(&readers->nr_good, 1);
			else
				atomic_fetch_add(&readers->nr_wrong, 1);
		}
	}
	return NULL;
}

static void test_read__threads_get_right_bytes_or_an_error(void **state)
{
	struct readers readers = { .stop = false };
	pthread_t threads[4];

	(void)state;
	open_mapped(&readers.m);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers), 0);
	for (uint64_t end = MEMORY; end > PAGE; end -= 701) {
		unsigned before = atomic_load(&readers.nr_good);

		while (atomic_load(&readers.nr_good) - before < 20)
			usleep(20);
		shrink(&readers.m, end);
	}
	atomic_store(&readers.stop, true);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&readers.nr_wrong), 0);
	assert_true(atomic_load(&readers.nr_good) > 0);
	assert_true(atomic_load(&readers.nr_refused) > 0);
	close_mapped(&readers.m);
}

/*
 * What is not ours goes to whom it went before. Each runs in a child, in which
 * no image was opened before: main() runs these first.
 */

static volatile sig_atomic_t nr_other;
static sigjmp_buf after_fault;

static void other_handler(int sig)
{
	(void)sig;
	nr_other++;
	siglongjmp(after_fault, 1);
}

static void other_info_handler(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (sig == SIGBUS && info->si_code == BUS_ADRERR)
		other_handler(sig);
	nr_other += 100;
}

/* A SIGBUS of the program's own, while an image is open. */
static void own_fault(void)
{
	char path[] = "/tmp/pgw-test-XXXXXX";
	int fd = mkstemp(path);
	volatile char *bytes;

	unlink(path);
	if (fd < 0 || ftruncate(fd, (off_t)PAGE))
		_exit(90);
	bytes = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED || ftruncate(fd, 0))
		_exit(91);
	(void)bytes[0];
}

static int run_child(void (*prepare)(void), void (*act)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct mapped m;

		prepare();
		open_mapped(&m);
		shrink(&m, PAGE);
		/* Ours works beside the other. */
		if (pgw_phys_read(m.phys, 5 * PAGE, &(uint64_t){ 0 }, 8) != -PGW_EIO)
			_exit(92);
		mkelf_fini(&m.elf);
		act();
		_exit(nr_other ? (int)nr_other : 93);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void prepare_handler(void)
{
	signal(SIGBUS, other_handler);
}

static void prepare_info_handler(void)
{
	struct sigaction action = { .sa_sigaction = other_info_handler, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &action, NULL);
}

static void prepare_default(void)
{
	signal(SIGBUS, SIG_DFL);
}

static void prepare_ignore(void)
{
	signal(SIGBUS, SIG_IGN);
}

static void act_fault(void)
{
	if (sigsetjmp(after_fault, 1) == 0)
		own_fault();
}

static void act_raise(void)
{
	raise(SIGBUS);
}

static void test_sigbus__others_go_to_the_handler_before(void **state)
{
	int status;

	(void)state;
	status = run_child(prepare_handler, act_fault);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	status = run_child(prepare_info_handler, act_fault);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	status = run_child(prepare_info_handler, act_raise);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 100);
}

static void test_sigbus__default_still_ends_the_program(void **state)
{
	int status;

	(void)state;
	status = run_child(prepare_default, act_fault);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
	status = run_child(prepare_default, act_raise);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
}

static void test_sigbus__ignored_is_ignored_unless_it_is_a_fault(void **state)
{
	int status;

	(void)state;
	status = run_child(prepare_ignore, act_raise);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 93);
	status = run_child(prepare_ignore, act_fault);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
}

int main(void)
{
	const struct CMUnitTest signals[] = {
		cmocka_unit_test(test_sigbus__others_go_to_the_handler_before),
		cmocka_unit_test(test_sigbus__default_still_ends_the_program),
		cmocka_unit_test(test_sigbus__ignored_is_ignored_unless_it_is_a_fault),
	};
	const struct CMUnitTest reads[] = {
		cmocka_unit_test(test_read__file_cut_to_nothing_is_unreadable),
		cmocka_unit_test(test_read__file_cut_inside_a_page_is_unreadable_from_there),
		cmocka_unit_test(test_read__big_reads_see_the_end_too),
		cmocka_unit_test(test_read__shrinking_again_is_noticed),
		cmocka_unit_test(test_read__what_was_missing_stays_missing),
		cmocka_unit_test(test_read__other_images_are_untouched),
		cmocka_unit_test(test_search__file_that_shrinks_is_an_error),
		cmocka_unit_test(test_read__threads_get_right_bytes_or_an_error),
	};

	return cmocka_run_group_tests_name("signals", signals, NULL, NULL) +
	       cmocka_run_group_tests_name("a small file", reads, NULL, NULL) +
	       cmocka_run_group_tests_name("a large file", reads, set_large, NULL);
}
