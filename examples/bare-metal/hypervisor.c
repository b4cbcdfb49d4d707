/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A hypervisor of one guest, on riscv64 with the hypervisor extension: the library makes the tables of
 * the second stage (hgatp), and changes them while the guest lives: its memory comes when it is written
 * to, what it writes to is logged, and a device is emulated. Each fault of the guest is held beside
 * what the library says of its address. The hypervisor's own addresses are not translated here.
 *
 * Privileged Architecture, "H" Extension: hstatus, hgatp, htval, "Hypervisor Memory-Management Fence".
 */

#include "guest.h"
#include "metal.h"

#define HGATP_SV39X4 (UINT64_C(8) << 60)
#define CAUSE_ECALL_FROM_VS 10
#define CAUSE_GUEST_FETCH 20
#define CAUSE_GUEST_LOAD 21
#define CAUSE_GUEST_STORE 23
#define BLOCK_LG2 21

enum { RA = 1, A0 = 10, A7 = 17 };

struct vcpu {
	uint64_t x[32];
	uint64_t pc;
	uint64_t host_sp; /* guest.S's */
};

_Static_assert(offsetof(struct vcpu, pc) == VCPU_PC &&
		       offsetof(struct vcpu, host_sp) == VCPU_HOST_SP,
	       "guest.S knows them");

void guest_run(struct vcpu *vcpu);
extern unsigned char guest_code[];

static unsigned char block[1 << BLOCK_LG2] __attribute__((aligned(1 << BLOCK_LG2)));

static struct {
	struct pgw_mm *mm; /* the guest's addresses */
	struct vcpu vcpu;
	bool is_logging;
	unsigned nr_faults, nr_different;
} vm;

/* ---- the second stage ---- */

/* An mm of a guest has no VMAs, and nobody frees its tables: to change what one owns, read will do. */
static void map(uint64_t gpa, uint64_t pa, uint64_t size, uint8_t rights)
{
	const struct pgw_map_args args = { .first = gpa,
					   .last = gpa + (size - 1),
					   .pa = pa,
					   .rights = rights,
					   .attrs = machine.memory_attrs };

	require(pgw_mmap_read_lock(vm.mm), "lock");
	require(pgw_mm_map(vm.mm, &args), "map");
	require(pgw_mmap_read_unlock(vm.mm), "lock");
}

static void protect(uint64_t gpa, uint64_t size, uint8_t rights)
{
	require(pgw_mmap_read_lock(vm.mm), "lock");
	require(pgw_mm_protect(vm.mm, gpa, gpa + (size - 1), rights), "protect");
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

/* HFENCE.GVMA, of all that any guest has. */
void metal_flush(uint64_t first, uint64_t last)
{
	(void)first, (void)last;
	__asm__ volatile(".4byte 0x62000073" : : : "memory");
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
static bool call(void)
{
	vm.vcpu.pc += 4;
	if (vm.vcpu.x[A7] == CALL_LOG)
		start_log();
	else if (vm.vcpu.x[A7] == CALL_LOGGED)
		end_log();
	return vm.vcpu.x[A7] != CALL_END;
}

static void store_fault(uint64_t gpa, const struct pgw_translation *t)
{
	uint64_t page = gpa & ~(PAGE_SIZE - 1);

	if (gpa == GUEST_UART) {
		machine_put((char)vm.vcpu.x[A0]);
		vm.vcpu.pc += 4;
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

static void fault(uint64_t cause, uint64_t gpa)
{
	struct pgw_translation t = translate(gpa);

	if (cause == CAUSE_GUEST_STORE) {
		check(gpa, &t, PGW_KERNEL_W);
		store_fault(gpa, &t);
	} else if (cause == CAUSE_GUEST_FETCH) {
		check(gpa, &t, PGW_KERNEL_X);
		print("a fetch from %x: %s, goes back\n", gpa, rights_text(t.rights));
		vm.vcpu.pc = vm.vcpu.x[RA];
	} else {
		print("trap %u at %x\n", cause, gpa);
		die("the guest does what it should not");
	}
}

static void run(void)
{
	for (;;) {
		uint64_t cause, htval, stval;

		guest_run(&vm.vcpu);
		__asm__ volatile("csrr %0, scause" : "=r"(cause));
		__asm__ volatile("csrr %0, 0x643"
				 : "=r"(htval)); /* htval: the address, two bits down */
		__asm__ volatile("csrr %0, stval" : "=r"(stval));
		if (cause != CAUSE_ECALL_FROM_VS)
			fault(cause, htval << 2 | (stval & 3));
		else if (!call())
			return;
	}
}

/* What the guest wrote is where the library says, and nothing else is. */
static void check_memory(void)
{
	for (uint64_t gpa = GUEST_RAM; gpa < GUEST_RAM + GUEST_RAM_PAGES * PAGE_SIZE;
	     gpa += PAGE_SIZE) {
		struct pgw_translation t = translate(gpa);

		if (t.kind != PGW_ENTRY_LEAF || *(const uint64_t *)(uintptr_t)t.pa != gpa)
			vm.nr_different++;
	}
	if (*(const uint64_t *)(const void *)(block + 5 * PAGE_SIZE + 8) !=
	    GUEST_BLOCK + 5 * PAGE_SIZE)
		vm.nr_different++;
}

_Noreturn void metal_main(void)
{
	const struct pgw_mm_new_args args = { .platform = metal_platform(),
					      .format = pgw_format_by_name("riscv-sv39x4"),
					      .region = PGW_REGION_FOREIGN,
					      .control = machine.control };

	require(pgw_mm_new(&args, &vm.mm), "the guest's mm");
	map(GUEST_CODE, (uintptr_t)guest_code, PAGE_SIZE, PGW_KERNEL_R | PGW_KERNEL_X);
	map(GUEST_BLOCK, (uintptr_t)block, sizeof(block), PGW_KERNEL_R | PGW_KERNEL_W);
	print_tables("in the beginning");
	__asm__ volatile("csrw 0x680, %0" : : "r"(HGATP_SV39X4 | pgw_mm_root(vm.mm).pa >> 12));
	metal_flush(0, UINT64_MAX);
	vm.vcpu.pc = GUEST_CODE;
	run();
	check_memory();
	print("the guest has ended: %u faults, %u differences\n", (uint64_t)vm.nr_faults,
	      (uint64_t)vm.nr_different);
	machine_off();
}
