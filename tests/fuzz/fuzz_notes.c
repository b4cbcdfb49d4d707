/* SPDX-License-Identifier: BSD-2-Clause */
/* Notes: the first two bytes are the machine, the rest is the one note segment of a core. */
#include <stdlib.h>
#include <string.h>

#include <pagewalk/image.h>

#include "fuzz/fuzz.h"
#include "image/mkelf.h"

#define MAX_SIZE ((size_t)64 << 10)
#define NOTES (MKELF_HEADER + MKELF_PH)

static size_t make_core(uint16_t machine, const struct fuzz_input *notes, uint8_t *core)
{
	struct mkelf elf;

	mkelf_init(&elf, machine);
	mkelf_build(&elf);
	mkelf_put(&elf, mkelf_ph(0) + 32, 8, notes->size);
	memcpy(core, elf.file, NOTES);
	if (notes->size)
		memcpy(core + NOTES, notes->data, notes->size);
	mkelf_fini(&elf);
	return NOTES + notes->size;
}

/* Texts are parts of the notes; where they are is not made up. */
static void check_texts(struct pgw_image *image, const uint8_t *core, size_t size)
{
	const struct pgw_vmcoreinfo *texts;
	const char *value;
	size_t nr, value_size;

	FUZZ_CHECK(pgw_image_vmcoreinfo(image, &texts, &nr) == 0);
	for (size_t i = 0; i < nr; i++) {
		FUZZ_CHECK(texts[i].source == PGW_VMCOREINFO_NOTE && texts[i].size > 0);
		FUZZ_CHECK(texts[i].offset >= NOTES && texts[i].size <= size - texts[i].offset);
		FUZZ_CHECK(memcmp(texts[i].text, core + texts[i].offset, texts[i].size) == 0);
		pgw_vmcoreinfo_get(&texts[i], "OSRELEASE", &value, &value_size);
	}
}

static void check_cpus(struct pgw_image *image, size_t size)
{
	unsigned nr = pgw_image_get_info(image)->nr_cpus;
	struct pgw_root_info root;
	struct pgw_cpu cpu;

	/* A note has at least a header and a name. */
	FUZZ_CHECK(nr <= size / 16);
	for (unsigned i = 0; i < nr && i < 16; i++) {
		FUZZ_CHECK(pgw_image_cpu(image, i, &cpu) == 0);
		/* There is no memory, but a register is a register. */
		if (pgw_image_cpu_root(image, i, &root) == 0)
			FUZZ_CHECK(cpu.known && root.format);
	}
	FUZZ_CHECK(pgw_image_cpu(image, nr, &cpu) == -PGW_EINVAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t core[NOTES + MAX_SIZE];
	struct fuzz_input input = { data, size };
	uint16_t machine = (uint16_t)fuzz_take(&input, 2);
	const struct pgw_root_info *roots;
	struct pgw_root_info root;
	struct pgw_image *image;
	struct pgw_error err;
	size_t nr;

	if (input.size > MAX_SIZE)
		return 0;
	size = make_core(machine, &input, core);
	if (pgw_image_open(fuzz_file(0, core, size), NULL, &image, &err)) {
		/* The headers are right: only what a note says can be wrong. */
		FUZZ_CHECK(err.has_offset && err.offset >= NOTES && err.expected);
		return 0;
	}
	check_texts(image, core, size);
	check_cpus(image, size);
	FUZZ_CHECK(pgw_image_roots(image, &roots, &nr) == 0);
	pgw_image_kernel_root(image, &root, NULL);
	pgw_image_close(image);
	return 0;
}
