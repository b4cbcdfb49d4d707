/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * iommu [FORMAT [ROUNDS]]: the domain of an IOMMU. A driver maps buffers for devices and unmaps them,
 * while the devices translate addresses of theirs (IOVAs) and read and write what is there. What a
 * device gets is right, or a fault; and once a buffer is unmapped, no device reaches its memory.
 *
 * The driver owns the IOVAs that it hands out, and nothing frees tables: the domain's lock, held for
 * read, is enough for all, so nobody waits for anybody. What devices remember of translations (their
 * IOTLB) is the library's to have flushed, by the platform's hook, before unmapping returns.
 */

#include <pagewalk/pagewalk.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	NR_DEVICES = 3,
	NR_ROUNDS = 100,
	MAX_PAGES = 24, /* of a buffer */
	PAGE_WORDS = 512,
	NR_DMAS = 8, /* on each buffer, at least, while it is mapped, and when it is not */
};

#define PAGE_SIZE (sizeof(uint64_t) * PAGE_WORDS)
#define MEMORY_PA UINT64_C(0x100000000) /* where the buffers' memory is */
#define FIRST_IOVA UINT64_C(0x200000)
#define TAKEN_AWAY UINT64_MAX /* what is in memory that no device may reach */

/** What the driver tells the devices; each is there to the end. */
struct buffer {
	uint64_t iova;
	unsigned nr_pages;
	bool is_writable;
	uint64_t value;              /* of each word */
	uint64_t nr_done, nr_faults; /* DMAs; atomic */
};

struct device {
	pthread_t thread;
	struct domain *domain;
	uint64_t random;
	uint64_t epoch; /* of the domain, that it has obeyed; atomic */
	/* its IOTLB, of one entry */
	uint64_t cached_iova, cached_pa;
	uint8_t cached_rights;
};

/** The domain, its driver and what is attached. Atomic is what several threads are at. */
struct domain {
	struct pgw_platform platform;
	struct pgw_mm *mm;
	struct device devices[NR_DEVICES];
	uint64_t (*memory)[PAGE_WORDS]; /* MAX_PAGES; words are atomic */
	struct buffer *buffer;          /* that devices work on; atomic */
	uint64_t epoch;                 /* flushes so far; atomic */
	uint64_t nr_wrong;              /* DMAs that read something else; atomic */
	bool is_over;                   /* atomic; the driver alone changes it */
};

static void require(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "iommu: %s: %s\n", what, pgw_status_text(err));
	exit(1);
}

static uint64_t random_below(uint64_t *state, uint64_t n)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*state >> 33) % n;
}

/* ---- a device ---- */

/* Invalidation: forget what it knows, and say so; no DMA is under way then. */
static void device_obey(struct device *device)
{
	uint64_t epoch = __atomic_load_n(&device->domain->epoch, __ATOMIC_ACQUIRE);

	if (device->epoch == epoch)
		return;
	device->cached_rights = 0;
	__atomic_store_n(&device->epoch, epoch, __ATOMIC_RELEASE);
}

/* Walk the domain's tables. @return false: nothing is mapped there */
static bool device_walk(struct device *device, uint64_t iova)
{
	struct pgw_mm *mm = device->domain->mm;
	struct pgw_translation t;

	require(pgw_mmap_read_lock(mm), "lock");
	require(pgw_translate(mm, iova, &t), "translate");
	require(pgw_mmap_read_unlock(mm), "lock");
	if (t.kind != PGW_ENTRY_LEAF)
		return false;
	device->cached_iova = iova;
	device->cached_pa = t.pa;
	device->cached_rights = t.rights;
	return true;
}

/* The word at an address that is all its own page; NULL: a fault. */
static uint64_t *device_reach(struct device *device, uint64_t iova, uint8_t right)
{
	uint64_t page = iova & ~(uint64_t)(PAGE_SIZE - 1), offset;

	if ((!device->cached_rights || device->cached_iova != page) && !device_walk(device, page))
		return NULL;
	if (!(device->cached_rights & right))
		return NULL;
	offset = device->cached_pa - MEMORY_PA;
	return &device->domain->memory[offset / PAGE_SIZE][(iova - page) / sizeof(uint64_t)];
}

/* One DMA. A device does not know when the driver takes the buffer away. */
static void device_dma(struct device *device, struct buffer *buffer)
{
	uint64_t nr_words = (uint64_t)buffer->nr_pages * PAGE_WORDS;
	uint64_t iova = buffer->iova + random_below(&device->random, nr_words) * sizeof(uint64_t);
	bool writes = random_below(&device->random, 2);
	uint64_t *word = device_reach(device, iova, writes ? PGW_KERNEL_W : PGW_KERNEL_R);

	if (!word) {
		__atomic_fetch_add(&buffer->nr_faults, 1, __ATOMIC_RELAXED);
		return;
	}
	if (writes)
		__atomic_store_n(word, buffer->value, __ATOMIC_RELAXED);
	if ((writes && !buffer->is_writable) ||
	    __atomic_load_n(word, __ATOMIC_RELAXED) != buffer->value)
		__atomic_fetch_add(&device->domain->nr_wrong, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&buffer->nr_done, 1, __ATOMIC_RELAXED);
}

static void *device_run(void *arg)
{
	struct device *device = arg;
	struct domain *domain = device->domain;
	uint64_t nr = 0;

	while (!__atomic_load_n(&domain->is_over, __ATOMIC_ACQUIRE)) {
		struct buffer *buffer = __atomic_load_n(&domain->buffer, __ATOMIC_ACQUIRE);

		device_obey(device);
		if (buffer)
			device_dma(device, buffer);
		if (!buffer || ++nr % 16 == 0)
			sched_yield();
	}
	return NULL;
}

/* ---- the driver ---- */

/* The platform's hook: every device has forgotten, and none is in the middle of a DMA. */
static void domain_flush(void *ctx, const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	struct domain *domain = ctx;
	uint64_t epoch = __atomic_add_fetch(&domain->epoch, 1, __ATOMIC_ACQ_REL);

	(void)mm, (void)first, (void)last;
	for (size_t i = 0; i < NR_DEVICES; i++) {
		while (__atomic_load_n(&domain->devices[i].epoch, __ATOMIC_ACQUIRE) < epoch &&
		       !domain->is_over)
			sched_yield();
	}
}

static void fill(struct domain *domain, unsigned nr_pages, uint64_t value)
{
	for (unsigned page = 0; page < nr_pages; page++) {
		for (unsigned i = 0; i < PAGE_WORDS; i++)
			__atomic_store_n(&domain->memory[page][i], value, __ATOMIC_RELAXED);
	}
}

/* Words that somebody has written to although all memory was taken away. */
static uint64_t nr_late_writes(struct domain *domain)
{
	uint64_t nr = 0;

	for (unsigned page = 0; page < MAX_PAGES; page++) {
		for (unsigned i = 0; i < PAGE_WORDS; i++)
			nr += __atomic_load_n(&domain->memory[page][i], __ATOMIC_RELAXED) !=
			      TAKEN_AWAY;
	}
	return nr;
}

static void wait_for(const uint64_t *count, uint64_t n)
{
	while (__atomic_load_n(count, __ATOMIC_RELAXED) < n)
		sched_yield();
}

static void map(struct domain *domain, const struct buffer *buffer)
{
	const struct pgw_map_args args = {
		.first = buffer->iova,
		.last = buffer->iova + buffer->nr_pages * PAGE_SIZE - 1,
		.pa = MEMORY_PA,
		.rights = PGW_KERNEL_R | (buffer->is_writable ? PGW_KERNEL_W : 0u),
	};

	require(pgw_mmap_read_lock(domain->mm), "lock");
	require(pgw_mm_map(domain->mm, &args), "map");
	require(pgw_mmap_read_unlock(domain->mm), "lock");
}

static void unmap(struct domain *domain, const struct buffer *buffer)
{
	uint64_t last = buffer->iova + buffer->nr_pages * PAGE_SIZE - 1;

	require(pgw_mmap_read_lock(domain->mm), "lock");
	require(pgw_mm_unmap(domain->mm, buffer->iova, last, PGW_UNMAP_EXACT), "unmap");
	require(pgw_mmap_read_unlock(domain->mm), "lock");
}

/* The life of one buffer; devices go on with it until there is another. @return late writes */
static uint64_t driver_round(struct domain *domain, struct buffer *buffer)
{
	uint64_t faults;

	fill(domain, buffer->nr_pages, buffer->value);
	map(domain, buffer);
	__atomic_store_n(&domain->buffer, buffer, __ATOMIC_RELEASE);
	wait_for(&buffer->nr_done, NR_DMAS);
	unmap(domain, buffer);
	/* From here on its memory is the driver's alone. */
	fill(domain, buffer->nr_pages, TAKEN_AWAY);
	faults = __atomic_load_n(&buffer->nr_faults, __ATOMIC_RELAXED);
	wait_for(&buffer->nr_faults, faults + NR_DMAS);
	return nr_late_writes(domain);
}

static void domain_init(struct domain *domain, const struct pgw_format *format)
{
	struct pgw_mm_new_args args = { .platform = &domain->platform,
					.format = format,
					.region = PGW_REGION_FOREIGN };

	domain->platform = *pgw_hosted_platform();
	domain->platform.ctx = domain;
	domain->platform.tlb_flush = domain_flush;
	require(pgw_mm_new(&args, &domain->mm), "domain");
	domain->memory = calloc(MAX_PAGES, PAGE_SIZE);
	require(domain->memory ? 0 : -PGW_ENOMEM, "memory");
	fill(domain, MAX_PAGES, TAKEN_AWAY);
	for (size_t i = 0; i < NR_DEVICES; i++) {
		struct device *device = &domain->devices[i];

		device->domain = domain;
		device->random = i;
		require(pthread_create(&device->thread, NULL, device_run, device) ? -PGW_ENOMEM : 0,
			"thread");
	}
}

static void domain_fini(struct domain *domain)
{
	__atomic_store_n(&domain->is_over, true, __ATOMIC_RELEASE);
	for (size_t i = 0; i < NR_DEVICES; i++)
		pthread_join(domain->devices[i].thread, NULL);
	pgw_mm_free(domain->mm);
	free(domain->memory);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "riscv-sv39x4";
	size_t nr_rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : NR_ROUNDS;
	const struct pgw_format *format = pgw_format_by_name(name);
	struct buffer *buffers = calloc(nr_rounds, sizeof(*buffers));
	uint64_t random = 1, iova = FIRST_IOVA, nr_late = 0, nr_done = 0, nr_faults = 0;
	static struct domain domain;

	require(format ? 0 : -PGW_EINVAL, name);
	require(buffers ? 0 : -PGW_ENOMEM, "buffers");
	domain_init(&domain, format);
	for (size_t i = 0; i < nr_rounds; i++) {
		buffers[i].iova = iova;
		buffers[i].nr_pages = 1 + (unsigned)random_below(&random, MAX_PAGES);
		buffers[i].is_writable = random_below(&random, 2);
		buffers[i].value = i;
		nr_late += driver_round(&domain, &buffers[i]);
		iova += MAX_PAGES * PAGE_SIZE; /* no address is used twice */
	}
	domain_fini(&domain);
	for (size_t i = 0; i < nr_rounds; i++) {
		nr_done += buffers[i].nr_done;
		nr_faults += buffers[i].nr_faults;
	}
	free(buffers);
	printf("%s: %d devices, %zu buffers mapped and unmapped under them\n", name, NR_DEVICES,
	       nr_rounds);
	printf("%llu DMAs, and %llu that came too late or might not\n", (unsigned long long)nr_done,
	       (unsigned long long)nr_faults);
	printf("%llu DMAs went wrong, %llu reached memory that was taken away\n",
	       (unsigned long long)domain.nr_wrong, (unsigned long long)nr_late);
	return domain.nr_wrong || nr_late ? 1 : 0;
}
