/* SPDX-License-Identifier: BSD-2-Clause */
#include "metal.h"

#include <stdarg.h>

/* ---- text ---- */

static void print_text(const char *text)
{
	while (*text)
		machine_put(*text++);
}

static void print_number(uint64_t n, unsigned base)
{
	char digits[21], *at = digits + sizeof(digits);

	*--at = '\0';
	do
		*--at = "0123456789abcdef"[n % base];
	while (n /= base);
	print_text(at);
}

void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	for (; *format; format++) {
		if (*format != '%') {
			machine_put(*format);
		} else if (*++format == 's') {
			print_text(va_arg(args, const char *));
		} else if (*format == 'u') {
			print_number(va_arg(args, uint64_t), 10);
		} else {
			print_text("0x");
			print_number(va_arg(args, uint64_t), 16);
		}
	}
	va_end(args);
}

_Noreturn void die(const char *why)
{
	print("died: %s\n", why);
	machine_off();
}

void require(int status, const char *what)
{
	if (!status)
		return;
	print("%s: error %u\n", what, (uint64_t)-status);
	machine_off();
}

_Noreturn void metal_unexpected(uint64_t code, uint64_t va)
{
	print("a trap: code %x, address %x\n", code, va);
	machine_off();
}

const char *rights_text(uint8_t rights)
{
	static const char texts[8][4] = { "---", "r--", "-w-", "rw-", "--x", "r-x", "-wx", "rwx" };

	return texts[rights & (PGW_KERNEL_R | PGW_KERNEL_W | PGW_KERNEL_X)];
}

/* ---- memory ---- */

/* A kernel mm whose root users share fills 256 slots of it with tables. */
enum { NR_PAGES = 512 };

static struct {
	unsigned char page[NR_PAGES][PAGE_SIZE] __attribute__((aligned(65536)));
	struct pgw_ptdesc desc[NR_PAGES];
	bool is_used[NR_PAGES];
} memory;

static size_t nr_pages_of(size_t size)
{
	return size < PAGE_SIZE ? 1 : size / PAGE_SIZE;
}

static bool is_free(size_t at, size_t nr)
{
	while (nr && !memory.is_used[at + nr - 1])
		nr--;
	return !nr;
}

void *pages_alloc(size_t size)
{
	size_t nr = nr_pages_of(size), at = 0;

	while (at + nr <= NR_PAGES && !is_free(at, nr))
		at += nr;
	if (at + nr > NR_PAGES)
		return NULL;
	for (size_t i = at; i < at + nr; i++)
		memory.is_used[i] = true;
	return __builtin_memset(memory.page[at], 0, nr * PAGE_SIZE);
}

static size_t page_index(const void *page)
{
	return (size_t)((const unsigned char *)page - memory.page[0]) / PAGE_SIZE;
}

void pages_free(void *pages, size_t size)
{
	for (size_t i = 0; i < nr_pages_of(size); i++)
		memory.is_used[page_index(pages) + i] = false;
}

size_t pages_in_use(void)
{
	size_t nr = 0;

	for (size_t i = 0; i < NR_PAGES; i++)
		nr += memory.is_used[i];
	return nr;
}

/* ---- the platform ---- */

static struct pgw_thread thread;
static struct pgw_epoch epoch;
static unsigned nr_violations;

static void *table_alloc(void *ctx, size_t size)
{
	void *table = pages_alloc(size);

	(void)ctx;
	if (table)
		memory.desc[page_index(table)] =
			(struct pgw_ptdesc){ .table = table,
					     .size_lg2 = (uint8_t)__builtin_ctzll(size) };
	return table;
}

static void page_free(void *ctx, void *page, size_t size)
{
	(void)ctx;
	pages_free(page, size);
}

static struct pgw_ptdesc *table_desc(void *ctx, void *table)
{
	(void)ctx;
	return &memory.desc[page_index(table)];
}

/* Objects are few: each has pages of its own. */
static void *obj_alloc(void *ctx, size_t size)
{
	size_t whole = PAGE_SIZE;

	(void)ctx;
	while (whole < size)
		whole *= 2;
	return pages_alloc(whole);
}

static void obj_free(void *ctx, void *obj, size_t size)
{
	size_t whole = PAGE_SIZE;

	(void)ctx;
	while (whole < size)
		whole *= 2;
	pages_free(obj, whole);
}

static void tlb_flush(void *ctx, const struct pgw_mm *mm, uint64_t first, uint64_t last)
{
	(void)ctx, (void)mm;
	metal_flush(first, last);
}

static void park(void *ctx, const uint32_t *word, uint32_t expected)
{
	(void)ctx;
	if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == expected)
		die("there is one CPU, and it waits");
}

static void wake(void *ctx, const uint32_t *word)
{
	(void)ctx, (void)word;
}

static struct pgw_thread *current(void *ctx)
{
	(void)ctx;
	return &thread;
}

static void violation(void *ctx, const struct pgw_violation *v)
{
	(void)ctx;
	nr_violations++;
	print("  rule %s broken in %s: lock held: %s\n", v->rule_name, v->function,
	      pgw_lock_mode_name(v->mode));
}

static const struct pgw_platform platform = {
	.table_alloc = table_alloc,
	.table_free = page_free,
	.table_desc = table_desc,
	.obj_alloc = obj_alloc,
	.obj_free = obj_free,
	.tlb_flush = tlb_flush,
	.park = park,
	.wake = wake,
	.current = current,
	.epoch = &epoch,
	.violation = violation,
};

const struct pgw_platform *metal_platform(void)
{
	return &platform;
}

unsigned metal_nr_violations(void)
{
	return nr_violations;
}

/* ---- this program ---- */

static void map_here(struct pgw_mm *mm, uint64_t first, uint64_t end, uint8_t rights,
		     uint64_t attrs) PGW_REQUIRES_SHARED(mm)
{
	const struct pgw_map_args args = {
		.first = first, .last = end - 1, .pa = first, .rights = rights, .attrs = attrs
	};

	require(pgw_mm_map(mm, &args), "mapping this program");
}

void map_image(struct pgw_mm *mm)
{
	const uint8_t rx = PGW_KERNEL_R | PGW_KERNEL_X, rw = PGW_KERNEL_R | PGW_KERNEL_W;

	require(pgw_mmap_write_lock(mm), "lock");
	map_here(mm, (uintptr_t)image_text, (uintptr_t)image_data, rx, machine.memory_attrs);
	map_here(mm, (uintptr_t)image_data, (uintptr_t)image_end, rw, machine.memory_attrs);
	for (const struct device *device = machine.devices; device->last; device++)
		map_here(mm, device->first, device->last + 1, rw, machine.device_attrs);
	require(pgw_mmap_write_unlock(mm), "lock");
}

/* ---- what the compiler and the library call ---- */

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

void *memcpy(void *to, const void *from, size_t size)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	while (size--)
		*t++ = *f++;
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	if ((uintptr_t)t < (uintptr_t)f)
		return memcpy(to, from, size);
	while (size--)
		t[size] = f[size];
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	unsigned char *t = to;

	while (size--)
		*t++ = (unsigned char)byte;
	return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const unsigned char *x = a, *y = b;

	for (; size; size--, x++, y++) {
		if (*x != *y)
			return *x < *y ? -1 : 1;
	}
	return 0;
}
