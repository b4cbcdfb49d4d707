/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

/*
 * What fuzz targets share. A target is one function that takes bytes; it is
 * linked with libFuzzer, or with replay.c, which runs it on the files of a corpus.
 */

#include <stddef.h>
#include <stdint.h>

/** The target. @return 0 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** What must be true of every input; else the program aborts and says what was not. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))
void fuzz_fail(const char *condition, const char *file, int line) __attribute__((noreturn));

/** Bytes that are left of an input. */
struct fuzz_input {
	const uint8_t *data;
	size_t size;
};

/** Take a number of up to 8 bytes, little-endian; what is missing is 0. */
uint64_t fuzz_take(struct fuzz_input *input, unsigned nr_bytes);

/** A file with these bytes; slot 0 or 1, each the same one every time. @return its path */
const char *fuzz_file(unsigned slot, const void *bytes, size_t size);

/** Go on with a hash. */
static inline uint64_t fuzz_hash(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ (hash >> 29);
}

#endif
