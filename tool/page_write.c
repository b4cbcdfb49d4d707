/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <string.h>

#include "page.h"
#include "page_embedded.h"

/* What stands in the page, in the order of enum page_part. */
static const struct section {
	const char *id, *title, *about;
} sections[PAGE_DATA] = {
	[PAGE_MAP] = { "map", "Address space",
		       "What each address may be used for. Rows of equal neighbours are one "
		       "range." },
	[PAGE_SIZES] = { "sizes", "Page sizes",
			 "How much of what is mapped is mapped by pages of each size, as "
			 "<code>pagewalk stats</code> counts it." },
	[PAGE_AUDIT] = { "findings", "Audit",
			 "What should not be in page tables, as <code>pagewalk audit</code> finds "
			 "it." },
	[PAGE_RANGES] = { "ranges", "Ranges",
			  "What is mapped, as <code>pagewalk dump</code> prints it." },
	[PAGE_PROCESSES] = { "processes", "Processes", "As <code>pagewalk ps</code> lists them." },
	[PAGE_DEVICES] = { "devices", "Devices", "As <code>pagewalk devices</code> lists them." },
	[PAGE_ROOTS] = { "roots", "Roots",
			 "Where translation starts, as <code>pagewalk roots</code> lists it." },
};

/* KEY=VALUE, a line of VMCOREINFO. */
static bool vmcoreinfo_value(const struct pgw_vmcoreinfo *info, const char *key, const char **ret,
			     size_t *ret_len)
{
	size_t len = strlen(key);
	const char *line = info->text, *end = info->text + info->size;

	while (line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *stop = newline ? newline : end;

		if ((size_t)(stop - line) > len && memcmp(line, key, len) == 0) {
			*ret = line + len;
			*ret_len = (size_t)(stop - line) - len;
			return true;
		}
		line = stop + 1;
	}
	return false;
}

static void write_machine(const struct page *page, FILE *to)
{
	const struct pgw_image_info *info = pgw_image_get_info(page->target->image);
	const struct pgw_kernel *kernels;
	const char *release;
	size_t nr = 0, len;
	bool is_all;

	fputs("<p class=\"machine\">", to);
	if (!pgw_image_kernels_known(page->target->image, &kernels, &nr, &is_all) && nr &&
	    kernels[0].vmcoreinfo &&
	    vmcoreinfo_value(kernels[0].vmcoreinfo, "OSRELEASE=", &release, &len)) {
		fputs("<span>Linux <bdi>", to);
		html_text(to, release, len);
		fputs("</bdi></span> ", to);
	}
	if (nr)
		fprintf(to, "<span>%s</span> ", pgw_format_name(kernels[0].root.format));
	else if (info->arch)
		fprintf(to, "<span>%s</span> ", info->arch);
	if (info->nr_cpus)
		fprintf(to, "<span>%u CPU%s</span> ", info->nr_cpus, info->nr_cpus == 1 ? "" : "s");
	fputs("<span>", to);
	html_size(to, info->readable_bytes);
	fprintf(to, " of memory</span> <span>%s</span></p>\n", info->kind);
}

static void tile(FILE *to, const char *id, const char *label, const char *href)
{
	fprintf(to, "<a class=\"tile\" id=\"tile-%s\" href=\"#%s\"><span>%s</span><b>", id, href,
		label);
}

static void tile_findings(const struct page *page, FILE *to)
{
	static const char *const signs[] = { [PGW_AUDIT_ERROR] = "&#9650;",
					     [PGW_AUDIT_WARNING] = "&#9670;",
					     [PGW_AUDIT_NOTE] = "&#9679;" };

	tile(to, "findings", "Findings", "findings");
	for (int level = PGW_AUDIT_ERROR; level >= 0; level--)
		fprintf(to,
			"<span class=\"level %s\"><i aria-hidden=\"true\">%s</i> <data "
			"value=\"%" PRIu64 "\">%" PRIu64
			"</data><span class=\"hidden\"> %ss </span></span> ",
			report_audit_level((enum pgw_audit_level)level), signs[level],
			page->nr_levels[level], page->nr_levels[level],
			report_audit_level((enum pgw_audit_level)level));
	fprintf(to, "</b><small>errors, warnings, notes; %" PRIu64 " unchecked</small></a>\n",
		page->nr_unchecked);
}

static void tile_number(FILE *to, uint64_t value)
{
	fprintf(to, "<data value=\"%" PRIu64 "\">", value);
	html_number(to, value);
	fputs("</data></b>", to);
}

static void write_tiles(const struct page *page, FILE *to)
{
	fputs("<div class=\"tiles\">\n", to);
	tile(to, "mapped", "Mapped", "map");
	html_size(to, page->mapped_bytes);
	fputs("</b><small>in the first address space</small></a>\n", to);
	tile(to, "ranges", "Ranges", "ranges");
	tile_number(to, page->nr_ranges);
	fprintf(to, "<small>in %" PRIu64 " address space%s</small></a>\n", page->nr_spaces,
		page->nr_spaces == 1 ? "" : "s");
	tile_findings(page, to);
	tile(to, "tables", "Page tables", "sizes");
	tile_number(to, page->nr_tables);
	fputs("<small>", to);
	html_size(to, page->table_bytes);
	fprintf(to, " under %zu root%s</small></a>\n", page->nr_roots,
		page->nr_roots == 1 ? "" : "s");
	tile(to, "processes", "Processes", "processes");
	if (page->tasks) {
		tile_number(to, page->nr_processes);
		fprintf(to, "<small>%" PRIu64 " threads</small></a>\n", page->nr_threads);
	} else {
		fputs("&#8211;</b><small>not known</small></a>\n", to);
	}
	tile(to, "devices", "Devices", "devices");
	if (page->has_devices) {
		tile_number(to, page->nr_devices);
		fprintf(to, "<small>%" PRIu64 " virtual machines</small></a>\n", page->nr_vms);
	} else {
		fputs("&#8211;</b><small>not looked for</small></a>\n", to);
	}
	fputs("</div>\n", to);
}

/*
 * Nothing but the script and the style that are known by their hashes runs or is used, and nothing
 * is asked for anywhere (Content Security Policy Level 3).
 */
static void write_head(const struct page *page, FILE *to)
{
	const char *file = page->target->file;
	const char *slash = strrchr(file, '/');

	fprintf(to,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"script-src 'sha256-%s'; style-src 'sha256-%s'; base-uri 'none'; "
		"form-action 'none'\">\n"
		"<meta name=\"referrer\" content=\"no-referrer\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n"
		"<meta name=\"generator\" content=\"pagewalk " PGW_VERSION "\">\n<title>",
		page_script_hash, page_style_hash);
	html_text(to, slash ? slash + 1 : file, strlen(slash ? slash + 1 : file));
	fputs(" - pagewalk</title>\n<style>", to);
	fwrite(page_style, 1, page_style_size, to);
	fputs("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">To the content</a>\n"
	      "<header>\n<h1><small>pagewalk report</small> <bdi>",
	      to);
	html_text(to, slash ? slash + 1 : file, strlen(slash ? slash + 1 : file));
	fputs("</bdi></h1>\n", to);
	write_machine(page, to);
	fputs("</header>\n<nav aria-label=\"Parts of this page\">", to);
	for (int part = 0; part < PAGE_DATA; part++)
		fprintf(to, "<a href=\"#%s\">%s</a>", sections[part].id, sections[part].title);
	fputs("</nav>\n<main id=\"main\">\n", to);
}

static void write_warnings(const struct page *page, FILE *to)
{
	const struct pgw_image_info *info = pgw_image_get_info(page->target->image);

	if (info->truncated)
		page_note(to,
			  "The file is cut short or damaged: what is missing in it is missing here",
			  NULL);
	if (report_is_guess(page->target->image))
		page_note(to, "Where some of the memory is, is a guess", NULL);
	if (!page->nr_roots)
		page_note(to, "No page-table root was found in the image", NULL);
	else if (page->is_cut)
		page_note(to,
			  "Not all could be looked at, or something does not hold together: the "
			  "parts say what",
			  NULL);
	fputs("<noscript><p class=\"notice\">Without its script this page shows the first rows of "
	      "its "
	      "tables; the map, searching, sorting and the other rows need it. It asks nothing of "
	      "any "
	      "network.</p></noscript>\n",
	      to);
}

static int put_html(const struct html *html, int (*put)(const void *bytes, size_t size, void *arg),
		    void *arg)
{
	return put(html->bytes, html->size, arg);
}

/* What stands around the parts is small; they are not copied. */
static int put_text(const struct page *page, void (*write)(const struct page *page, FILE *to),
		    int (*put)(const void *bytes, size_t size, void *arg), void *arg)
{
	struct html html;
	int err = -PGW_ENOMEM;

	if (html_begin(&html)) {
		write(page, html.to);
		if (html_done(&html))
			err = put_html(&html, put, arg);
	}
	html_free(&html);
	return err;
}

static void write_top(const struct page *page, FILE *to)
{
	write_head(page, to);
	write_tiles(page, to);
	write_warnings(page, to);
}

static void write_end(const struct page *page, FILE *to)
{
	(void)page;
	fputs("<script>", to);
	fwrite(page_script, 1, page_script_size, to);
	fputs("</script>\n</body>\n</html>\n", to);
}

static int put_section(const struct page *page, enum page_part part,
		       int (*put)(const void *bytes, size_t size, void *arg), void *arg)
{
	static const char end[] = "</section>\n";
	char begin[512];
	int len = snprintf(begin, sizeof(begin),
			   "<section id=\"%s\" aria-labelledby=\"h-%s\">\n<h2 id=\"h-%s\">%s</h2>\n"
			   "<p class=\"about\">%s</p>\n",
			   sections[part].id, sections[part].id, sections[part].id,
			   sections[part].title, sections[part].about);
	int err = put(begin, (size_t)len, arg);

	if (!err)
		err = put_html(&page->part[part], put, arg);
	return err ? err : put(end, sizeof(end) - 1, arg);
}

int page_write(const struct page *page, int (*put)(const void *bytes, size_t size, void *arg),
	       void *arg)
{
	static const char footer[] = "</main>\n<footer>Made by pagewalk " PGW_VERSION
				     ". This page asks nothing of any network.</footer>\n";
	int err = put_text(page, write_top, put, arg);

	for (enum page_part part = 0; part < PAGE_DATA && !err; part++)
		err = put_section(page, part, put, arg);
	if (!err)
		err = put(footer, sizeof(footer) - 1, arg);
	if (!err)
		err = put_html(&page->part[PAGE_DATA], put, arg);
	return err ? err : put_text(page, write_end, put, arg);
}
