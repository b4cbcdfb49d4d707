/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A hypervisor of one guest, by AMD's SVM, arm64's EL2 or the hypervisor extension of riscv64: the
 * library makes the tables of the second stage, and changes them while the guest lives: its memory comes when it is
 * written to, what it writes to is logged, and a device is emulated. Each fault of the guest is held
 * beside what the library says of its address.
 */

#include "metal.h"
#include "vm.h"

enum { BLOCK_LG2 = 21 };

static unsigned char block[1 << BLOCK_LG2] __attribute__((aligned(1 << BLOCK_LG2)));

static struct {
	struct pgw_mm *mm; /* the guest's addresses */
	bool is_logging;
	bool is_flush_held; /* nothing is forgotten meanwhile */
	unsigned nr_flushes_due;
	unsigned nr_faults, nr_different;
} vm;

/* ---- the second stage ---- */

/* Where a guest's kernel and its user are told apart, the same for both. */
static uint8_t guest_rights(uint8_t rights)
{
	return pgw_mm_region(vm.mm)->actor[1] ? (uint8_t)(rights | rights << 3) : rights;
}

/* An mm of a guest has no VMAs, and nobody frees its tables: to change what one owns, read will do. */
static void map(uint64_t gpa, uint64_t pa, uint64_t size, uint8_t rights)
{
	const struct pgw_map_args args = { .first = gpa,
					   .last = gpa + (size - 1),
					   .pa = pa,
					   .rights = guest_rights(rights),
					   .attrs = vm_memory_attrs() };

	require(pgw_mmap_read_lock(vm.mm), "lock");
	require(pgw_mm_map(vm.mm, &args), "map");
	require(pgw_mmap_read_unlock(vm.mm), "lock");
}

static void protect(uint64_t gpa, uint64_t size, uint8_t rights)
{
	require(pgw_mmap_read_lock(vm.mm), "lock");
	require(pgw_mm_protect(vm.mm, gpa, gpa + (size - 1), guest_rights(rights)), "protect");
	require(pgw_mmap_read_unlock(vm.mm), "lock");
}

static void unmap(uint64_t gpa, uint64_t size)
{
	require(pgw_mmap_read_lock(vm.mm), "lock");
	require(pgw_mm_unmap(vm.mm, gpa, gpa + (size - 1), PGW_UNMAP_SPLIT), "unmap");
	require(pgw_mmap_read_unlock(vm.mm), "lock");
}

static struct pgw_translation translate(uint64_t gpa)
{
	struct pgw_translation ret;

	require(pgw_mmap_read_lock(vm.mm), "lock");
	require(pgw_translate(vm.mm, gpa, &ret), "translate");
	require(pgw_mmap_read_unlock(vm.mm), "lock");
	return ret;
}

static int print_extent(const struct pgw_extent *extent, void *arg)
{
	(void)arg;
	print("  %x-%x %s in leaves of %uK\n", extent->va_first, extent->va_last,
	      rights_text(extent->rights), (UINT64_C(1) << extent->leaf_lg2) / 1024);
	return 0;
}

static void print_tables(const char *when)
{
	const struct pgw_region *region = pgw_mm_region(vm.mm);

	print("the guest's memory %s:\n", when);
	require(pgw_mmap_read_lock(vm.mm), "lock");
	require(pgw_scan_extents(vm.mm, region->first, region->last, print_extent, NULL), "scan");
	require(pgw_mmap_read_unlock(vm.mm), "lock");
}

void metal_flush(uint64_t first, uint64_t last)
{
	(void)first, (void)last;
	if (vm.is_flush_held)
		vm.nr_flushes_due++;
	else
		vm_flush();
}

/* ---- why the guest was left ---- */

static void start_log(void)
{
	print("all is read-only, to see what is written to\n");
	protect(GUEST_RAM, GUEST_RAM_PAGES * PAGE_SIZE, PGW_KERNEL_R);
	protect(GUEST_BLOCK, UINT64_C(1) << BLOCK_LG2, PGW_KERNEL_R);
	vm.is_logging = true;
}

/* Tables go, so nobody may be at them: the lock for write. */
static void end_log(void)
{
	print_tables("when all that was written to is writable");
	vm.is_logging = false;
	protect(GUEST_BLOCK, UINT64_C(1) << BLOCK_LG2, PGW_KERNEL_R | PGW_KERNEL_W);
	require(pgw_mmap_write_lock(vm.mm), "lock");
	require(pgw_mm_collapse(vm.mm, GUEST_BLOCK, BLOCK_LG2), "collapse");
	require(pgw_mmap_write_unlock(vm.mm), "lock");
	print_tables("in the end");
}

/* @return false: the guest has ended */
static bool call(unsigned nr)
{
	if (nr == CALL_LOG)
		start_log();
	else if (nr == CALL_LOGGED)
		end_log();
	return nr != CALL_END;
}

static void store_fault(uint64_t gpa, const struct pgw_translation *t)
{
	uint64_t page = gpa & ~(PAGE_SIZE - 1);

	if (gpa == GUEST_UART) {
		machine_put(vm_stored_byte());
		return;
	}
	print("a store to %x: %s", gpa,
	      t->kind == PGW_ENTRY_LEAF ? rights_text(t->rights) : "nothing");
	if (t->kind == PGW_ENTRY_LEAF && vm.is_logging) {
		print(", it is written to\n");
		protect(page, PAGE_SIZE, PGW_KERNEL_R | PGW_KERNEL_W);
	} else if (t->kind != PGW_ENTRY_LEAF && gpa >= GUEST_RAM && gpa < GUEST_BLOCK) {
		void *memory = pages_alloc(PAGE_SIZE);

		print(", gets a page\n");
		require(memory ? 0 : -PGW_ENOMEM, "memory");
		map(page, (uintptr_t)memory, PAGE_SIZE, PGW_KERNEL_R | PGW_KERNEL_W);
	} else {
		die("the guest stores where it has nothing");
	}
}

/* The CPU refused: so does the library? */
static void check(uint64_t gpa, const struct pgw_translation *t, uint8_t right)
{
	vm.nr_faults++;
	if (t->kind != PGW_ENTRY_LEAF || !(t->rights & right))
		return;
	vm.nr_different++;
	print("%x: library %s, CPU faults: DIFFERENT\n", gpa, rights_text(t->rights));
}

static void fault(enum vm_exit why, uint64_t gpa)
{
	struct pgw_translation t = translate(gpa);

	if (why == VM_STORE) {
		check(gpa, &t, PGW_KERNEL_W);
		store_fault(gpa, &t);
	} else if (why == VM_FETCH) {
		check(gpa, &t, PGW_KERNEL_X);
		print("a fetch from %x: %s, goes back\n", gpa, rights_text(t.rights));
		vm_return();
	} else {
		print("left at %x, because %u\n", gpa, (uint64_t)why);
		die("the guest does what it should not");
	}
}

static void run(void)
{
	for (;;) {
		uint64_t gpa;
		enum vm_exit why = vm_run(&gpa);

		if (why != VM_CALL)
			fault(why, gpa);
		else if (!call(vm_call()))
			return;
	}
}

/*
 * Who leaves a guest makes some CPUs forget all that they know of it, and a fence that is missing shows
 * nowhere; but not who reads its memory from outside.
 */
static void move_page(void)
{
	const uint64_t gpa = GUEST_BLOCK + (UINT64_C(1) << BLOCK_LG2);
	uint64_t *old = pages_alloc(PAGE_SIZE), *new = pages_alloc(PAGE_SIZE);
	uint64_t last;

	require(old && new ? 0 : -PGW_ENOMEM, "memory");
	*old = 1;
	*new = 2;
	map(gpa, (uintptr_t)old, PAGE_SIZE, PGW_KERNEL_R);
	print("a page that moves: the CPU reads %u", vm_load(gpa));
	vm.is_flush_held = true;
	unmap(gpa, PAGE_SIZE);
	map(gpa, (uintptr_t) new, PAGE_SIZE, PGW_KERNEL_R);
	print(", before the fence still %u", vm_load(gpa));
	vm.is_flush_held = false;
	if (vm.nr_flushes_due)
		vm_flush();
	last = vm_load(gpa);
	print(", after it %u\n", last);
	vm.nr_different += last != *new;
	unmap(gpa, PAGE_SIZE);
}

/* What the guest wrote is where the library says, and nothing else is. */
static void check_memory(void)
{
	for (uint64_t gpa = GUEST_RAM; gpa < GUEST_RAM + GUEST_RAM_PAGES * PAGE_SIZE;
	     gpa += PAGE_SIZE) {
		struct pgw_translation t = translate(gpa);

		if (t.kind != PGW_ENTRY_LEAF || *(const uint32_t *)(uintptr_t)t.pa != gpa)
			vm.nr_different++;
	}
	if (*(const uint32_t *)(const void *)(block + 5 * PAGE_SIZE + 8) !=
	    GUEST_BLOCK + 5 * PAGE_SIZE)
		vm.nr_different++;
}

_Noreturn void metal_main(void)
{
	const struct pgw_mm_new_args args = { .platform = metal_platform(),
					      .format = pgw_format_by_name(vm_format),
					      .region = PGW_REGION_FOREIGN,
					      .control = vm_control(),
					      .nr_root_items = vm_nr_root_items };

	require(pgw_mm_new(&args, &vm.mm), "the guest's mm");
	map(GUEST_CODE, (uintptr_t)guest_code, PAGE_SIZE, PGW_KERNEL_R | PGW_KERNEL_X);
	map(GUEST_BLOCK, (uintptr_t)block, sizeof(block), PGW_KERNEL_R | PGW_KERNEL_W);
	print_tables("in the beginning");
	vm_init(pgw_mm_root(vm.mm).pa);
	if (vm_load)
		move_page();
	run();
	check_memory();
	print("the guest has ended: %u faults, %u differences\n", (uint64_t)vm.nr_faults,
	      (uint64_t)vm.nr_different);
	machine_off();
}
