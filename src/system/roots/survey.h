/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SYSTEM_SURVEY_H
#define SYSTEM_SURVEY_H

/* Looking through memory: in windows, and once for all that is to be found in it. */

#include <pagewalk/image.h>

#include "source/source.h"

#define IMAGE_MAX_PAGES (UINT32_C(1) << 18) /* of a kind, that are looked at again */
#define IMAGE_MAX_ANCHORS 4
#define IMAGE_SEARCH_BUDGET (UINT64_C(1) << 22) /* pages and slots that searches for roots read */
/* The window of a search through memory: what is read stays in a CPU's own cache. */
#define IMAGE_WINDOW ((size_t)128 << 10)
/* VMCOREINFO notes and roots are aligned to this, whatever the kernel's page size. */
#define IMAGE_PAGE 4096u

/* What a look at all of memory has found. */

/** Why a page is looked at again. */
enum image_page_kind {
	IMAGE_PAGE_ROOT,   /* it may be a root that maps the kernel, or have one in it */
	IMAGE_PAGE_USER,   /* it holds what a process's tables hold, where these can be told */
	IMAGE_PAGE_ANCHOR, /* it is known by its looks, and the kernel's root maps or holds it */
	IMAGE_PAGE_GUEST,  /* x86_64: it holds the registers of a guest (VMCB) */
	_IMAGE_PAGE_KIND_MAX,
};

struct image_pages {
	uint64_t *pa; /* of pages of IMAGE_PAGE, ascending */
	size_t nr;
	bool is_cut; /* there are more */
};

struct image_survey {
	struct image_pages pages[_IMAGE_PAGE_KIND_MAX];
};

/** Kinds of pages that say of virtual machines and devices; which these are is virt/'s. */
#define IMAGE_FOREIGN_KINDS 8
/** What of them a page may be: a bit each. */
typedef unsigned image_foreign_look_fn(const uint8_t *page);

/* ram.c: looking through memory */

/** A piece of memory; never crosses a multiple of IMAGE_WINDOW. */
struct image_window {
	uint64_t pa;
	const uint8_t *bytes;
	size_t size;
};

/** Not 0 ends the search, which returns the value. */
typedef int image_window_fn(const struct image_window *window, void *arg);

/** Show all readable memory, ascending. @return 0, fn's value, -PGW_EIO or -PGW_ENOMEM */
int image_ram_scan(struct pgw_image *image, image_window_fn *fn, void *arg);

/** The offset in a window of its first page that is all there; step by IMAGE_PAGE. */
static inline size_t image_window_first_page(const struct image_window *window)
{
	return (size_t)(-window->pa & (IMAGE_PAGE - 1));
}

/* ram_look.c: looking at pages of memory, by several threads */

#define IMAGE_FINDINGS 64 /* kinds of pages that a look can tell apart */

/** Pages of memory, from a multiple of IMAGE_WINDOW on. */
struct image_block {
	uint64_t pa;
	const uint8_t *bytes; /* IMAGE_WINDOW of them; those of other pages mean nothing */
	uint32_t whole;       /* bit n: page n of IMAGE_PAGE is all there, and was read */
};

/** What a look found in a piece: bit n of each is page n. */
struct image_finding {
	uint32_t pages[IMAGE_FINDINGS];
	bool is_any; /* else it is not taken */
};

struct image_look {
	/** Fill in what is found, which is empty. Called by several threads at once, in no order. */
	void (*look)(const struct image_block *block, struct image_finding *finding, void *arg);
	/** Take it. One call at a time, ascending, in any of the threads. Not 0 ends the look. */
	int (*take)(uint64_t pa, const struct image_finding *finding, void *arg);
	void *arg;
};

/**
 * Look at all pages that are not known to be zeroes, with the options' workers.
 * @return 0, take's value, -PGW_EIO or -PGW_ENOMEM
 */
int image_ram_look(struct pgw_image *image, const struct image_look *how);

/* page_zero.c */

/** Is a page of IMAGE_PAGE zero? */
bool image_page_is_zero(const uint8_t *page);

/* survey.c: one look at all of memory, for all that is to be found in it */

/**
 * Once. If the image has a foreign_look, also for what virtual machines and devices have.
 * @return 0, -PGW_EIO or -PGW_ENOMEM
 */
int image_survey(struct pgw_image *image);
/** Asked when a VMCOREINFO has been found. */
typedef bool image_survey_enough_fn(struct pgw_image *image, void *arg);
/**
 * A survey that may end early: what it has found until then is forgotten.
 * @return 1 if it did end so, or as image_survey()
 */
int image_survey_until(struct pgw_image *image, image_survey_enough_fn *is_enough, void *arg);
void image_survey_forget(struct pgw_image *image);
/** Of that, pages of virtual machines and devices alone. */
void image_foreign_pages_forget(struct pgw_image *image);
/** Forget it and what it found: it is to be made again. */
void image_survey_undo(struct pgw_image *image);
/** Add a page; from IMAGE_MAX_PAGES on, only note that there are more. @return 0 or -PGW_ENOMEM */
int image_pages_add(struct image_pages *pages, uint64_t pa);
/** The same, for each bit of a piece that starts there. */
int image_pages_take(struct image_pages *pages, uint64_t pa, uint32_t found);
/** Pages of the image's architecture. */
const struct image_pages *image_pages(const struct pgw_image *image, enum image_page_kind kind);
/** May a search read nr more pages or slots? */
bool image_search_spend(struct pgw_image *image, uint64_t nr);

#endif
