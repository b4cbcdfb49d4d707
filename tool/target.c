/* SPDX-License-Identifier: BSD-2-Clause */
#include "target.h"

#include "confine.h"
#include "foreign.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "names.h"
#include "process.h"

#define STANDARD_INPUT "standard input"

/* The longest that the library takes, and the head of the note. */
#define MAX_VMCOREINFO ((128 << 10) + 24)

static void memory_show(void *arg, uint64_t done, uint64_t total)
{
	const struct progress_step step = {
		.what = "looking through memory", .nr = done, .done = done, .total = total
	};

	progress_show((struct progress *)arg, &step);
}

/* Tables are looked at: here is where it ends before. */
static int look_show(void *arg, const struct pgw_look *now)
{
	const struct progress_step step = {
		.what = "reading page tables",
		.unit = "tables",
		.nr = now->nr_tables,
		.done = now->nr_done,
		.total = now->nr_all,
	};

	/* Memory is looked through: memory_show() tells how far that is. */
	if (now->nr_all)
		progress_show((struct progress *)arg, &step);
	return interrupt_signal() ? TARGET_STOPPED : 0;
}

void target_progress(struct target *target, const char *what, uint64_t done, uint64_t total)
{
	const struct progress_step step = {
		.what = what, .nr = done, .done = done, .total = total
	};

	progress_show(&target->progress, &step);
}

void target_progress_end(struct target *target)
{
	progress_end(&target->progress);
}

static void unpacking_announce(const char *file, const struct pgw_unpacking *now)
{
	message("%s: %s%s%s it into a temporary file in %s (TMPDIR chooses another folder), which "
		"is "
		"gone when this ends",
		file, now->packing ? "packed by " : "", now->packing ? now->packing : "",
		now->packing ? ": unpacking" : "reading", now->folder);
}

static void unpacking_damage(const char *file, const struct pgw_unpacking *now)
{
	if (now->damage == PGW_DAMAGE_CUT)
		message("%s: the packed file (%s) was cut: it ends at byte %" PRIu64
			"; what comes before is read",
			file, now->packing, now->damage_at);
	else if (now->damage == PGW_DAMAGE_BROKEN)
		message("%s: the packed file (%s) is damaged: from byte %" PRIu64
			" on it cannot be unpacked; what comes before is read",
			file, now->packing, now->damage_at);
	else if (now->damage == PGW_DAMAGE_CHECKSUM)
		message("%s: the packed file (%s) is damaged: the checksum at byte %" PRIu64
			" is not that of what was unpacked",
			file, now->packing, now->damage_at);
}

/* Said when it takes long: a short one is gone before anybody looks for it. */
static void unpacking_show(void *arg, const struct pgw_unpacking *now)
{
	struct progress *progress = (struct progress *)arg;
	const char *file = strcmp(now->path, "-") == 0 ? STANDARD_INPUT : now->path;
	const struct progress_step step = {
		.what = now->packing ? "unpacking" : "reading",
		.nr = now->total ? now->nr_read : now->size,
		.done = now->nr_read,
		.total = now->total,
	};

	if (!progress->is_announced && progress_is_due(progress)) {
		unpacking_announce(file, now);
		progress->is_announced = true;
	}
	if (!now->is_done) {
		progress_show(progress, &step);
		return;
	}
	if (progress->is_announced) {
		progress_end(progress);
		message("%s: it came to %" PRIu64 " MiB, of which %" PRIu64 " MiB take space in %s",
			file, now->size >> 20, now->disk_size >> 20, now->folder);
	}
	progress_end(progress);
	unpacking_damage(file, now);
}

/* Nothing that follows is what the headers say, so every command says this. */
static void target_warn_shift(const struct target *target)
{
	int64_t shift = pgw_image_get_info(target->image)->shift;

	if (shift)
		message("%s: memory is read %" PRIu64
			" bytes %s where the headers say: the notes and the file are so much %s",
			target->file, shift < 0 ? -(uint64_t)shift : (uint64_t)shift,
			shift < 0 ? "before" : "behind", shift < 0 ? "shorter" : "longer");
}

/** An image's memory, so many bytes behind where it is read; within each of its ranges. */
struct shifted {
	const struct pgw_phys *phys;
	int64_t shift;
};

static int shifted_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
	const struct shifted *shifted = phys->ctx;

	return pgw_phys_read(shifted->phys, pa + (uint64_t)shifted->shift, buf, len);
}

static bool shifted_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *ret_first,
			       uint64_t *ret_last)
{
	const struct shifted *shifted = phys->ctx;
	uint64_t lost = (uint64_t)(shifted->shift < 0 ? -shifted->shift : shifted->shift);
	uint64_t first, last;

	for (;; pa = last + 1) {
		if (!shifted->phys->ops->next_range(shifted->phys, pa, &first, &last))
			return false;
		*ret_first = shifted->shift < 0 ? first + lost : first;
		*ret_last = shifted->shift < 0 ? last : last - lost;
		if (last - first >= lost && *ret_last >= pa)
			return true;
		if (last == UINT64_MAX)
			return false;
	}
}

/* The file is not opened again, which a sandbox may refuse. */
static bool shift_proves_itself(const struct target *target, int64_t shift)
{
	static const struct pgw_phys_ops ops = { .read = shifted_read,
						 .next_range = shifted_next_range };
	const struct pgw_image_info *info = pgw_image_get_info(target->image);
	const struct pgw_image_options opts = { .arch = info->arch, .workers = &target->workers };
	struct shifted shifted = { pgw_image_phys(target->image), shift };
	const struct pgw_phys phys = { &ops, &shifted };
	struct pgw_root_info root;
	struct pgw_image *image;
	bool ret;

	if (pgw_image_open_phys(&phys, false, &opts, &image, NULL))
		return false;
	ret = pgw_image_kernel_root(image, &root, NULL) == 0 && root.proof == PGW_PROOF_PASSED;
	pgw_image_close(image);
	return ret;
}

/*
 * The notes of a core end elsewhere than its headers say, and the file does not agree: memory may lie
 * elsewhere, too. If the kernel's root proves itself there, nothing is said of what is where the headers say.
 */
static int target_check_shift(const struct target *target)
{
	int64_t shift = pgw_image_get_info(target->image)->possible_shift;
	bool is_proved = shift && shift_proves_itself(target, shift);

	if (!shift)
		return TOOL_DONE;
	if (is_proved)
		message("%s: the kernel's root proves itself where the notes end, and the headers "
			"say that memory begins elsewhere: --shift=%" PRId64
			" reads it there (--shift=0 as the headers say)",
			target->file, shift);
	else
		message("%s: the notes do not end where the headers say that memory begins; "
			"--shift=%" PRId64 " reads it where they end",
			target->file, shift);
	return is_proved ? TOOL_UNREADABLE : TOOL_DONE;
}

void target_explain_gaps(const struct target *target)
{
	const struct pgw_image_info *info = pgw_image_get_info(target->image);

	if (info->excluded_bytes)
		message("%s: %" PRIu64 " KiB of memory were left out on purpose when the dump was "
			"made; what lies there is excluded, not lost",
			target->file, info->excluded_bytes >> 10);
	if (info->lacks_zeroes)
		message("%s: memory that was nothing but zeroes may have been left out when the "
			"dump "
			"was made; what is missing may be that",
			target->file);
	if (info->nr_gaps && !target->zero_fill)
		message("%s: %" PRIu64 " segments hold less than they claim, as makedumpfile -E "
			"leaves out pages of zeroes: --zero-fill reads what is missing as zeroes",
			target->file, info->nr_gaps);
}

static void explain_part(const struct target *target)
{
	const struct pgw_image_info *info = pgw_image_get_info(target->image);

	if (info->lacks_part)
		message("%s: a part of the split dump is missing%s%s: it has the memory from "
			"0x%" PRIx64 " to 0x%" PRIx64 "; --part gives it",
			target->file, info->missing_part ? ", " : "",
			info->missing_part ? info->missing_part : "", info->missing_part_first,
			info->missing_part_last);
}

void target_explain_unreadable(const struct target *target)
{
	const struct pgw_image_info *info = pgw_image_get_info(target->image);

	if (report_is_cut(info))
		message("%s: the file was cut: it ends at byte %" PRIu64
			", by its headers at byte %" PRIu64,
			target->file, info->file_size, info->said_size);
	explain_part(target);
	target_explain_gaps(target);
}

void target_explain_no_root(const struct target *target)
{
	message("%s: no page-table root was found in it", target->file);
	target_explain_unreadable(target);
}

/* All of --vmcoreinfo's file, if it is no longer than any note with such a text. */
static int vmcoreinfo_read(struct target *target, const char *path)
{
	FILE *file = fopen(path, "re");
	size_t size;

	target->vmcoreinfo_bytes = malloc(MAX_VMCOREINFO + 1);
	if (!file || !target->vmcoreinfo_bytes) {
		message("%s: %s", path, strerror(errno));
		if (file)
			fclose(file);
		return TOOL_UNREADABLE;
	}
	size = fread(target->vmcoreinfo_bytes, 1, MAX_VMCOREINFO + 1, file);
	if (ferror(file)) {
		message("%s: %s", path, strerror(errno));
		fclose(file);
		return TOOL_UNREADABLE;
	}
	fclose(file);
	if (pgw_vmcoreinfo_read(target->vmcoreinfo_bytes, size, &target->vmcoreinfo) == 0)
		return TOOL_DONE;
	message("%s: expected a VMCOREINFO of at most 128 KiB: KEY=VALUE lines, or an ELF note",
		path);
	return TOOL_UNREADABLE;
}

/* Of a file that was cut, that is the reason; of raw memory, whoever knows a root can say it. */
static int fail_kernel_root(const struct target *target, const struct pgw_error *err)
{
	const struct pgw_image_info *info = pgw_image_get_info(target->image);
	char text[512];

	pgw_error_format(err, text, sizeof(text));
	if (err->status == -PGW_ENOENT && !info->arch && !info->elf_machine) {
		message("%s: %s; --root and --format say where tables are and how to read them",
			target->file, text);
		return TOOL_UNREADABLE;
	}
	explain_part(target);
	if (!report_is_cut(info) || err->status != -PGW_ENOENT)
		return message_error(target->file, err);
	message("%s: the file was cut: it ends at byte %" PRIu64 ", by its headers at byte %" PRIu64
		"; the tables are not in what is left (%s)",
		target->file, info->file_size, info->said_size, text);
	return TOOL_UNREADABLE;
}

/* What was asked for must be there, whatever the command goes on to do. */
static int check_kernel(struct target *target, const struct options *opts)
{
	struct pgw_error err = { 0 };
	struct pgw_root_info root;
	const struct pgw_kernel *list;
	bool is_all;
	size_t nr;

	if (!opts->kernel && !opts->vmcoreinfo)
		return TOOL_DONE;
	if (target_kernel_root(target, &root, &err) == 0)
		return TOOL_DONE;
	if (!opts->kernel || err.status != -PGW_ENOENT ||
	    pgw_image_kernels_known(target->image, &list, &nr, &is_all) < 0 || !nr)
		return fail_kernel_root(target, &err);
	message("%s: --kernel %s: it has %zu kernel%s, and this is not the number of one or the "
		"release of one alone (roots lists them)",
		target->file, opts->kernel, nr, nr == 1 ? "" : "s");
	return TOOL_USAGE;
}

/* No other machine has such a bit. */
static int check_encryption(const struct target *target, const struct options *opts)
{
	const char *arch = pgw_image_get_info(target->image)->arch;

	if (!option_given(opts, OPT_ENCRYPTION) || !arch || strcmp(arch, "x86_64") == 0)
		return TOOL_DONE;
	message("--encryption-bit is for x86_64; this is the memory of a machine of type %s", arch);
	return TOOL_USAGE;
}

/* The names of registers: of the machine, or of one group but the one named. */
static void register_names(const struct target *target, const struct pgw_register *except,
			   char *text, size_t size)
{
	struct pgw_register now;
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; pgw_image_register(target->image, 0, i, &now) && len < size; i++) {
		if (except && (now.group != except->group || strcmp(now.name, except->name) == 0))
			continue;
		len += (size_t)snprintf(text + len, size - len, "%s%s", len ? ", " : "", now.name);
	}
}

static void register_find(const struct target *target, const char *name, struct pgw_register *ret)
{
	for (size_t i = 0; pgw_image_register(target->image, 0, i, ret); i++) {
		if (strcasecmp(ret->name, name) == 0)
			return;
	}
}

static int give_registers(struct target *target, const struct options *opts)
{
	const char *arch = pgw_image_get_info(target->image)->arch;
	struct pgw_register now = { .name = "" };
	char names[256];
	size_t bad = 0;
	int status;

	if (!opts->nr_registers)
		return TOOL_DONE;
	status = pgw_image_give_registers(target->image, opts->registers, opts->nr_registers, &bad);
	if (!status)
		return TOOL_DONE;
	if (status == -PGW_ENOENT && !arch) {
		message("--register: it is not known what machine %s is of; of raw memory, "
			"--format says it",
			target->file);
	} else if (status == -PGW_ENOENT) {
		register_names(target, NULL, names, sizeof(names));
		message("--register: %s has no register '%s' that tables go by; it has %s", arch,
			opts->registers[bad].name, names);
	} else if (status == -PGW_EINVAL) {
		register_find(target, opts->registers[bad].name, &now);
		register_names(target, &now, names, sizeof(names));
		message("--register: %s says nothing without %s", now.name, names);
	} else {
		return target_fail(target, status);
	}
	return TOOL_USAGE;
}

/* Where raw memory is follows from its tables, so a bit that is not right leads to no kernel. */
static int fail_open(const struct target *target, const struct options *opts,
		     const struct pgw_error *err)
{
	char text[512];

	if (err->status != -PGW_ENOEXEC || !option_given(opts, OPT_ENCRYPTION))
		return message_error(target->file, err);
	pgw_error_format(err, text, sizeof(text));
	message("%s: %s (no other bit was tried than --encryption-bit says)",
		err->file ? err->file : target->file, text);
	return TOOL_UNREADABLE;
}

/* Of a hypervisor's or an IOMMU's tables: not of the machine's own, and so of no machine type. */
static bool is_foreign(const struct pgw_format *format)
{
	return pgw_format_region(format, PGW_REGION_FOREIGN) != NULL;
}

/* What does not go with --format, whatever the command does with it. */
static int check_format(const struct options *opts)
{
	const bool is_foreign_root = !opts->is_inside && (option_given(opts, OPT_VM) ||
							  option_given(opts, OPT_DEVICE));
	const char *name = opts->format ? pgw_format_name(opts->format) : NULL;

	if (!name)
		return TOOL_DONE;
	if (is_foreign_root) {
		message("--format: with --vm or --device the format is known; it says how to read "
			"a "
			"--root inside");
		return TOOL_USAGE;
	}
	if (is_foreign(opts->format) && opts->root != ROOT_PA) {
		message("--format %s: say with --root where the root is", name);
		return TOOL_USAGE;
	}
	/* Roots of other formats hold both halves. */
	if (opts->va_bits && !is_foreign(opts->format) && !pgw_format_is_split(opts->format)) {
		message("--format %s:%u: roots of that format are always whole", name,
			opts->va_bits);
		return TOOL_USAGE;
	}
	return TOOL_DONE;
}

static int open_image(struct target *target, const struct options *opts,
		      const struct pgw_image_options *image_opts)
{
	struct pgw_error err = { 0 };
	int status = pgw_image_open(opts->args[0], image_opts, &target->image, &err);

	progress_end(&target->progress);
	if (status < 0)
		return fail_open(target, opts, &err);
	target_warn_shift(target);
	status = target_check_shift(target);
	return status == TOOL_DONE ? check_encryption(target, opts) : status;
}

/* Where memory is, the options say of the host; what system is in it, of the guest. */
static int open_host(struct target *target, const struct options *opts,
		     const struct pgw_image_options *image_opts)
{
	struct pgw_image_options host_opts = *image_opts;

	host_opts.kernel = NULL;
	host_opts.vmcoreinfo = NULL;
	host_opts.symbols = NULL;
	return open_image(target, opts, &host_opts);
}

int target_open(struct target *target, const struct options *opts)
{
	struct pgw_image_options image_opts = {
		.ram = opts->ram,
		.nr_ram = opts->nr_ram,
		.arch = opts->format && !is_foreign(opts->format) ? pgw_format_arch(opts->format)
								  : NULL,
		.parts = opts->parts,
		.nr_parts = opts->nr_parts,
		.zero_fill = option_given(opts, OPT_ZERO_FILL),
		.has_shift = option_given(opts, OPT_SHIFT),
		.shift = opts->shift,
		.encryption = opts->encryption,
		.kernel = opts->kernel,
		.symbols = opts->symbols,
		.workers = &target->workers,
		.temporary_folder = getenv("TMPDIR"),
		.unpack_max = opts->unpack_max,
		.unpacking = unpacking_show,
		.progress = memory_show,
		.look = look_show,
		.progress_arg = &target->progress,
	};
	int ret;

	*target = (struct target){
		.file = strcmp(opts->args[0], "-") == 0 ? STANDARD_INPUT : opts->args[0],
		.zero_fill = image_opts.zero_fill,
		.workers = pgw_hosted_workers(0),
	};
	if (process_is_named(opts->args[0])) {
		message("%s: page tables of this machine's processes are not visible; dump shows "
			"their pages",
			opts->args[0]);
		return TOOL_USAGE;
	}
	if (check_format(opts) != TOOL_DONE)
		return TOOL_USAGE;
	if (opts->nr_ram && image_opts.zero_fill) {
		message("--zero-fill is for an ELF core; memory given with --ram has no gaps");
		return TOOL_USAGE;
	}
	if (opts->nr_ram && image_opts.has_shift) {
		message("--shift is for an ELF core; memory given with --ram is where that says");
		return TOOL_USAGE;
	}
	if (opts->nr_ram && opts->nr_parts) {
		message("--part is for a split dump; memory given with --ram has no parts");
		return TOOL_USAGE;
	}
	if (opts->vmcoreinfo) {
		ret = vmcoreinfo_read(target, opts->vmcoreinfo);
		if (ret != TOOL_DONE)
			return ret;
		image_opts.vmcoreinfo = &target->vmcoreinfo;
	}
	ret = opts->is_inside ? open_host(target, opts, &image_opts)
			      : open_image(target, opts, &image_opts);
	if (ret == TOOL_DONE && opts->is_inside)
		ret = foreign_enter(target, opts, &image_opts);
	if (ret == TOOL_DONE)
		ret = give_registers(target, opts);
	if (ret == TOOL_DONE)
		confine_image_opened(opts);
	return ret != TOOL_DONE ? ret : check_kernel(target, opts);
}

/* The lock was taken when it was attached. */
static void detach_half(struct target *target, enum pgw_region_kind half)
{
	if (target->mm[half])
		pgw_mmap_read_unlock(target->mm[half]);
	pgw_mm_free(target->mm[half]);
	target->mm[half] = NULL;
}

static void tell_pause(const struct target *target, uint64_t ns)
{
	message("%s: the machine stood still for %.3f ms", target->file, (double)ns / 1e6);
}

static void tell_stood(const struct target *target, uint64_t ns)
{
	if (ns)
		tell_pause(target, ns);
	else
		message("%s: the machine stood before, and was not started", target->file);
}

/* What was not copied was read of a machine that stands until now. */
static void tell_reading(const struct target *target)
{
	const struct pgw_image_info *info = pgw_image_get_info(target->image);
	uint64_t ns = pgw_image_stood_ns(target->image);

	if (info->is_live && info->stands_while_read && ns)
		tell_pause(target, ns);
}

void target_detach(struct target *target)
{
	for (enum pgw_region_kind half = 0; half < _PGW_REGION_MAX; half++)
		detach_half(target, half);
}

void target_close(struct target *target)
{
	if (target->image)
		tell_reading(target);
	target_detach(target);
	pgw_modules_close(target->modules);
	pgw_layout_close(target->layout);
	pgw_image_close(target->image);
	foreign_leave(target);
	free(target->vmcoreinfo_bytes);
}

int target_kernel_root(struct target *target, struct pgw_root_info *ret, struct pgw_error *err)
{
	int status = pgw_image_kernel_root(target->image, ret, err);

	progress_end(&target->progress);
	return status;
}

int target_roots(struct target *target, const struct pgw_root_info **ret_list, size_t *ret_nr)
{
	int status = pgw_image_roots(target->image, ret_list, ret_nr);

	progress_end(&target->progress);
	return status;
}

int target_kernels(struct target *target, const struct pgw_kernel **ret_list, size_t *ret_nr)
{
	int status = pgw_image_kernels(target->image, ret_list, ret_nr);

	progress_end(&target->progress);
	return status;
}

int target_vmcoreinfo(struct target *target, const struct pgw_vmcoreinfo **ret_list, size_t *ret_nr)
{
	int status = pgw_image_vmcoreinfo(target->image, ret_list, ret_nr);

	progress_end(&target->progress);
	return status;
}

int target_linux(struct target *target, struct pgw_linux *ret)
{
	int err = pgw_image_linux(target->image, ret);

	progress_end(&target->progress);
	if (!err)
		return TOOL_DONE;
	message("%s: %s", target->file, pgw_status_text(err));
	return TOOL_UNREADABLE;
}

static int choose_kernel_root(struct target *target)
{
	struct pgw_error err = { 0 };

	return target_kernel_root(target, &target->root, &err) < 0 ? fail_kernel_root(target, &err)
								   : TOOL_DONE;
}

/* Of several kernels, does this one have the root? */
static bool is_of_kernel(struct target *target, const struct pgw_root_info *root)
{
	const struct pgw_root_info *list;
	size_t nr = 0;

	if (target_roots(target, &list, &nr) < 0)
		return false;
	for (size_t i = 0; i < nr; i++) {
		if (list[i].root.pa == root->root.pa)
			return true;
	}
	return false;
}

void target_take_registers(struct target *target)
{
	const struct pgw_image_info *info = pgw_image_get_info(target->image);
	struct pgw_cpu cpu;

	if (!info->is_live || pgw_image_cpu(target->image, 0, &cpu) || cpu.known)
		return;
	/* What they are is not known then, and what wants them says so. */
	if (pgw_image_refresh_cpus(target->image) == 0 && info->paused_ns)
		tell_pause(target, info->paused_ns);
}

static int choose_cpu_root(struct target *target, const struct options *opts)
{
	unsigned cpu = (unsigned)opts->root_value;
	unsigned nr_cpus = pgw_image_get_info(target->image)->nr_cpus;
	struct pgw_root_info user;
	int err;

	target_take_registers(target);
	err = pgw_image_cpu_root(target->image, cpu, &target->root);

	progress_end(&target->progress);
	/* A CPU whose halves have each a root has two. */
	if (err == 0 && pgw_format_is_split(target->root.format) &&
	    opts->halves == REGION_BIT(PGW_REGION_USER) &&
	    pgw_image_cpu_user_root(target->image, cpu, &user) == 0)
		target->root = user;
	if (err == 0 && target->root.state == PGW_ROOT_GUEST) {
		message("%s: cpu%u ran a guest: its root 0x%" PRIx64
			" is an address in the guest's "
			"memory, as a VMCB says (at 0x%" PRIx64 ")",
			target->file, cpu, target->root.root.pa, target->root.evidence);
		return TOOL_UNREADABLE;
	}
	if (err == 0 && opts->kernel && !is_of_kernel(target, &target->root)) {
		message("%s: cpu%u does not run kernel %s", target->file, cpu, opts->kernel);
		return TOOL_USAGE;
	}
	if (err == 0)
		return TOOL_DONE;
	if (err == -PGW_EINVAL) {
		message("%s: there is no cpu%u: the image holds the registers of %u CPUs",
			target->file, cpu, nr_cpus);
		return TOOL_USAGE;
	}
	message("%s: cpu%u: the image does not hold the root it runs on", target->file, cpu);
	return TOOL_UNREADABLE;
}

/* An address does not say which half a root covers; the list of all roots may. */
static void choose_from_list(struct target *target, struct pgw_root_info *root)
{
	const struct pgw_root_info *list;
	size_t nr;

	if (target_roots(target, &list, &nr) < 0)
		return;
	for (size_t i = 0; i < nr; i++)
		if (list[i].root.pa == root->root.pa)
			*root = list[i];
}

/* What is known of another root's register says nothing of this one's. */
static void forget_root_controls(struct pgw_root_info *root)
{
	const struct pgw_control_bit *bit;

	for (bit = pgw_format_control_bits(root->format); bit->name; bit++) {
		if (bit->is_of_root)
			root->control.known &= ~bit->bit;
	}
	root->control.set &= root->control.known;
}

/* A root by its address is read as the image's others are, which a CPU's register tells soonest. */
/* A machine that waits for us is not looked through for more than what the options say of a root. */
static bool is_root_enough(const struct target *target, const struct options *opts)
{
	return opts->format && pgw_image_get_info(target->image)->stands_while_read;
}

int target_root_at(struct target *target, const struct options *opts, uint64_t pa,
		   struct pgw_root_info *ret)
{
	struct pgw_root_info root = { 0 }, kernel;
	bool has_root;

	if (opts->format && is_foreign(opts->format)) {
		*ret = (struct pgw_root_info){ .root.pa = pa, .format = opts->format };
		return TOOL_DONE;
	}
	has_root = !opts->kernel && pgw_image_cpu_root(target->image, 0, &root) == 0;

	/* A CPU may run a guest's code. */
	if ((!has_root || root.proof == PGW_PROOF_FAILED) && !is_root_enough(target, opts) &&
	    target_kernel_root(target, &kernel, NULL) == 0) {
		root = kernel;
		has_root = true;
	}
	if (!has_root && !opts->format) {
		/* Without a root of the kernel's, processes' may be known by their looks. */
		*ret = (struct pgw_root_info){ .root.pa = pa };
		choose_from_list(target, ret);
		if (ret->format)
			return TOOL_DONE;
		message("%s: nothing in the image tells the format of its tables; say it with "
			"--format",
			target->file);
		return TOOL_UNREADABLE;
	}
	*ret = (struct pgw_root_info){
		.root.pa = pa,
		.format = root.format,
		.control = root.control,
	};
	if (root.format)
		forget_root_controls(ret);
	if (root.format && pgw_format_is_split(root.format) && !is_root_enough(target, opts))
		choose_from_list(target, ret);
	return TOOL_DONE;
}

static bool has_same_arch(const struct pgw_format *a, const struct pgw_format *b)
{
	return a && b && strcmp(pgw_format_arch(a), pgw_format_arch(b)) == 0;
}

static int choose_tags(struct target *target, const struct options *opts)
{
	const char *arch = pgw_format_arch(target->root.format);

	if (!opts->tags)
		return TOOL_DONE;
	if (opts->tags->arch && strcmp(opts->tags->arch, arch) != 0) {
		message("--tags %s is of %s, the tables are of %s", opts->tags->name,
			opts->tags->arch, arch);
		return TOOL_USAGE;
	}
	tags_apply(opts->tags, target->root.format, &target->root.control);
	return TOOL_DONE;
}

void target_use_format(struct pgw_root_info *root, const struct options *opts)
{
	if (!opts->format)
		return;
	if (!has_same_arch(opts->format, root->format))
		root->control = (struct pgw_control){ 0 };
	root->format = opts->format;
}

/* What --format says after the name: how many items of the root there are. */
static int choose_items(struct target *target, const struct options *opts)
{
	const struct pgw_geometry *geo = pgw_format_geometry(target->root.format);
	unsigned span_lg2 = geo->span_lg2[geo->top_level];
	unsigned max_bits = span_lg2 + geo->slots_lg2[geo->top_level];

	if (!opts->va_bits && geo->is_root_concatenated && opts->root == ROOT_PA) {
		message("--format %s: the root can be several tables side by side; say how many "
			"bits addresses have, as --format %s:40",
			pgw_format_name(opts->format), pgw_format_name(opts->format));
		return TOOL_USAGE;
	}
	if (!opts->va_bits)
		return TOOL_DONE;
	if (opts->va_bits < span_lg2 || opts->va_bits > max_bits) {
		message("--format %s:%u: addresses of that format have %u to %u bits",
			pgw_format_name(opts->format), opts->va_bits, span_lg2, max_bits);
		return TOOL_USAGE;
	}
	target->root.root.nr_items = UINT32_C(1) << (opts->va_bits - span_lg2);
	return TOOL_DONE;
}

static int choose_root(struct target *target, const struct options *opts)
{
	uint64_t pa = opts->root_value;
	int status;

	if (!target->host && (option_given(opts, OPT_VM) || option_given(opts, OPT_DEVICE))) {
		status = foreign_root(target, opts, &target->root);
		return status == TOOL_DONE ? choose_tags(target, opts) : status;
	}
	switch (opts->root) {
	case ROOT_CPU:
		status = choose_cpu_root(target, opts);
		break;
	case ROOT_PA:
		status = opts->root_name ? names_root(target, opts->root_name, &pa) : TOOL_DONE;
		if (status == TOOL_DONE)
			status = target_root_at(target, opts, pa, &target->root);
		break;
	default:
		status = choose_kernel_root(target);
	}
	if (status != TOOL_DONE)
		return status;
	target_use_format(&target->root, opts);
	status = choose_items(target, opts);
	return status == TOOL_DONE ? choose_tags(target, opts) : status;
}

/* Formats whose entries say a memory type by MAIR_EL1. */
static bool has_memory_types(const struct pgw_format *format)
{
	const struct pgw_control unknown = { 0 };

	return pgw_control_assume(format, &unknown).known & PGW_CTL_MEMORY_TYPES;
}

int target_use_mair(struct pgw_root_info *root, const struct options *opts)
{
	if (!option_given(opts, OPT_MAIR))
		return TOOL_DONE;
	if (!has_memory_types(root->format)) {
		message("--mair: tables of format %s do not go by it",
			pgw_format_name(root->format));
		return TOOL_USAGE;
	}
	root->control.known |= PGW_CTL_MEMORY_TYPES;
	root->control.memory_types = opts->mair;
	return TOOL_DONE;
}

int target_choose_root(struct target *target, const struct options *opts)
{
	int status = choose_root(target, opts);

	return status != TOOL_DONE ? status : target_use_mair(&target->root, opts);
}

int target_choose_halves(const struct target *target, const struct options *opts,
			 unsigned otherwise, unsigned *ret)
{
	const struct pgw_format *format = target->root.format;
	bool is_split = pgw_format_is_split(format);

	if (is_foreign(format)) {
		*ret = REGION_BIT(PGW_REGION_FOREIGN);
		if (!opts->halves)
			return TOOL_DONE;
		message("--half: a root of format %s has no halves", pgw_format_name(format));
		return TOOL_USAGE;
	}
	if (is_split && opts->halves == ALL_REGIONS) {
		message("--half both: a root of format %s is of one half", pgw_format_name(format));
		return TOOL_USAGE;
	}
	if (is_split && !opts->halves && !target->root.has_user && !target->root.has_kernel) {
		message("root 0x%" PRIx64 ": the image does not tell which half it is of; say it "
			"with --half",
			target->root.root.pa);
		return TOOL_USAGE;
	}
	if (is_split && opts->root == ROOT_KERNEL && target->root.has_kernel &&
	    opts->halves == REGION_BIT(PGW_REGION_USER)) {
		message("--half user: the kernel's own root is of the kernel half; say with --root "
			"which process's");
		return TOOL_USAGE;
	}
	if (is_split && opts->halves && target->root.has_user != target->root.has_kernel &&
	    (opts->halves == REGION_BIT(PGW_REGION_USER)) != target->root.has_user) {
		message("root 0x%" PRIx64 " is of the %s half", target->root.root.pa,
			target->root.has_user ? "user" : "kernel");
		return TOOL_USAGE;
	}
	if (opts->halves)
		*ret = opts->halves;
	else
		*ret = !is_split               ? otherwise
		       : target->root.has_user ? REGION_BIT(PGW_REGION_USER)
					       : REGION_BIT(PGW_REGION_KERNEL);
	return TOOL_DONE;
}

static int fail_hold(const struct target *target, const struct options *opts, int err)
{
	switch (err) {
	case -PGW_EBUSY:
		message("%s: the machine would stand still for longer than %" PRIu64
			" ms (--max-pause): it runs, and nothing is shown",
			target->file, opts->max_pause_ms);
		break;
	case -PGW_EOPNOTSUPP:
		message("%s: the machine cannot be stopped, and what was asked for changes while "
			"it "
			"runs",
			target->file);
		break;
	case -PGW_EIO:
		message("%s: the machine does not answer any more", target->file);
		break;
	case -PGW_E2BIG:
		message("%s: more than 1048576 tables", target->file);
		break;
	default:
		message("%s: %s", target->file, pgw_status_text(err));
	}
	return TOOL_UNREADABLE;
}

int target_hold(struct target *target, const struct options *opts, bool is_all)
{
	const struct pgw_hold_what what = {
		.is_all = is_all,
		.root = is_all || opts->root != ROOT_PA ? NULL : &target->root,
		.has_cpus = opts->root == ROOT_CPU,
		.is_root_enough = is_root_enough(target, opts),
		.max_pause_ns = opts->max_pause_ms * 1000000,
	};
	int err = pgw_hold_tables(target->image, &what);

	progress_end(&target->progress);
	if (err)
		return fail_hold(target, opts, err);
	tell_stood(target, pgw_image_get_info(target->image)->paused_ns);
	return TOOL_DONE;
}

int target_stop(struct target *target)
{
	const struct pgw_phys *phys = pgw_image_phys(target->image);
	int err = phys->ops->pause ? phys->ops->pause(phys) : -PGW_EOPNOTSUPP;

	if (!err)
		return TOOL_DONE;
	message("%s: the machine cannot be stopped", target->file);
	return TOOL_UNREADABLE;
}

void target_resume(struct target *target)
{
	const struct pgw_phys *phys = pgw_image_phys(target->image);
	uint64_t ns = pgw_image_stood_ns(target->image);

	phys->ops->resume(phys);
	tell_stood(target, ns);
}

bool target_is_held_too_long(const struct target *target, const struct options *opts)
{
	if (!opts->max_pause_ms ||
	    pgw_image_stood_ns(target->image) <= opts->max_pause_ms * 1000000)
		return false;
	message("%s: the machine would stand still for longer than %" PRIu64
		" ms (--max-pause): it runs, and nothing is written",
		target->file, opts->max_pause_ms);
	return true;
}

void target_tell_running(const struct target *target)
{
	const struct pgw_image_info *info = pgw_image_get_info(target->image);

	if (info->is_live && info->runs)
		message("%s: the machine runs, so what is said of it is of no one moment "
			"(--consistent stops it)",
			target->file);
}

int target_hold_if_live(struct target *target, const struct options *opts)
{
	return pgw_image_get_info(target->image)->is_live ? target_hold(target, opts, true)
							  : TOOL_DONE;
}

int target_hold_if_asked(struct target *target, const struct options *opts)
{
	if (!pgw_image_get_info(target->image)->is_live || !option_given(opts, OPT_CONSISTENT))
		return TOOL_DONE;
	return target_hold(target, opts, true);
}

int target_hold_halves(struct target *target, const struct options *opts, unsigned halves)
{
	int status;

	if (!pgw_image_get_info(target->image)->is_live)
		return TOOL_DONE;
	/* The kernel's tables may be looked at while it runs; a user's are freed at any time. */
	if (!option_given(opts, OPT_CONSISTENT) && opts->style != STYLE_PTDUMP &&
	    halves == REGION_BIT(PGW_REGION_KERNEL) &&
	    !pgw_image_get_info(target->image)->stands_while_read)
		return TOOL_DONE;
	status = target_hold(target, opts, false);
	return status == TOOL_DONE ? target_choose_root(target, opts) : status;
}

static int attach_half(struct target *target, const struct options *opts, enum pgw_region_kind half)
{
	struct pgw_mm_attach_args args = {
		.platform = pgw_hosted_platform(),
		.format = target->root.format,
		.phys = pgw_image_phys(target->image),
		.root = target->root.root,
		.region = half,
		.control = target->root.control,
		.kernel_mm = half == PGW_REGION_USER ? target->mm[PGW_REGION_KERNEL] : NULL,
		.budget = opts->budget,
		.is_live = pgw_image_get_info(target->image)->is_live,
	};
	int err = pgw_mm_attach(&args, &target->mm[half]);

	if (err == -PGW_EINVAL) {
		message("root 0x%" PRIx64 ": no table of format %s can be there", args.root.pa,
			pgw_format_name(args.format));
		return TOOL_USAGE;
	}
	if (!err)
		err = pgw_mmap_read_lock(target->mm[half]);
	if (err) {
		message("%s: %s", target->file, pgw_status_text(err));
		return TOOL_UNREADABLE;
	}
	return TOOL_DONE;
}

int target_attach(struct target *target, const struct options *opts, unsigned halves)
{
	int status = TOOL_DONE;

	if (halves & REGION_BIT(PGW_REGION_KERNEL))
		status = attach_half(target, opts, PGW_REGION_KERNEL);
	if (status == TOOL_DONE && (halves & REGION_BIT(PGW_REGION_USER)))
		status = attach_half(target, opts, PGW_REGION_USER);
	if (halves & REGION_BIT(PGW_REGION_FOREIGN))
		status = attach_half(target, opts, PGW_REGION_FOREIGN);
	return status;
}

/* Which kernel's root it is, of several that are known. */
static struct report_choice kernel_choice(const struct target *target)
{
	struct report_choice choice = { 0 };
	const struct pgw_kernel *list;
	bool is_all;
	size_t nr;

	if (!target->root.kernel ||
	    pgw_image_kernels_known(target->image, &list, &nr, &is_all) < 0 || nr < 2)
		return choice;
	choice.nr = nr;
	choice.number = target->root.kernel;
	if (choice.number <= nr)
		choice.vmcoreinfo = list[choice.number - 1].vmcoreinfo;
	return choice;
}

struct report target_report(const struct target *target, const struct options *opts,
			    struct out *out)
{
	const struct pgw_mm *user = target->mm[PGW_REGION_USER];
	const struct pgw_mm *kernel = target->mm[PGW_REGION_KERNEL];
	const struct pgw_mm *foreign = target->mm[PGW_REGION_FOREIGN];

	return (struct report){
		.renderer = option_given(opts, OPT_JSON) ? &renderer_json : &renderer_text,
		.out = out,
		.format = target->root.format,
		.control = pgw_mm_control(user ? user : kernel ? kernel : foreign),
		.root_pa = target->root.root.pa,
		.assumes_memory_types =
			has_memory_types(target->root.format) &&
			!(target->root.control.known & PGW_CTL_MEMORY_TYPES),
		.region = {
			.has_half = { user, kernel, foreign },
			.has_range = option_given(opts, OPT_RANGE),
			.first = opts->first,
			.last = opts->last,
		},
		.choice = kernel_choice(target),
		.tags_given = opts->tags != NULL,
		.is_guess = report_is_guess(target->image),
	};
}

struct report_missing target_missing_tables(const struct target *target)
{
	struct report_missing missing = { 0 };
	unsigned halves = 0;

	for (int half = 0; half < _PGW_REGION_MAX; half++)
		halves |= target->mm[half] ? REGION_BIT(half) : 0;
	missing.is_cut =
		pgw_image_missing_tables(target->image, &target->root, halves, &missing.nr) != 0;
	return missing;
}

/* Ended by a signal, as a shell tells it of a program that a signal has killed. */
static int finish_interrupted(int status)
{
	int number = interrupt_signal();

	if (!number)
		return status;
	message("cut short by %s: what was found until then is all that was told",
		number == SIGINT ? "SIGINT" : "SIGTERM");
	return TOOL_SIGNAL + number;
}

int target_finish(struct out *out, int status)
{
	out_flush(out);
	if (!out_failed(out) && out->fd == STDOUT_FILENO && close(STDOUT_FILENO) < 0)
		out->os_errno = errno;
	if (out->os_errno == EPIPE)
		return TOOL_DONE;
	if (!out_failed(out))
		return finish_interrupted(status);
	message("standard output: %s", strerror(out->os_errno));
	return TOOL_UNREADABLE;
}

int target_fail(const struct target *target, int err)
{
	/* target_finish() says that a signal came. */
	if (err == -PGW_EINTR)
		return TOOL_FINDING;
	message("%s: %s", target->file, pgw_status_text(err));
	return err == -PGW_EINVAL ? TOOL_USAGE : TOOL_UNREADABLE;
}

int target_run(const struct options *opts, const struct target_job *job)
{
	struct target target;
	struct out out;
	int status;

	out_init(&out, STDOUT_FILENO, options_color(opts, STDOUT_FILENO));
	status = target_open(&target, opts);
	if (status == TOOL_DONE && job->holding == HOLD_IF_ASKED)
		status = target_hold_if_asked(&target, opts);
	if (status == TOOL_DONE && job->holding == HOLD_IF_LIVE)
		status = target_hold_if_live(&target, opts);
	if (status == TOOL_DONE && job->has_root && option_given(opts, OPT_ROOT))
		status = target_choose_root(&target, opts);
	if (status == TOOL_DONE)
		status = target_finish(&out, job->report(&target, opts, &out, job->arg));
	if (target.image && job->holding == HOLD_IF_ASKED)
		target_tell_running(&target);
	target_close(&target);
	return status;
}
