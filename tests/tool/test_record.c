/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said once comes out as text and as JSON, each as it should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "report/record.h"

static struct out out;

static void write_all(struct record *record)
{
	static const char hostile[] = "a\"\\\n\xff";

	record_begin(record, "root");
	record_hex(record, "pa", 0x1234);
	record_str(record, "state", "mapped");
	record_str(record, "twin", NULL);
	record_bool(record, "cut", true);
	record_bool(record, "guess", false);
	record_untrusted(record, "name", hostile, strlen(hostile));
	record_list(record, "tables");
	for (unsigned level = 0; level < 2; level++) {
		record_item(record);
		record_dec(record, "level", level);
		record_size(record, "bytes", UINT64_C(2) << 20);
		record_item_end(record);
	}
	record_list_end(record);
	record_list(record, "leaves");
	record_list_end(record);
	record_end(record);
	record_begin(record, "nothing");
	record_end(record);
	record_begin_summary(record);
	record_dec(record, "roots", UINT64_MAX);
	record_end(record);
}

static void assert_written(bool is_json, const char *expected)
{
	FILE *file = tmpfile();
	struct record record;
	char text[1024];
	ssize_t size;

	assert_non_null(file);
	out_init(&out, fileno(file), false);
	record_init(&record, &out, is_json);
	write_all(&record);
	out_flush(&out);
	assert_false(out_failed(&out));
	size = pread(fileno(file), text, sizeof(text) - 1, 0);
	assert_true(size >= 0);
	text[size] = '\0';
	assert_string_equal(text, expected);
	fclose(file);
}

static void test_record__as_text(void **state)
{
	(void)state;
	assert_written(false, "root  pa=0x0000000000001234  state=mapped  twin=-  cut"
			      "  name=a\"\\\\x0a\\xff\n"
			      "  tables  level=0  bytes=2M\n"
			      "  tables  level=1  bytes=2M\n"
			      "nothing\n"
			      "#  roots=18446744073709551615\n");
}

static void test_record__as_json(void **state)
{
	(void)state;
	assert_written(true, "{\"record\":\"root\",\"pa\":\"0x0000000000001234\","
			     "\"state\":\"mapped\",\"twin\":null,\"cut\":true,\"guess\":false,"
			     "\"name\":\"a\\\"\\\\\\u000a\\u00ff\","
			     "\"tables\":[{\"level\":0,\"bytes\":2097152},"
			     "{\"level\":1,\"bytes\":2097152}],\"leaves\":[]}\n"
			     "{\"record\":\"nothing\"}\n"
			     "{\"summary\":{\"roots\":18446744073709551615}}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record__as_text),
		cmocka_unit_test(test_record__as_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
