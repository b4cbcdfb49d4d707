/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "report/html.h"

#define BYTES(text) (text), sizeof(text) - 1

static void expect_text(const char *bytes, size_t len, const char *html, const char *json)
{
	struct html written;

	assert_true(html_begin(&written));
	html_text(written.to, bytes, len);
	assert_true(html_done(&written));
	assert_string_equal(written.bytes, html);
	html_free(&written);
	assert_true(html_begin(&written));
	html_string(written.to, bytes, len);
	assert_true(html_done(&written));
	assert_string_equal(written.bytes, json);
	html_free(&written);
}

static void test_html_text__markup_is_text(void **state)
{
	(void)state;
	expect_text(BYTES("a<b>&\"'"), "a&#60;b&#62;&#38;&#34;&#39;",
		    "\"a\\u003cb\\u003e\\u0026\\u0022\\u0027\"");
	expect_text(BYTES("</script><!--"), "&#60;/script&#62;&#60;!--",
		    "\"\\u003c/script\\u003e\\u003c!--\"");
	expect_text(BYTES("a\\b"), "a\\b", "\"a\\u005cb\"");
	expect_text(BYTES(""), "", "\"\"");
}

static void test_html_text__utf8_stays(void **state)
{
	(void)state;
	expect_text(BYTES("\xc3\xa9\xe2\x82\xac"), "\xc3\xa9\xe2\x82\xac", "\"\\u00e9\\u20ac\"");
	expect_text(BYTES("\xf0\x9f\x90\x9e"), "\xf0\x9f\x90\x9e", "\"\\ud83d\\udc1e\"");
}

/* What RFC 3629 has not: alone, cut, longer than need be, surrogates, past the last one. */
static void test_html_text__what_is_no_utf8_is_shown(void **state)
{
	(void)state;
	expect_text(BYTES("\x80z"), "\\x80z", "\"\\\\x80z\"");
	expect_text(BYTES("\xc3"), "\\xc3", "\"\\\\xc3\"");
	expect_text(BYTES("\xc0\xaf"), "\\xc0\\xaf", "\"\\\\xc0\\\\xaf\"");
	expect_text(BYTES("\xed\xa0\x80"), "\\xed\\xa0\\x80", "\"\\\\xed\\\\xa0\\\\x80\"");
	expect_text(BYTES("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80",
		    "\"\\\\xf4\\\\x90\\\\x80\\\\x80\"");
	expect_text(BYTES("\xff"), "\\xff", "\"\\\\xff\"");
}

/* C0, DEL, C1; line separators; directions; what has no width; tags; no character. */
static void test_html_text__what_is_not_seen_is_shown(void **state)
{
	static const char *const hidden[] = {
		"\x01",         "\n",           "\x1b",         "\x7f",
		"\xc2\x85",     "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xae",
		"\xe2\x81\xa6", "\xe2\x80\x8b", "\xef\xbb\xbf", "\xf3\xa0\x80\x81",
		"\xef\xbf\xbe", "\xd8\x9c",     "\xc2\xad",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		char html[32] = "", json[48] = "\"";

		for (const char *c = hidden[i]; *c; c++) {
			sprintf(html + strlen(html), "\\x%02x", (unsigned char)*c);
			sprintf(json + strlen(json), "\\\\x%02x", (unsigned char)*c);
		}
		strcat(json, "\"");
		expect_text(hidden[i], strlen(hidden[i]), html, json);
	}
	expect_text(BYTES("\0"), "\\x00", "\"\\\\x00\"");
}

static void test_html_base64__is_rfc_4648s(void **state)
{
	static const char *const expected[] = { "",         "Zg==",     "Zm8=",    "Zm9v",
						"Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };

	(void)state;
	for (size_t len = 0; len < sizeof(expected) / sizeof(expected[0]); len++) {
		struct html html;

		assert_true(html_begin(&html));
		html_base64(html.to, (const uint8_t *)"foobar", len);
		assert_true(html_done(&html));
		assert_string_equal(html.bytes, expected[len]);
		html_free(&html);
	}
}

static void test_html_table__shows_its_first_rows_and_has_all(void **state)
{
	static const struct html_about columns = {
		.id = "t",
		.caption = "T",
		.max_shown = 1,
		.columns = { { "name", "Name", HTML_NAME },
			     { "at", "At", HTML_ADDRESS },
			     { "size", "Size", HTML_BYTES } },
	};
	struct html_table table;
	struct html html;

	(void)state;
	assert_true(html_begin(&html));
	assert_true(html_table_begin(&table, html.to, &columns));
	html_row(&table);
	html_cell_text(&table, "<a>");
	html_cell(&table, 16);
	html_cell(&table, UINT64_MAX);
	html_row_end(&table);
	html_row(&table);
	html_cell_text(&table, "second");
	html_cell_none(&table);
	html_cell(&table, 1536);
	html_row_end(&table);
	assert_true(html_table_end(&table));
	assert_true(html_done(&html));
	assert_non_null(strstr(html.bytes, "<bdi>&#60;a&#62;</bdi>"));
	assert_null(strstr(html.bytes, "<bdi>second"));
	assert_non_null(strstr(html.bytes, "first 1 rows of 2"));
	assert_non_null(strstr(html.bytes,
			       "\"rows\":[\n[\"\\u003ca\\u003e\",\"0x0000000000000010\","
			       "\"18446744073709551615\"],\n[\"second\",null,1536]]}</script>"));
	assert_non_null(strstr(html.bytes, "<data value=\"18446744073709551615\">16.0&#160;EiB"));
	html_free(&html);
}

static void test_html_size__has_three_digits_and_halves_go_up(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, ">0&#160;B<" },
		{ 999, ">999&#160;B<" },
		{ 1000, ">0.98&#160;KiB<" },
		{ 4096, ">4.00&#160;KiB<" },
		{ UINT64_C(1664) << 10, ">1.63&#160;MiB<" }, /* 1.625 */
		{ UINT64_C(10) << 20, ">10.0&#160;MiB<" },
		{ UINT64_C(999) << 20, ">999&#160;MiB<" },
		{ UINT64_MAX, ">16.0&#160;EiB<" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct html html;

		assert_true(html_begin(&html));
		html_size(html.to, cases[i].bytes);
		assert_true(html_done(&html));
		assert_non_null(strstr(html.bytes, cases[i].text));
		html_free(&html);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_html_text__markup_is_text),
		cmocka_unit_test(test_html_text__utf8_stays),
		cmocka_unit_test(test_html_text__what_is_no_utf8_is_shown),
		cmocka_unit_test(test_html_text__what_is_not_seen_is_shown),
		cmocka_unit_test(test_html_size__has_three_digits_and_halves_go_up),
		cmocka_unit_test(test_html_base64__is_rfc_4648s),
		cmocka_unit_test(test_html_table__shows_its_first_rows_and_has_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
