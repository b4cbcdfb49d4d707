/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/json_priv.h"

#include <ctype.h>
#include <string.h>

static void json_unpacked(struct json *json, const struct pgw_unpacking *unpacked)
{
	static const char *const damages[_PGW_DAMAGE_MAX] = {
		[PGW_DAMAGE_CUT] = "cut",
		[PGW_DAMAGE_BROKEN] = "broken",
		[PGW_DAMAGE_CHECKSUM] = "checksum",
	};

	if (!unpacked) {
		json_null(json, "unpacked");
		return;
	}
	json_open(json, "unpacked", '{');
	json_str(json, "packing", unpacked->packing);
	json_dec(json, "packed_size", unpacked->nr_read);
	json_untrusted(json, "folder", unpacked->folder, strlen(unpacked->folder));
	json_dec(json, "disk_size", unpacked->disk_size);
	json_str(json, "damage", damages[unpacked->damage]);
	if (unpacked->damage != PGW_DAMAGE_NONE)
		json_dec(json, "damage_at", unpacked->damage_at);
	json_close(json, '}');
}

static void json_file(struct json *json, const struct report_info *info)
{
	const struct pgw_image_info *image = pgw_image_get_info(info->image);

	json_untrusted(json, "file", info->file, strlen(info->file));
	json_dec(json, "file_size", image->file_size);
	if (image->access) {
		json_bool(json, "live", image->is_live);
		json_bool(json, "runs", image->runs);
		json_bool(json, "stands_while_read", image->stands_while_read);
		json_str(json, "access", image->access);
		json_dec(json, "paused_ns", image->paused_ns);
	}
	if (image->said_size)
		json_dec(json, "said_size", image->said_size);
	else
		json_null(json, "said_size");
	json_str(json, "kind", image->kind);
	json_bool(json, "flattened", image->flattened);
	json_str(json, "reader", image->reader);
	json_str(json, "writer", image->writer);
	json_str(json, "arch", image->arch);
	json_dec(json, "elf_machine", image->elf_machine);
	json_str(json, "machine", image->machine);
	json_bool(json, "placed_by_proof", image->placement == PGW_PLACEMENT_PROVED);
	json_bool(json, "xen_pv", image->xen_pv);
	json_dec(json, "parts", image->nr_parts);
	if (image->missing_part)
		json_untrusted(json, "missing_part", image->missing_part,
			       strlen(image->missing_part));
	else
		json_null(json, "missing_part");
	json_dec(json, "segments", image->nr_segments);
	json_dec(json, "unplaced", image->nr_unplaced);
	json_dec(json, "gaps", image->nr_gaps);
	json_int(json, "shift", image->shift);
	json_dec(json, "overlaps", image->nr_overlaps);
	json_dec(json, "readable", image->readable_bytes);
	json_dec(json, "zero_filled", image->zero_bytes);
	json_dec(json, "unreadable", image->unreadable_bytes);
	json_dec(json, "excluded", image->excluded_bytes);
	json_dec(json, "erase_info", image->erase_info_bytes);
	json_dec(json, "other_state", image->other_bytes);
	json_bool(json, "lacks_zeroes", image->lacks_zeroes);
	json_open(json, "compressions", '[');
	for (size_t i = 0; pgw_image_compression(i); i++)
		json_str(json, NULL, pgw_image_compression(i));
	json_close(json, ']');
	json_unpacked(json, image->unpacked);
	json_open(json, "packings", '[');
	for (size_t i = 0; pgw_image_packing(i); i++)
		json_str(json, NULL, pgw_image_packing(i));
	json_close(json, ']');
}

static void json_memory(struct json *json, const struct pgw_phys *phys)
{
	uint64_t first, last, pa = 0;

	json_open(json, "memory", '[');
	while (phys->ops->next_range(phys, pa, &first, &last)) {
		json_open(json, NULL, '{');
		json_hex(json, "first", first);
		json_hex(json, "last", last);
		json_close(json, '}');
		pa = last + 1;
		if (!pa)
			break;
	}
	json_close(json, ']');
}

static void json_registers(struct json *json, const struct pgw_image *image, unsigned cpu)
{
	struct pgw_register now;
	char key[32];

	for (size_t i = 0; pgw_image_register(image, cpu, i, &now); i++) {
		size_t len = 0;

		for (; now.name[len] && len < sizeof(key) - 1; len++)
			key[len] = (char)tolower((unsigned char)now.name[len]);
		key[len] = '\0';
		if (now.is_known)
			json_hex(json, key, now.value);
	}
}

/* Addresses that are in no table. */
static void json_windows(struct json *json, const struct pgw_image *image)
{
	struct pgw_window window;

	if (!pgw_image_window(image, 0, &window))
		return;
	json_open(json, "windows", '[');
	for (size_t i = 0; pgw_image_window(image, i, &window); i++) {
		if (!window.rights)
			continue;
		json_open(json, NULL, '{');
		json_str(json, "name", window.name);
		json_hex(json, "first", window.first);
		json_hex(json, "last", window.last);
		json_hex(json, "pa_mask", window.pa_mask);
		json_str(json, "memory_type", window.memory_type);
		json_bool(json, "assumed", window.is_assumed);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_firmware(struct json *json, const struct report_firmware *firmware)
{
	if (!firmware->is_there)
		return;
	json_open(json, "firmware", '{');
	json_dec(json, "uefi_major", firmware->says.major);
	json_dec(json, "uefi_minor", firmware->says.minor);
	json_str(json, "vendor", firmware->says.vendor);
	json_hex(json, "revision", firmware->says.revision);
	json_hex(json, "system_table", firmware->says.system_table);
	json_open(json, "memory", '{');
	for (uint32_t type = 0; type < REPORT_EFI_TYPES; type++) {
		const char *name = pgw_efi_type_name(type);

		if (firmware->bytes[type])
			json_dec(json, name ? name : "other", firmware->bytes[type]);
	}
	json_close(json, '}');
	json_dec(json, "runtime_code_wx", firmware->runtime_wx);
	json_close(json, '}');
}

static void json_missing_registers(struct json *json, const struct pgw_image *image)
{
	struct pgw_register now;

	json_open(json, "missing_registers", '[');
	for (size_t i = 0; pgw_image_register(image, 0, i, &now); i++) {
		if (now.is_known || !now.where)
			continue;
		json_open(json, NULL, '{');
		json_str(json, "name", now.name);
		json_str(json, "where", now.where);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_cpus(struct json *json, const struct report_info *info)
{
	unsigned nr_cpus = pgw_image_get_info(info->image)->nr_cpus;
	struct pgw_cpu cpu;

	json_open(json, "cpus", '[');
	for (unsigned i = 0; i < nr_cpus; i++) {
		if (pgw_image_cpu(info->image, i, &cpu) < 0)
			break;
		json_open(json, NULL, '{');
		if (cpu.known & PGW_CPU_X86_CR) {
			json_hex(json, "cr0", cpu.cr0);
			json_hex(json, "cr3", cpu.cr3);
			json_hex(json, "cr4", cpu.cr4);
			if (cpu.known & PGW_CPU_XEN_PV)
				json_hex(json, "user_root", cpu.cr1);
		} else if (cpu.known & PGW_CPU_X86_CR3) {
			json_hex(json, "cr3", cpu.cr3);
		} else if (cpu.known & PGW_CPU_ARM64_TTBR1) {
			json_hex(json, "ttbr1", cpu.ttbr1);
			json_hex(json, "tcr", cpu.tcr);
			if (cpu.known & PGW_CPU_ARM64_EL1) {
				json_hex(json, "ttbr0", cpu.ttbr0);
				json_hex(json, "mair", cpu.mair);
				json_hex(json, "sctlr", cpu.sctlr);
			}
		} else if (cpu.known & PGW_CPU_RISCV_SATP) {
			json_hex(json, "satp", cpu.satp);
		} else if (cpu.known & PGW_CPU_S390X_CR) {
			json_hex(json, "cr0", cpu.cr0);
			json_hex(json, "cr1", cpu.cr1);
			json_hex(json, "cr7", cpu.cr7);
			json_hex(json, "cr13", cpu.cr13);
		} else {
			json_registers(json, info->image, i);
		}
		if (cpu.known & PGW_CPU_X86_EFER)
			json_hex(json, "efer", cpu.efer);
		if (cpu.known & PGW_CPU_S390X_PREFIX)
			json_hex(json, "prefix", cpu.prefix);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_vmcoreinfo(struct json *json, const struct pgw_vmcoreinfo *vmcoreinfo,
			    enum pgw_vmcoreinfo_fit fit)
{
	const char *value;
	size_t size;

	json_open(json, NULL, '{');
	if (vmcoreinfo->source == PGW_VMCOREINFO_NOTE) {
		json_str(json, "source", "note");
		json_hex(json, "offset", vmcoreinfo->offset);
	} else if (vmcoreinfo->source == PGW_VMCOREINFO_GIVEN) {
		json_str(json, "source", "given");
	} else {
		json_str(json, "source", "ram");
		json_hex(json, "pa", vmcoreinfo->pa);
	}
	if (fit == PGW_FIT_UNKNOWN)
		json_null(json, "fits");
	else
		json_bool(json, "fits", fit == PGW_FIT_YES);
	for (const char *const *key = report_vmcoreinfo_keys; *key; key++)
		if (pgw_vmcoreinfo_get(vmcoreinfo, *key, &value, &size))
			json_untrusted(json, *key, value, size);
	json_close(json, '}');
}

static void json_encryption(struct json *json, const struct pgw_encryption *encryption)
{
	json_open(json, "encryption", '{');
	if (encryption->bit)
		json_dec(json, "bit", encryption->bit);
	else
		json_null(json, "bit");
	json_str(json, "set_means", encryption->is_shared_bit ? "shared" : "encrypted");
	json_str(json, "found", report_encryption_found(encryption->found));
	json_close(json, '}');
}

static void json_control(struct json *json, const struct report_root *kernel)
{
	const struct pgw_root_info *root = &kernel->info;
	struct pgw_control control = pgw_control_assume(root->format, &root->control);

	json_open(json, "control", '{');
	for (const struct pgw_control_bit *bit = pgw_format_control_bits(root->format); bit->name;
	     bit++) {
		json_open(json, bit->name, '{');
		json_bool(json, "set", control.set & bit->bit);
		json_bool(json, "known", root->control.known & bit->bit);
		json_close(json, '}');
	}
	if (control.known & PGW_CTL_MEMORY_TYPES) {
		json_open(json, report_memory_types_name(root->format), '{');
		json_hex(json, "value", control.memory_types);
		json_bool(json, "known",
			  kernel->mair_is_given || ((root->control.known & PGW_CTL_MEMORY_TYPES) &&
						    root->state != PGW_ROOT_FIRMWARE));
		json_close(json, '}');
	}
	if (control.known & PGW_CTL_ARM_DOMAINS) {
		json_open(json, "DACR", '{');
		json_hex(json, "value", control.domains);
		json_bool(json, "known", root->control.known & PGW_CTL_ARM_DOMAINS);
		json_close(json, '}');
	}
	if (control.known & PGW_CTL_X86_ENCRYPTION)
		json_encryption(json, &kernel->encryption);
	json_open(json, "pa_bits", '{');
	json_dec(json, "value", control.pa_bits);
	json_bool(json, "known", root->control.pa_bits != 0);
	json_close(json, '}');
	json_close(json, '}');
}

static void json_later_bits(struct json *json, const struct pgw_root_info *root)
{
	const struct pgw_later_bits *later = pgw_format_later_bits(root->format);

	json_open(json, "later_bits", '[');
	for (; later->bits; later++) {
		json_open(json, NULL, '{');
		json_str(json, "bits", later->bits);
		json_str(json, "extension", later->extension);
		json_str(json, "taken_for", report_later_taken_for(later, &root->control));
		json_bool(json, "known", report_later_is_known(later, &root->control));
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_integrity(struct json *json, const struct pgw_integrity *integrity)
{
	json_open(json, "integrity", '{');
	json_dec(json, "tables", integrity->nr_tables);
	json_dec(json, "malformed", integrity->nr_malformed);
	json_dec(json, "outside", integrity->nr_outside);
	json_dec(json, "shared", integrity->nr_shared);
	json_dec(json, "loops", integrity->nr_loops);
	json_dec(json, "unreadable", integrity->nr_unreadable);
	json_bool(json, "truncated", integrity->truncated);
	json_close(json, '}');
}

/* The root that is the default, or null. */
static void json_default_root(struct json *json, const char *key, const struct report_root *root)
{
	if (!root) {
		json_null(json, key);
		return;
	}
	json_open(json, key, '{');
	json_root_members(json, &root->info);
	json_control(json, root);
	json_later_bits(json, &root->info);
	if (root->integrity.nr_tables)
		json_integrity(json, &root->integrity);
	json_close(json, '}');
}

static void json_roots(struct json *json, const struct report_root *root)
{
	bool is_kernels = root->is_found && report_is_kernels(&root->info);

	json_default_root(json, "kernel_root", is_kernels ? root : NULL);
	json_default_root(json, "other_root", root->is_found && !is_kernels ? root : NULL);
}

static void json_kernels(struct json *json, const struct report_info *info)
{
	const char *value;
	size_t size;

	json_open(json, "kernels", '[');
	for (size_t i = 0; i < info->nr_kernels; i++) {
		const struct pgw_kernel *kernel = &info->kernels[i];

		json_open(json, NULL, '{');
		json_dec(json, "number", i + 1);
		json_hex(json, "root", kernel->root.root.pa);
		json_str(json, "format", pgw_format_name(kernel->root.format));
		if (kernel->vmcoreinfo &&
		    pgw_vmcoreinfo_get(kernel->vmcoreinfo, "OSRELEASE", &value, &size))
			json_untrusted(json, "release", value, size);
		else
			json_null(json, "release");
		json_close(json, '}');
	}
	json_close(json, ']');
	json_bool(json, "kernels_are_all", info->are_all);
}

static void json_info_summary(struct json *json, const struct pgw_image_info *image)
{
	json_open(json, NULL, '{');
	json_open(json, "summary", '{');
	if (image->placement >= PGW_PLACEMENT_GUESSED)
		json_bool(json, "placement_guessed", true);
	json_bool(json, "truncated", image->truncated);
	json_dec(json, "unreadable", image->unreadable_bytes);
	json_close(json, '}');
	json_end(json);
}

void json_info(struct report *report, const struct report_info *info)
{
	struct json json = { .out = report->out };

	json_open(&json, NULL, '{');
	json_file(&json, info);
	json_memory(&json, pgw_image_phys(info->image));
	json_cpus(&json, info);
	json_missing_registers(&json, info->image);
	json_windows(&json, info->image);
	json_firmware(&json, &info->firmware);
	json_open(&json, "vmcoreinfo", '[');
	for (size_t i = 0; i < info->nr_vmcoreinfo; i++)
		json_vmcoreinfo(&json, &info->vmcoreinfo[i], info->fit[i]);
	json_close(&json, ']');
	json_kernels(&json, info);
	json_roots(&json, &info->kernel);
	json_str(&json, "sandbox", info->sandbox);
	json_end(&json);
	json_info_summary(&json, pgw_image_get_info(info->image));
}
