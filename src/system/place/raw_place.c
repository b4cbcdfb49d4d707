/* SPDX-License-Identifier: BSD-2-Clause */
#include "system/place/place.h"

#include "base/bits.h"
#include "system/roots/root.h"

/*
 * Finds the physical address of each part of a raw file. The kernel's root maps itself, which
 * proves the address of the bytes around it. The kernel's direct map says which addresses are
 * memory, and the size of the file then says where the holes are. Each layout that this allows is
 * checked as a whole: every table that the layout makes reachable must read as a table.
 */

/*
 * A machine that ran while it was dumped leaves some tables that read as none. If more than one in
 * so many is bad, the layout is wrong.
 */
#define BAD_SHARE 8

/* If the direct map's tables cannot be found, holes are tried at multiples of this. */
#define HOLE_STEP (UINT64_C(64) << 20)

/*
 * Bounds the table visits of all looks at direct maps: so many, and one more for each BYTES_A_VISIT
 * of the file, because memory that is mapped in small pages takes more tables.
 */
#define TABLES_BUDGET (UINT64_C(1) << 20)
#define BYTES_A_VISIT (UINT64_C(1) << 18)

struct place_search {
	struct pgw_image *file; /* surveyed; its addresses are offsets in the file */
	uint64_t size;          /* of its memory, with what of it cannot be read */
	const struct image_arch *arch;
	uint64_t shift;       /* add it to an offset near the kernel to get the address */
	uint64_t tables_left; /* visits that looks at direct maps may still make */
	uint64_t search_left; /* as in struct pgw_image, for all judgements together */
	struct image_direct_map direct;
	struct image_guesses guesses;
};

/* What a check of a layout found out. */
struct verdict {
	bool is_possible;
	bool is_proved;
	bool is_complete; /* no table of the kernel is missing */
	bool is_accounted;
	unsigned nr_good; /* good tables in pieces other than the kernel's */
	unsigned roundness;
};

static struct image_layout one_piece(uint64_t pa, uint64_t size)
{
	return (struct image_layout){ .piece = { { .pa = pa, .size = size } }, .nr = 1 };
}

static bool proves_itself(struct pgw_image *view, struct image_swapper *ret)
{
	return image_kernel_best(view, ret) && ret->root.proof == PGW_PROOF_PASSED;
}

/* @return 1 if the kernel proves itself when the file begins there, 0 or negative */
static int shift_try(struct place_search *search, uint64_t shift)
{
	struct image_layout layout = one_piece(shift, search->size);
	struct image_swapper kernel;
	struct pgw_image view;
	uint64_t end;
	int status;

	if (add_overflows(shift, search->size, &end))
		return 0;
	status = image_view_init(&view, search->file, search->arch, &layout);
	if (status)
		return status;
	status = proves_itself(&view, &kernel);
	if (status) {
		image_direct_map_find(&view, &kernel, &search->tables_left, &search->direct);
		search->shift = shift;
	}
	image_view_fini(&view);
	return status;
}

/*
 * A text gives the root's address, but not where in the file it is: try each page that may be a
 * root. The view is of one piece; this moves it.
 */
static bool shift_by_claim(const struct place_search *search, struct pgw_image *view,
			   const struct image_swapper *claim, uint64_t *ret)
{
	const struct image_pages *offsets =
		&search->file->surveys[search->arch->id].pages[IMAGE_PAGE_ROOT];
	uint64_t end;

	for (size_t i = 0; i < offsets->nr && image_search_spend(view, 1); i++) {
		uint64_t shift = claim->root.root.pa - offsets->pa[i];

		if (offsets->pa[i] > claim->root.root.pa ||
		    add_overflows(shift, search->size, &end))
			continue;
		source_move(&view->source, shift);
		if (image_root_prove(view, claim, &claim->root) == PGW_PROOF_PASSED) {
			*ret = shift;
			return true;
		}
	}
	return false;
}

static int shift_by_texts(struct place_search *search)
{
	struct image_layout layout = one_piece(0, search->size);
	struct image_swapper claim;
	struct pgw_image view;
	int status = image_view_init(&view, search->file, search->arch, &layout);
	uint64_t shift = 0;
	bool is_found = false;

	if (status)
		return status;
	for (size_t i = 0; i < view.nr_texts && !is_found; i++)
		is_found = search->arch->ops->swapper(&view, &view.texts[i], &claim) &&
			   claim.root.format && shift_by_claim(search, &view, &claim, &shift);
	image_view_fini(&view);
	return is_found ? shift_try(search, shift) : 0;
}

/*
 * Find the kernel: with the file's first byte where machines of this kind have their first memory,
 * or else with the root where a text says. @return as shift_try()
 */
static int shift_find(struct place_search *search)
{
	const struct image_arch_ops *ops = search->arch->ops;
	int status = 0;

	for (size_t i = 0; i < ops->nr_bases && !status; i++)
		status = shift_try(search, ops->bases[i]);
	return status ? status : shift_by_texts(search);
}

/* Does the layout hold all memory that the kernel maps? Of a cut file, what lies beyond may be missing. */
static bool layout_has(const struct image_layout *layout, const struct image_ram_runs *ram,
		       bool is_cut)
{
	const struct image_piece *last = &layout->piece[layout->nr - 1];

	for (unsigned i = 0; i < ram->nr; i++) {
		const struct source_run *run = &ram->run[i];
		bool is_in =
			is_cut && run->last >= last->pa + last->size && (run->first >= last->pa);

		for (unsigned p = 0; p < layout->nr && !is_in; p++)
			is_in = run->first >= layout->piece[p].pa &&
				run->last - layout->piece[p].pa < layout->piece[p].size;
		if (!is_in)
			return false;
	}
	return true;
}

static void judge_tables(struct verdict *verdict, const struct image_guess *guess, uint64_t root_pa,
			 const struct image_table_count *tables)
{
	bool each_has_some = true;

	for (unsigned i = 0; i < guess->layout.nr; i++) {
		const struct image_piece *piece = &guess->layout.piece[i];

		verdict->nr_good += tables->nr_good[i];
		each_has_some &= tables->nr_good[i] || root_pa - piece->pa < piece->size;
	}
	verdict->is_possible = tables->nr_bad <= verdict->nr_good / BAD_SHARE;
	verdict->is_proved = verdict->is_possible && verdict->is_complete &&
			     (each_has_some || guess->is_accounted);
}

/* @return 0 or negative */
static int judge(struct place_search *search, const struct image_guess *guess, struct verdict *ret)
{
	struct image_table_count tables;
	struct image_direct_map direct;
	struct image_swapper kernel;
	struct pgw_image view;
	int status = image_view_init(&view, search->file, search->arch, &guess->layout);

	*ret = (struct verdict){
		.is_accounted = guess->is_accounted,
		.roundness = image_layout_roundness(&guess->layout),
	};
	if (status)
		return status;
	view.search_left = search->search_left;
	if (proves_itself(&view, &kernel)) {
		image_direct_map_find(&view, &kernel, &search->tables_left, &direct);
		ret->is_complete = direct.is_complete && !direct.is_odd;
		ret->is_possible = (!direct.is_odd || guess->layout.nr == 1) &&
				   layout_has(&guess->layout, &direct.ram, guess->is_cut);
	}
	/* The check below walks every page that may be a root. */
	ret->is_possible &= image_search_spend(&view, image_pages(&view, IMAGE_PAGE_ROOT)->nr);
	ret->is_proved = ret->is_possible && ret->is_complete;
	/* A single piece is the kernel's, which is proved: what is odd there is the machine's doing. */
	if (ret->is_possible && guess->layout.nr > 1) {
		status = image_layout_look_at_tables(&view, &guess->layout, &kernel, &tables);
		if (!status)
			judge_tables(ret, guess, kernel.root.root.pa, &tables);
	}
	search->search_left = view.search_left;
	image_view_fini(&view);
	return status;
}

/* The strongest evidence first; roundness last, as machines have holes at round addresses. */
static bool is_better(const struct verdict *a, const struct verdict *b)
{
	if (a->is_possible != b->is_possible)
		return a->is_possible;
	if (a->is_complete != b->is_complete)
		return a->is_complete;
	if (a->nr_good != b->nr_good)
		return a->nr_good > b->nr_good;
	if (a->is_accounted != b->is_accounted)
		return a->is_accounted;
	return a->roundness > b->roundness;
}

/* @return 1 if there is a guess that nothing contradicts, 0 or negative */
static int choose(struct place_search *search, const struct image_guess **ret,
		  struct verdict *ret_verdict)
{
	int status = 0;

	*ret_verdict = (struct verdict){ 0 };
	for (unsigned i = 0; i < search->guesses.nr && !status; i++) {
		struct verdict verdict;

		status = judge(search, &search->guesses.guess[i], &verdict);
		if (!status && is_better(&verdict, ret_verdict)) {
			*ret = &search->guesses.guess[i];
			*ret_verdict = verdict;
		}
	}
	return status ? status : ret_verdict->is_possible;
}

/*
 * If the kernel is in the first piece, the file's first byte is memory too, whether or not the
 * direct map covers it.
 */
static void guess_by_ram(struct place_search *search, struct image_ram_runs ram)
{
	if (ram.nr && ram.run[0].first > search->shift)
		ram.run[0].first = search->shift;
	image_guess_by_ram(&search->guesses, &ram, search->size);
}

/*
 * Add layouts by the firmware's map of memory. If tables of the direct map are missing, add
 * layouts with a hole at every multiple of HOLE_STEP.
 */
static int guess_more(struct place_search *search)
{
	const struct image_arch_ops *ops = search->arch->ops;
	uint64_t size = search->size;
	struct image_e820 e820 = { 0 };
	int status = ops->has_e820 ? image_e820_find(search->file, &e820) : 0;

	for (unsigned i = 0; i < e820.nr && !status; i++) {
		struct image_ram_runs *ram = &e820.table[i];

		for (unsigned j = 0; j < search->direct.ram.nr; j++)
			image_ram_runs_add(ram, search->direct.ram.run[j].first,
					   search->direct.ram.run[j].last);
		guess_by_ram(search, *ram);
	}
	for (uint64_t hole = HOLE_STEP;
	     !search->direct.is_complete && hole < ops->hole_end && hole < size;
	     hole += HOLE_STEP) {
		const struct source_run run[] = {
			{ 0, hole - 1 },
			{ ops->hole_end, ops->hole_end + (size - hole) - 1 },
		};

		image_guess_add(&search->guesses, run, PGW_ARRAY_SIZE(run), IMAGE_FIT_NONE);
	}
	return status;
}

static bool ram_goes_on(const struct image_ram_runs *ram, uint64_t end)
{
	return ram->nr && ram->run[ram->nr - 1].last > end;
}

/* @return 1 or negative */
static int place_commit(const struct place_search *search, const struct image_guess *guess,
			bool is_proved)
{
	const struct image_piece *last = &guess->layout.piece[guess->layout.nr - 1];
	uint64_t end = last->pa + (last->size - 1);
	struct pgw_image view;
	int status = image_view_init(&view, search->file, search->arch, &guess->layout);

	if (status)
		return status;
	image_view_commit(&view, search->file);
	search->file->info.placement = is_proved ? PGW_PLACEMENT_PROVED : PGW_PLACEMENT_GUESSED;
	search->file->info.truncated |= guess->is_cut && ram_goes_on(&search->direct.ram, end);
	return 1;
}

/*
 * Does memory prove to be where the machine usually has it? Whatever comes of that, the layout is
 * one of the guesses. @return as image_raw_place()
 */
static int usual_try(struct place_search *search)
{
	struct image_guess *guess = &search->guesses.guess[0];
	struct verdict verdict;
	int status;

	if (!image_usual_layout(search->file, &guess->layout))
		return 0;
	guess->is_accounted = true;
	search->guesses.nr = 1;
	status = judge(search, guess, &verdict);
	return !status && verdict.is_proved ? place_commit(search, guess, true) : status;
}

int image_raw_place(struct pgw_image *file, const struct image_arch *arch)
{
	uint64_t size = source_last(&file->source) + 1;
	struct place_search search = {
		.file = file,
		.arch = arch,
		.size = size,
		.tables_left = TABLES_BUDGET + file->source.info.readable_bytes / BYTES_A_VISIT,
		.search_left = IMAGE_SEARCH_BUDGET,
	};
	const struct image_guess *guess = NULL;
	struct image_guess one = { 0 };
	struct verdict verdict;
	int status = usual_try(&search);

	if (status)
		return status;
	status = shift_find(&search);
	if (status <= 0)
		return status;
	one.layout = one_piece(search.shift, size);
	/* Tables of the direct map may lie in the part that a cut file lacks. */
	one.is_cut = search.direct.ram.nr == 1 || !search.direct.is_complete;
	if (search.direct.is_complete && !search.direct.is_odd &&
	    layout_has(&one.layout, &search.direct.ram, one.is_cut))
		return place_commit(&search, &one, true);
	search.guesses.guess[search.guesses.nr++] = one;
	guess_by_ram(&search, search.direct.ram);
	status = choose(&search, &guess, &verdict);
	if (status >= 0 && !verdict.is_proved) {
		status = guess_more(&search);
		if (!status)
			status = choose(&search, &guess, &verdict);
	}
	if (status <= 0)
		return status ? status : -PGW_ENOEXEC;
	return place_commit(&search, guess, verdict.is_proved);
}
