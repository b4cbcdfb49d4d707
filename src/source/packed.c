/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/packed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "source/library.h"
#include "source/source_priv.h"
#include "source/spool.h"

#define IN_SIZE ((size_t)256 << 10)
#define OUT_SIZE ((size_t)1 << 20)

static const struct packed_ops *const packings[] = {
	&packed_gzip_ops, &packed_zip_ops,   &packed_zstd_ops,
	&packed_xz_ops,   &packed_bzip2_ops, &packed_lz4_ops,
};

const struct packed_ops *packed_find(const uint8_t *start)
{
	for (size_t i = 0; i < PGW_ARRAY_SIZE(packings); i++) {
		if (packings[i]->probe(start))
			return packings[i];
	}
	return NULL;
}

const char *pgw_image_packing(size_t index)
{
	for (size_t i = 0; i < PGW_ARRAY_SIZE(packings); i++) {
		if (packings[i]->library && index-- == 0)
			return packings[i]->name;
	}
	return NULL;
}

bool packed_input_init(struct packed_input *input, int fd)
{
	*input = (struct packed_input){ .fd = fd, .bytes = malloc(IN_SIZE) };
	return input->bytes;
}

void packed_input_fini(struct packed_input *input)
{
	free(input->bytes);
}

int packed_input_fill(struct packed_input *input, size_t nr)
{
	if (input->nr - input->at >= nr)
		return 0;
	memmove(input->bytes, input->bytes + input->at, input->nr - input->at);
	input->nr -= input->at;
	input->at = 0;
	while (input->nr < nr && !input->is_end) {
		ssize_t n = read(input->fd, input->bytes + input->nr, IN_SIZE - input->nr);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -PGW_EIO;
		input->is_end = n == 0;
		input->nr += (size_t)n;
		input->nr_read += (size_t)n;
	}
	return 0;
}

/* A file that is being unpacked. */
struct unpacking {
	const struct packed_work *work;
	void *context;
	uint8_t *out;
	size_t nr_out; /* that wait to be written: whole pages are, so that holes are found */
	struct pgw_error *err;
};

/* Of the next byte. */
static uint64_t input_offset(const struct packed_input *input)
{
	return input->nr_read - (input->nr - input->at);
}

static int fill(struct unpacking *unpacking, size_t nr)
{
	const struct packed_work *work = unpacking->work;
	struct pgw_error *err = unpacking->err;
	uint64_t before = work->input->nr_read;
	int status = packed_input_fill(work->input, nr);
	int os_errno = errno;

	if (work->input->nr_read != before)
		work->progress(work->progress_arg, input_offset(work->input), work->spool);
	if (status) {
		source_fail(err, status, NULL);
		if (err)
			err->os_errno = os_errno;
	}
	return status;
}

static int flush(struct unpacking *unpacking)
{
	const struct packed_work *work = unpacking->work;
	int status = spool_write(work->spool, unpacking->out, unpacking->nr_out, unpacking->err);

	unpacking->nr_out = 0;
	work->progress(work->progress_arg, input_offset(work->input), work->spool);
	return status;
}

/* What was unpacked until here stays; of a file that is broken from the start nothing is there. */
static int take_damage(struct unpacking *unpacking, enum pgw_damage damage, const char *expected)
{
	const struct packed_work *work = unpacking->work;
	uint64_t offset = input_offset(work->input);

	if (!work->spool->size && !unpacking->nr_out)
		return source_fail_at(unpacking->err, -PGW_EIO, offset, 0,
				      expected ? expected : work->ops->expected);
	if (work->said->damage == PGW_DAMAGE_NONE) {
		work->said->damage = damage;
		work->said->damage_at = offset;
	}
	return 0;
}

static bool is_zeroes(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

/* Behind a stream: another, or zeroes, which tapes and xz leave there, or the end. */
static int next_stream(struct unpacking *unpacking, bool *ret_goes_on)
{
	const struct packed_work *work = unpacking->work;
	struct packed_input *input = work->input;
	int status;

	*ret_goes_on = false;
	while ((status = fill(unpacking, PACKED_PROBE)) == 0) {
		uint8_t start[PACKED_PROBE] = { 0 };
		size_t nr = input->nr - input->at;

		if (!nr)
			return 0;
		/* xz: zeroes are a multiple of four bytes. */
		nr = nr < PACKED_PROBE ? nr : PACKED_PROBE;
		memcpy(start, input->bytes + input->at, nr);
		if (nr >= 4 && is_zeroes(start, 4))
			nr = 4;
		else if (work->ops->probe(start)) {
			*ret_goes_on = true;
			return work->ops->restart(unpacking->context)
				       ? 0
				       : source_fail(unpacking->err, -PGW_ENOMEM, NULL);
		}
		if (!is_zeroes(start, nr))
			return take_damage(unpacking,
					   nr < PACKED_PROBE ? PGW_DAMAGE_CUT : PGW_DAMAGE_BROKEN,
					   NULL);
		input->at += nr;
	}
	return status;
}

static int take_result(struct unpacking *unpacking, enum packed_result result,
		       const struct packed_io *io, bool *ret_goes_on)
{
	*ret_goes_on = result == PACKED_GOES_ON;
	switch (result) {
	case PACKED_GOES_ON:
		return 0;
	case PACKED_ENDED:
		return next_stream(unpacking, ret_goes_on);
	case PACKED_BAD_CHECKSUM:
		return take_damage(unpacking, PGW_DAMAGE_CHECKSUM, io->expected);
	case PACKED_REFUSED:
		return source_fail_at(unpacking->err, -PGW_EOPNOTSUPP,
				      input_offset(unpacking->work->input), 0, io->expected);
	default:
		return take_damage(unpacking, PGW_DAMAGE_BROKEN, io->expected);
	}
}

/* Each round takes some input, or gives some output, or is the last. */
static int step(struct unpacking *unpacking, bool *ret_goes_on)
{
	struct packed_input *input = unpacking->work->input;
	struct packed_io io;
	enum packed_result result;
	size_t nr_in;
	int status = fill(unpacking, 1);

	if (!status && unpacking->nr_out == OUT_SIZE)
		status = flush(unpacking);
	if (status)
		return status;
	nr_in = input->nr - input->at;
	io = (struct packed_io){
		.in = input->bytes + input->at,
		.nr_in = nr_in,
		.is_end = input->is_end,
		.out = unpacking->out + unpacking->nr_out,
		.nr_out = OUT_SIZE - unpacking->nr_out,
	};
	result = unpacking->work->ops->run(unpacking->context, &io);
	input->at += nr_in - io.nr_in;
	if (result == PACKED_GOES_ON && !nr_in && io.nr_out == OUT_SIZE - unpacking->nr_out) {
		*ret_goes_on = false;
		return take_damage(unpacking, PGW_DAMAGE_CUT, NULL);
	}
	if (result == PACKED_GOES_ON && nr_in == io.nr_in &&
	    io.nr_out == OUT_SIZE - unpacking->nr_out)
		result = PACKED_BROKEN;
	unpacking->nr_out = OUT_SIZE - io.nr_out;
	return take_result(unpacking, result, &io, ret_goes_on);
}

static enum packed_result copy_run(void *context, struct packed_io *io)
{
	size_t n = io->nr_in < io->nr_out ? io->nr_in : io->nr_out;

	(void)context;
	memcpy(io->out, io->in, n);
	io->in += n;
	io->nr_in -= n;
	io->out += n;
	io->nr_out -= n;
	return io->is_end && !io->nr_in ? PACKED_ENDED : PACKED_GOES_ON;
}

static bool copy_probe(const uint8_t *start)
{
	(void)start;
	return false;
}

static const struct packed_ops copy_ops = { .probe = copy_probe, .run = copy_run };

static int unpack_all(struct unpacking *unpacking)
{
	const struct packed_work *work = unpacking->work;
	bool goes_on = true;
	int status = 0;

	work->progress(work->progress_arg, 0, work->spool);
	while (!status && goes_on)
		status = step(unpacking, &goes_on);
	if (!status)
		status = flush(unpacking);
	return status ? status : spool_finish(unpacking->work->spool, unpacking->err);
}

int packed_unpack(const struct packed_work *work, struct pgw_error *err)
{
	struct packed_work own = *work;
	struct unpacking unpacking = { .work = &own, .err = err };
	int status;

	if (!work->ops)
		own.ops = &copy_ops;
	else if (!work->ops->library || !library_load(work->ops->library))
		return source_fail(err, -PGW_EOPNOTSUPP, work->ops->missing);
	unpacking.out = malloc(OUT_SIZE);
	unpacking.context = own.ops->open && unpacking.out ? own.ops->open() : NULL;
	if (!unpacking.out || (own.ops->open && !unpacking.context))
		status = source_fail(err, -PGW_ENOMEM, NULL);
	else
		status = unpack_all(&unpacking);
	if (unpacking.context)
		own.ops->close(unpacking.context);
	free(unpacking.out);
	return status;
}
