/* SPDX-License-Identifier: BSD-2-Clause */

/* A file that is there when it is complete, and else not at all. */

#define _GNU_SOURCE /* asprintf */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include "new_file.h"

struct folder {
	char path[64];
	char *new;
};

static int folder_make(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));
	const char *tmp = getenv("TMPDIR");

	if (!folder)
		return -1;
	snprintf(folder->path, sizeof(folder->path), "%s/pgw-test-XXXXXX",
		 tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	*state = folder;
	return mkdtemp(folder->path) && asprintf(&folder->new, "%s/new", folder->path) > 0 ? 0 : -1;
}

static int folder_remove(void **state)
{
	struct folder *folder = *state;

	unlink(folder->new);
	free(folder->new);
	/* Fails if anything else was left behind. */
	if (rmdir(folder->path))
		return -1;
	free(folder);
	return 0;
}

static unsigned nr_files(const struct folder *folder)
{
	DIR *dir = opendir(folder->path);
	unsigned nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr - 2;
}

static void check_content(const struct folder *folder, const char *expected)
{
	FILE *file = fopen(folder->new, "r");
	char content[64] = "";

	assert_non_null(file);
	assert_int_equal(fread(content, 1, sizeof(content) - 1, file), strlen(expected));
	assert_string_equal(content, expected);
	fclose(file);
}

static void put(const struct folder *folder, const char *content)
{
	FILE *file = fopen(folder->new, "w");

	assert_non_null(file);
	assert_true(fputs(content, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void test_new_file__has_its_name_when_it_is_complete(void **state)
{
	const struct folder *folder = *state;
	struct new_file file;

	assert_true(new_file_init(&file, folder->new, false));
	assert_int_equal(nr_files(folder), 0);
	assert_true(new_file_write(&file, "comp", 4));
	assert_int_equal(access(folder->new, F_OK), -1);
	assert_int_equal(nr_files(folder), 1);
	assert_true(new_file_write(&file, "lete", 4));
	assert_true(new_file_commit(&file));
	assert_int_equal(nr_files(folder), 1);
	check_content(folder, "complete");
}

static void test_new_file__abandoned_leaves_nothing(void **state)
{
	const struct folder *folder = *state;
	struct new_file file;

	assert_true(new_file_init(&file, folder->new, false));
	new_file_abandon(&file);
	assert_true(new_file_write(&file, "some", 4));
	new_file_abandon(&file);
	assert_int_equal(nr_files(folder), 0);
}

static void test_new_file__what_came_meanwhile_is_not_replaced(void **state)
{
	const struct folder *folder = *state;
	struct new_file file;

	assert_true(new_file_init(&file, folder->new, false));
	assert_true(new_file_write(&file, "mine", 4));
	put(folder, "another's");
	assert_false(new_file_commit(&file));
	assert_int_equal(nr_files(folder), 1);
	check_content(folder, "another's");
}

static void test_new_file__replaces_when_it_may_and_only_when_complete(void **state)
{
	const struct folder *folder = *state;
	struct new_file file;

	put(folder, "old");
	assert_false(new_file_init(&file, folder->new, false));
	assert_true(new_file_init(&file, folder->new, true));
	assert_false(new_file_spares(&file, folder->new));
	assert_true(new_file_spares(&file, folder->path));
	assert_true(new_file_write(&file, "new", 3));
	check_content(folder, "old");
	new_file_abandon(&file);
	check_content(folder, "old");
	assert_true(new_file_write(&file, "new", 3));
	assert_true(new_file_commit(&file));
	assert_int_equal(nr_files(folder), 1);
	check_content(folder, "new");
}

/* What a child does that gets a signal while it writes. */
static void write_and_get(const struct folder *folder, int signal)
{
	struct new_file file;

	if (!new_file_init(&file, folder->new, false) || !new_file_write(&file, "some", 4))
		_exit(10);
	raise(signal);
	if (new_file_write(&file, "more", 4))
		_exit(new_file_commit(&file) ? 11 : 12);
	new_file_abandon(&file);
	_exit(13);
}

static int child_status(const struct folder *folder, int number, bool is_ignored)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		signal(number, is_ignored ? SIG_IGN : SIG_DFL);
		write_and_get(folder, number);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_new_file__a_signal_leaves_nothing_and_ends_the_program(void **state)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM };
	const struct folder *folder = *state;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		int status = child_status(folder, signals[i], false);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), signals[i]);
		assert_int_equal(nr_files(folder), 0);
	}
}

static void test_new_file__a_signal_that_is_ignored_changes_nothing(void **state)
{
	const struct folder *folder = *state;
	int status = child_status(folder, SIGHUP, true);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 11);
	check_content(folder, "somemore");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_new_file__has_its_name_when_it_is_complete),
		IN_FOLDER(test_new_file__abandoned_leaves_nothing),
		IN_FOLDER(test_new_file__what_came_meanwhile_is_not_replaced),
		IN_FOLDER(test_new_file__replaces_when_it_may_and_only_when_complete),
		IN_FOLDER(test_new_file__a_signal_leaves_nothing_and_ends_the_program),
		IN_FOLDER(test_new_file__a_signal_that_is_ignored_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
