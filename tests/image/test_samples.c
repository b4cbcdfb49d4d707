/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is the same for every kind of file: of one guest's memory, all say the same; one that is
 * cut, anywhere, has what is left of it and says that it was cut, or is refused by a line; one in
 * which bytes are wrong does no harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <pagewalk/hosted.h>
#include <pagewalk/image.h>
#include <pagewalk/mm.h>
#include <pagewalk/scan.h>

#include "common/arena.h"
#include "common/ways.h"
#include "image/machine.h"
#include "image/mkxen.h"
#include "image/same_image.h"
#include "image/samples.h"

#define PROCESS UINT64_C(0x20000)

/* A machine with a process, of which the notes tell; its memory is in three segments. */
static struct machine machine;

static int set_up(void **state)
{
	static const uint64_t ends[] = { 0, 0x30000, 0x31000, sizeof(machine.ram) };

	(void)state;
	machine_init(&machine, 4);
	machine_process(&machine, PROCESS);
	machine_cpu(&machine, PROCESS);
	machine_map(&machine, PROCESS, 0x400000, MACHINE_USER_PAGE, PTE_P | PTE_W | PTE_U);
	for (size_t i = 0; i < 3; i++)
		mkelf_segment(&machine.elf, ends[i], machine.ram + ends[i], ends[i + 1] - ends[i],
			      ends[i + 1] - ends[i]);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	machine_fini(&machine);
	return 0;
}

static struct pgw_image *open_sample(struct sample_file *file, const struct sample *sample,
				     const struct mkelf *elf)
{
	struct pgw_image *image = NULL;
	struct pgw_error err;
	char text[300];

	if (!sample->make(file, elf))
		return NULL;
	if (pgw_image_open(mkkdump_save(&file->bytes), NULL, &image, &err)) {
		pgw_error_format(&err, text, sizeof(text));
		fail_msg("%s: %s", sample->name, text);
	}
	assert_string_equal(pgw_image_get_info(image)->kind, sample->kind);
	assert_false(pgw_image_get_info(image)->truncated);
	return image;
}

/* The guest of the image that comes with the source: real tables, of 13 roots. */

struct guest {
	struct mkelf elf;
	struct pgw_image *image;
	uint8_t *memory;
	uint8_t *file;
};

/* Pages of it, which the makers need. */
static void guest_add_memory(struct guest *guest)
{
	const struct pgw_phys *phys = pgw_image_phys(guest->image);
	uint8_t *to = guest->memory = malloc(pgw_image_get_info(guest->image)->readable_bytes);
	uint64_t pa = 0, first, last;

	assert_non_null(to);
	for (; phys->ops->next_range(phys, pa, &first, &last); pa = last + 1) {
		uint64_t size = last - first + 1;

		assert_int_equal(pgw_phys_read(phys, first, to, size), 0);
		mkelf_segment(&guest->elf, first, to, size, size);
		to += size;
	}
}

static uint64_t number_at(const uint8_t *bytes, unsigned size)
{
	uint64_t value = 0;

	while (size--)
		value = value << 8 | bytes[size];
	return value;
}

/* The notes are the first program header of a core that trim wrote. */
static void guest_add_notes(struct guest *guest, const char *path)
{
	FILE *from = fopen(path, "rb");
	uint8_t headers[120];
	uint64_t offset, size;

	assert_non_null(from);
	assert_int_equal(fread(headers, 1, sizeof(headers), from), sizeof(headers));
	assert_int_equal(number_at(headers + 64, 4), 4);
	offset = number_at(headers + 64 + 8, 8);
	size = number_at(headers + 64 + 32, 8);
	guest->elf.notes = malloc(size);
	assert_non_null(guest->elf.notes);
	assert_int_equal(fseek(from, (long)offset, SEEK_SET), 0);
	assert_int_equal(fread(guest->elf.notes, 1, size, from), size);
	guest->elf.notes_size = guest->elf.notes_capacity = size;
	fclose(from);
}

static void guest_init(struct guest *guest)
{
	const char *root = getenv("PGW_SOURCE_ROOT");
	char path[4096];

	snprintf(path, sizeof(path), "%s/tests/data/x86_64-la48-pti.small.elf", root ? root : ".");
	memset(guest, 0, sizeof(*guest));
	assert_int_equal(pgw_image_open(path, NULL, &guest->image, NULL), 0);
	mkelf_init(&guest->elf, MKELF_X86_64);
	guest_add_memory(guest);
	guest_add_notes(guest, path);
}

static void guest_fini(struct guest *guest)
{
	pgw_image_close(guest->image);
	mkelf_fini(&guest->elf);
	free(guest->memory);
}

/* Where the leaves of a root are: what translations are asked for. */
struct asking {
	struct pgw_mm *mm[2];
	struct pgw_translate_cursor cursor[2];
	uint64_t nr, nr_mapped;
};

static void same_translation(struct asking *asking, uint64_t va)
{
	struct pgw_translation answers[2];

	for (int i = 0; i < 2; i++)
		assert_true(ways_agree(asking->mm[i], &asking->cursor[i], va, &answers[i]));
	assert_int_equal(answers[0].kind, answers[1].kind);
	assert_int_equal(answers[0].pa, answers[1].pa);
	assert_int_equal(answers[0].entry, answers[1].entry);
	assert_int_equal(answers[0].level, answers[1].level);
	asking->nr++;
	asking->nr_mapped += answers[0].kind == PGW_ENTRY_LEAF;
}

/* Every 61st page or so, and what is beside it. */
static int ask(const struct pgw_extent *extent, void *arg)
{
	uint64_t step = (extent->va_last - extent->va_first) / 3 | 0xfff;

	for (uint64_t va = extent->va_first; va <= extent->va_last; va += step) {
		same_translation(arg, va);
		if (extent->va_last - va < step)
			break;
	}
	return 0;
}

static void same_translations(struct pgw_image *a, const struct pgw_root_info *of_a,
			      struct pgw_image *b, const struct pgw_root_info *of_b,
			      struct asking *asking)
{
	for (enum pgw_region_kind kind = 0; kind < _PGW_REGION_MAX; kind++) {
		uint64_t first, last;
		int status = 0;

		pgw_format_region_range(of_a->format, kind, &first, &last);
		if (first > last)
			continue;
		for (int i = 0; i < 2 && !status; i++) {
			const struct pgw_root_info *root = i ? of_b : of_a;
			struct pgw_mm_attach_args args = {
				.platform = pgw_hosted_platform(),
				.format = root->format,
				.phys = pgw_image_phys(i ? b : a),
				.root = root->root,
				.region = kind,
				.control = root->control,
			};

			status = pgw_mm_attach(&args, &asking->mm[i]);
		}
		/* A root of one half. */
		if (status)
			continue;
		for (int i = 0; i < 2; i++)
			assert_int_equal(
				pgw_translate_cursor_init(&asking->cursor[i], asking->mm[i]), 0);
		assert_int_equal(pgw_scan_extents(asking->mm[0], first, last, ask, asking), 0);
		pgw_mm_free(asking->mm[0]);
		pgw_mm_free(asking->mm[1]);
	}
}

/* Without notes, no CPU is known to run on a root, which says nothing else of the root. */
static void same_roots(struct pgw_image *a, struct pgw_image *b, bool lacks_notes)
{
	const struct pgw_root_info *roots[2];
	struct asking asking = { .nr = 0 };
	size_t nr[2];

	assert_int_equal(pgw_image_roots(a, &roots[0], &nr[0]), 0);
	assert_int_equal(pgw_image_roots(b, &roots[1], &nr[1]), 0);
	assert_int_equal(nr[0], nr[1]);
	assert_true(nr[0] >= 2);
	for (size_t i = 0; i < nr[0]; i++) {
		struct leaves leaves[2] = { leaves_of(a, &roots[0][i]),
					    leaves_of(b, &roots[1][i]) };

		assert_int_equal(roots[0][i].root.pa, roots[1][i].root.pa);
		assert_ptr_equal(roots[0][i].format, roots[1][i].format);
		if (!lacks_notes)
			assert_int_equal(roots[0][i].state, roots[1][i].state);
		assert_int_equal(leaves[0].nr, leaves[1].nr);
		assert_int_equal(leaves[0].hash, leaves[1].hash);
		same_translations(a, &roots[0][i], b, &roots[1][i], &asking);
	}
	assert_true(asking.nr_mapped > 10);
}

static void same_guest(const struct guest *guest, const struct sample *sample)
{
	struct sample_file file = { .nr_marks = 0 };
	struct pgw_image *image = open_sample(&file, sample, &guest->elf);

	if (image) {
		same_memory(guest->image, image);
		same_roots(guest->image, image, sample->lacks_notes);
		pgw_image_close(image);
	}
	sample_fini(&file);
}

static void test_samples__of_one_guest_say_the_same(void **state)
{
	struct guest guest;

	(void)state;
	guest_init(&guest);
	for (size_t i = 0; i < nr_samples; i++)
		if (!samples[i].needs_all)
			same_guest(&guest, &samples[i]);
	guest_fini(&guest);
}

/* The same, written by the library from each kind to each form. */

static int sink_write(const void *bytes, size_t size, void *arg)
{
	struct mkkdump *sink = arg;

	sink->file = realloc(sink->file, sink->size + size);
	assert_non_null(sink->file);
	memcpy(sink->file + sink->size, bytes, size);
	sink->size += size;
	return 0;
}

static void check_written(const struct guest *guest, struct pgw_image *from, const char *name,
			  enum pgw_image_form form, struct mkkdump *expected)
{
	struct mkkdump written = { .size = 0 };
	const struct pgw_image_writing what = { .form = form, .fn = sink_write, .arg = &written };
	struct pgw_image *image;

	assert_int_equal(pgw_image_write(from, &what), 0);
	if (form != PGW_IMAGE_RAW) {
		assert_int_equal(pgw_image_open(mkkdump_save(&written), NULL, &image, NULL), 0);
		assert_false(pgw_image_get_info(image)->truncated);
		same_memory(guest->image, image);
		same_roots(guest->image, image, form == PGW_IMAGE_LIME);
		pgw_image_close(image);
	}
	/* From all that have notes comes the same core, and from all the same of the others. */
	if (!expected->size) {
		*expected = written;
		return;
	}
	if (written.size != expected->size ||
	    memcmp(written.file, expected->file, written.size) != 0)
		fail_msg("%s: form %d differs", name, form);
	mkkdump_fini(&written);
}

static void test_samples__are_written_the_same_in_each_form(void **state)
{
	struct mkkdump expected[_PGW_IMAGE_FORM_MAX] = { { .size = 0 } };
	struct guest guest;

	(void)state;
	guest_init(&guest);
	for (size_t i = 0; i < nr_samples; i++) {
		struct sample_file file = { .nr_marks = 0 };
		struct pgw_image *image =
			samples[i].needs_all ? NULL : open_sample(&file, &samples[i], &guest.elf);

		for (enum pgw_image_form form = 0; image && form < _PGW_IMAGE_FORM_MAX; form++) {
			if (form != PGW_IMAGE_ELF_CORE || !samples[i].lacks_notes)
				check_written(&guest, image, samples[i].name, form,
					      &expected[form]);
		}
		pgw_image_close(image);
		sample_fini(&file);
	}
	for (enum pgw_image_form form = 0; form < _PGW_IMAGE_FORM_MAX; form++)
		mkkdump_fini(&expected[form]);
	guest_fini(&guest);
}

/* What a kind of file says of CPUs in a way of its own becomes notes of a core. */
static void test_samples__registers_become_notes(void **state)
{
	static const struct mkxen_cpu cpus[] = { { 0x80050033, 0, PROCESS, 0x3506b0 },
						 { 0x80050033, 0, MACHINE_SWAPPER, 0x6b0 } };
	struct mkxen_page pages[MACHINE_PAGES];
	struct mkxen xen = {
		.pages = pages, .nr_pages = MACHINE_PAGES, .cpus = cpus, .nr_cpus = 2
	};
	struct mkkdump written = { .size = 0 };
	const struct pgw_image_writing what = { .fn = sink_write, .arg = &written };
	struct pgw_image *images[2];

	(void)state;
	for (uint64_t i = 0; i < MACHINE_PAGES; i++)
		pages[i] = (struct mkxen_page){ i, 0, machine.ram + i * MACHINE_PAGE };
	mkxen_build(&xen);
	assert_int_equal(pgw_image_open(mkxen_save(&xen), NULL, &images[0], NULL), 0);
	assert_int_equal(pgw_image_write(images[0], &what), 0);
	assert_int_equal(pgw_image_open(mkkdump_save(&written), NULL, &images[1], NULL), 0);
	assert_int_equal(pgw_image_get_info(images[1])->nr_cpus, 2);
	for (unsigned i = 0; i < 2; i++) {
		struct pgw_cpu from, to;

		assert_int_equal(pgw_image_cpu(images[0], i, &from), 0);
		assert_int_equal(pgw_image_cpu(images[1], i, &to), 0);
		assert_int_equal(to.known, PGW_CPU_X86_CR);
		assert_int_equal(to.cr0, from.cr0);
		assert_int_equal(to.cr3, cpus[i].cr3);
		assert_int_equal(to.cr4, cpus[i].cr4);
		assert_int_equal(to.idt_base, from.idt_base);
		assert_int_equal(to.cs_flags, from.cs_flags);
	}
	same_image(images[0], images[1]);
	pgw_image_close(images[0]);
	pgw_image_close(images[1]);
	mkkdump_fini(&written);
	mkxen_fini(&xen);
}

/* Cuts. */

static bool is_silent(const struct sample_file *file, uint64_t size)
{
	for (size_t i = 0; i < file->nr_silent; i++) {
		if (file->silent[i] == size)
			return true;
	}
	return false;
}

/* Of a packed dump, that a page is cut may show only when it is read. */
static uint64_t check_pages(const struct pgw_phys *phys, uint64_t first, uint64_t last,
			    bool has_drafts)
{
	uint64_t nr = 0;

	for (uint64_t pa = first; pa <= last; pa += 4096) {
		size_t size = last - pa < 4096 ? (size_t)(last - pa) + 1 : 4096;
		uint8_t bytes[4096];

		if (pgw_phys_read(phys, pa, bytes, size))
			continue;
		if (!has_drafts)
			assert_memory_equal(bytes, machine.ram + pa, size);
		nr += size;
	}
	return nr;
}

/* What can be read is what was there. */
static uint64_t check_bytes(const struct pgw_image *image, bool has_drafts)
{
	const struct pgw_phys *phys = pgw_image_phys(image);
	uint64_t pa = 0, first, last, nr = 0;

	for (; phys->ops->next_range(phys, pa, &first, &last); pa = last + 1) {
		assert_true(last < sizeof(machine.ram));
		nr += check_pages(phys, first, last, has_drafts);
	}
	return nr;
}

static void check_cut(const struct sample *sample, struct sample_file *file, uint64_t size)
{
	uint64_t whole = file->bytes.size;
	struct pgw_image *image = NULL;
	struct pgw_error err = { 0 };
	uint64_t nr;
	int status;

	if (size >= whole)
		return;
	file->bytes.size = size;
	status = pgw_image_open(mkkdump_save(&file->bytes), NULL, &image, &err);
	file->bytes.size = whole;
	if (status) {
		/* One line, that says what is wrong. */
		if ((!err.expected && !err.kind) || image)
			fail_msg("%s, cut at %#llx: nothing is said (status %d)", sample->name,
				 (unsigned long long)size, status);
		return;
	}
	nr = check_bytes(image, sample->has_drafts);
	if (!pgw_image_get_info(image)->truncated && !is_silent(file, size) &&
	    nr < sizeof(machine.ram))
		fail_msg("%s, cut at %#llx: it is not said", sample->name,
			 (unsigned long long)size);
	pgw_image_close(image);
}

static void check_around(const struct sample *sample, struct sample_file *file, uint64_t offset)
{
	for (uint64_t size = offset ? offset - 1 : 0; size <= offset + 1; size++)
		check_cut(sample, file, size);
}

static void check_cuts(const struct sample *sample, uint64_t *seed)
{
	struct sample_file file = { .nr_marks = 0 };

	if (!sample->make(&file, &machine.elf)) {
		sample_fini(&file);
		return;
	}
	for (size_t i = 0; i < file.nr_marks; i++)
		check_around(sample, &file, file.marks[i]);
	for (uint64_t offset = 0; offset < 0x480; offset += 8)
		check_around(sample, &file, offset);
	for (uint64_t offset = 0; offset < file.bytes.size; offset += 0x8000)
		check_around(sample, &file, offset);
	for (unsigned i = 0; i < 50; i++)
		check_cut(sample, &file, test_random(seed) % file.bytes.size);
	check_around(sample, &file, file.bytes.size - 1);
	sample_fini(&file);
}

static void test_samples__a_cut_anywhere_is_said(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	for (size_t i = 0; i < nr_samples; i++)
		check_cuts(&samples[i], &seed);
}

/* Wrong bytes. */

static void use(struct pgw_image *image)
{
	const struct pgw_phys *phys = pgw_image_phys(image);
	const struct pgw_root_info *roots;
	uint64_t pa = 0, first, last;
	struct pgw_root_info root;
	uint8_t bytes[8];
	size_t nr;

	for (unsigned i = 0; i < 100 && phys->ops->next_range(phys, pa, &first, &last);
	     i++, pa = last + 1) {
		assert_true(first <= last && last >= pa && last < UINT64_MAX);
		pgw_phys_read(phys, first, bytes, 1);
		pgw_phys_read(phys, last, bytes, 1);
		assert_int_equal(pgw_phys_read(phys, last, bytes, sizeof(bytes)), -PGW_EIO);
	}
	pgw_image_kernel_root(image, &root, NULL);
	assert_int_equal(pgw_image_roots(image, &roots, &nr), 0);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Headers are small, so half of the flips go there. */
static uint64_t flip_at(const struct sample_file *file, uint64_t *seed)
{
	uint64_t random = test_random(seed);

	return (random & 1 ? random >> 1 : (random >> 1) % 0x4000) % file->bytes.size;
}

static unsigned check_flips(const struct sample *sample, uint64_t *seed, double until)
{
	struct sample_file file = { .nr_marks = 0 };
	unsigned nr = 0;

	if (sample->make(&file, &machine.elf)) {
		for (; nr < 300 && seconds() < until; nr++) {
			uint64_t at = flip_at(&file, seed);
			uint8_t was = file.bytes.file[at];
			struct pgw_image *image = NULL;
			struct pgw_error err = { 0 };

			file.bytes.file[at] = (uint8_t)test_random(seed);
			if (pgw_image_open(mkkdump_save(&file.bytes), NULL, &image, &err) == 0)
				use(image);
			else
				assert_true(err.expected || err.kind);
			pgw_image_close(image);
			file.bytes.file[at] = was;
		}
	}
	sample_fini(&file);
	return nr;
}

static void test_samples__wrong_bytes_do_no_harm(void **state)
{
	uint64_t seed = test_seed();
	double each = 1.0;

	(void)state;
	for (size_t i = 0; i < nr_samples; i++) {
		unsigned nr = check_flips(&samples[i], &seed, seconds() + each);

		print_message("# %s: %u bytes\n", samples[i].name, nr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples__of_one_guest_say_the_same),
		cmocka_unit_test(test_samples__are_written_the_same_in_each_form),
		cmocka_unit_test(test_samples__registers_become_notes),
		cmocka_unit_test(test_samples__a_cut_anywhere_is_said),
		cmocka_unit_test(test_samples__wrong_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
