/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_MM_OPS_FIXTURE_H
#define TESTS_MM_OPS_FIXTURE_H

/*
 * A user mm and a model of it: its VMAs and its leaves as plain sorted arrays,
 * a software TLB that only flushes clear, and an account of every frame.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

#define USER_RIGHTS (PGW_USER_R | PGW_USER_W | PGW_USER_X)
#define RWX ((uint32_t)(PGW_VMA_READ | PGW_VMA_WRITE | PGW_VMA_EXEC))
#define MAX_VMAS 200
#define MAX_LEAVES 8000
#define MAX_FRAMES 20000
#define TLB_SIZE 64
#define NR_KINDS 2

struct range {
	uint64_t first, last;
};

/** A part of what one fault mapped. Splits in the tables do not show here. */
struct leaf_model {
	struct range va;
	uint64_t pa;
	uint8_t wanted; /* PGW_VMA_READ, _WRITE, _EXEC of users */
};

struct vma_model {
	uint64_t start, end, pgoff;
	uint32_t flags;
	unsigned kind;
};

struct tlb_entry {
	bool is_valid;
	uint64_t va, pa;
	uint8_t rights;
	bool young;
};

/** What is told apart by private_data: VMAs of two kinds never merge. */
struct kind {
	struct fixture *f;
	long nr_opens, nr_closes;
};

struct fixture {
	struct arena arena; /* first: the platform's ctx */
	const struct pgw_format *format;
	const struct pgw_geometry *geo;
	struct pgw_mm *mm;
	struct pgw_translate_cursor cursor; /* kept while VMAs and tables come and go */
	uint64_t random;
	uint64_t page, young_bit;

	struct kind kind[NR_KINDS];
	struct vma_model vma[MAX_VMAS]; /* ascending */
	size_t nr_vmas;
	struct leaf_model leaf[MAX_LEAVES]; /* ascending */
	size_t nr_leaves;

	struct range frames[MAX_FRAMES]; /* supplied and not released; any order */
	size_t nr_frames;
	uint64_t next_pa;
	struct tlb_entry tlb[TLB_SIZE];

	/* What the fault callback shall do, and did. */
	bool want_small, want_read_only, want_same;
	long open_fail_after;
	struct pgw_fault answer;
	bool has_answered, replaces;

	uint64_t place[128]; /* addresses where ranges begin and end, ascending */
	size_t nr_places;
};

enum op {
	OP_MMAP,
	OP_MUNMAP,
	OP_MUNMAP_LOCKED,
	OP_MPROTECT,
	OP_FAULT,
	OP_POPULATE,
	OP_DONTNEED,
	OP_EXPAND,
	OP_HARVEST,
	OP_MREMAP,
	_OP_MAX
};

struct request {
	enum op op;
	uint64_t start, end;
	uint64_t new_start, new_end; /* OP_MREMAP */
	uint32_t flags;
	unsigned kind;
	uint64_t pgoff;
};

uint64_t pick(struct fixture *f, uint64_t n);
struct leaf_model *leaf_at(struct fixture *f, uint64_t va);
void leaf_add(struct fixture *f, struct leaf_model leaf);
/** No leaf of the model crosses va - 1 to va. */
void leaf_cut(struct fixture *f, uint64_t va);
void leaf_remove(struct fixture *f, uint64_t start, uint64_t end);
struct vma_model *vma_at(struct fixture *f, uint64_t va);
void vma_insert(struct fixture *f, size_t at, struct vma_model vma);
void vma_cut(struct fixture *f, uint64_t va);
/** What may be one VMA is one. */
void vma_merge_all(struct fixture *f);
void vma_remove(struct fixture *f, uint64_t start, uint64_t end);
bool model_has_vma(struct fixture *f, uint64_t start, uint64_t end);
bool model_has_hole(struct fixture *f, uint64_t start, uint64_t end);
/** An access: what the tables say now may be remembered. */
void tlb_access(struct fixture *f, uint64_t va);
uint8_t wanted_rights(uint32_t flags);
/** Everything is as the model says. */
void check_all(struct fixture *f);
struct fixture *fixture_new(const struct pgw_format *format, uint64_t seed);
void fixture_free(struct fixture *f);
int run(struct fixture *f, const struct request *r);

#endif
