/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libkdumpfile with libaddrxlat: translates addresses, it does not enumerate. So it is given
 * all that are mapped, one a line on standard input, and prints "VA PA" for each, then the
 * time that the translations took. peer_addrxlat FILE ROOT LEVELS (x86-64)
 */
#include <fcntl.h>
#include <inttypes.h>
#include <libkdumpfile/addrxlat.h>
#include <libkdumpfile/kdumpfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_ADDRESSES 1000000

static uint64_t va[MAX_ADDRESSES], pa[MAX_ADDRESSES];

static void die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static double now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static size_t read_addresses(void)
{
	size_t nr = 0;

	while (nr < MAX_ADDRESSES && scanf("%" SCNx64, &va[nr]) == 1)
		nr++;
	return nr;
}

static void open_dump(const char *path, kdump_ctx_t **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*ret = kdump_new();
	if (fd < 0 || !*ret)
		die("cannot open the file");
	if (kdump_open_fd(*ret, fd) != KDUMP_OK)
		die(kdump_get_err(*ret));
}

/* Pages by kdump_read(): what the library finds out by itself fails where no note has VMCOREINFO. */
static void put_page(const addrxlat_buffer_t *buf)
{
	free(buf->priv);
}

static addrxlat_status get_page(const addrxlat_cb_t *cb, addrxlat_buffer_t *buf)
{
	const addrxlat_addr_t in_page = 4095;
	size_t size = in_page + 1;
	void *page = malloc(size);

	buf->addr.addr &= ~in_page;
	if (!page ||
	    kdump_read(cb->priv, KDUMP_MACHPHYSADDR, buf->addr.addr, page, &size) != KDUMP_OK) {
		free(page);
		return ADDRXLAT_ERR_NODATA;
	}
	buf->ptr = buf->priv = page;
	buf->size = size;
	buf->byte_order = ADDRXLAT_LITTLE_ENDIAN;
	buf->put_page = put_page;
	return ADDRXLAT_OK;
}

static unsigned long read_caps(const addrxlat_cb_t *cb)
{
	(void)cb;
	return ADDRXLAT_CAPS(ADDRXLAT_MACHPHYSADDR);
}

static addrxlat_ctx_t *make_context(kdump_ctx_t *dump)
{
	addrxlat_ctx_t *ctx = addrxlat_ctx_new();
	addrxlat_cb_t *cb = ctx ? addrxlat_ctx_add_cb(ctx) : NULL;

	if (!cb)
		die("no memory");
	cb->priv = dump;
	cb->get_page = get_page;
	cb->read_caps = read_caps;
	return ctx;
}

int main(int argc, char **argv)
{
	addrxlat_meth_t tables = { .kind = ADDRXLAT_PGT, .target_as = ADDRXLAT_MACHPHYSADDR };
	addrxlat_param_pgt_t *pgt = &tables.param.pgt;
	addrxlat_step_t step = { .meth = &tables };
	size_t nr, nr_levels;
	kdump_ctx_t *ctx;
	double start;

	if (argc != 4)
		die("usage: peer_addrxlat FILE ROOT LEVELS <ADDRESSES");
	nr_levels = strtoul(argv[3], NULL, 10);
	nr = read_addresses();
	/* Bytes that were never written are brought in at the first: not that library's time. */
	memset(pa, 0xff, sizeof(pa));
	start = now_ms();
	open_dump(argv[1], &ctx);
	step.ctx = make_context(ctx);
	pgt->root.as = ADDRXLAT_MACHPHYSADDR;
	pgt->root.addr = strtoull(argv[2], NULL, 16);
	pgt->pf.pte_format = ADDRXLAT_PTE_X86_64;
	pgt->pf.nfields = (unsigned short)(nr_levels + 1);
	pgt->pf.fieldsz[0] = 12;
	for (size_t i = 1; i <= nr_levels; i++)
		pgt->pf.fieldsz[i] = 9;
	for (size_t i = 0; i < nr; i++) {
		addrxlat_status status = addrxlat_launch(&step, va[i]);

		while (status == ADDRXLAT_OK && step.remain)
			status = addrxlat_step(&step);
		if (status != ADDRXLAT_OK && i == 0)
			die(addrxlat_ctx_get_err(step.ctx));
		pa[i] = status == ADDRXLAT_OK ? step.base.addr : UINT64_MAX;
	}
	start = now_ms() - start;
	for (size_t i = 0; i < nr; i++) {
		if (pa[i] != UINT64_MAX)
			printf("%016" PRIx64 " %016" PRIx64 "\n", va[i], pa[i]);
	}
	printf("time %.3f\n", start);
	return 0;
}
