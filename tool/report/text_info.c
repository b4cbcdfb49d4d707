/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/text_priv.h"

#include <string.h>

#define WIDTH_LABEL 14
/* A file may claim any number of ranges and CPUs; JSON has them all. */
#define MAX_RANGES 16
#define MAX_CPUS 16

/* Intel SDM 3A 2.5 */
#define CR0_PE (UINT64_C(1) << 0)
#define CR0_PG (UINT64_C(1) << 31)

static void text_label(struct out *out, const char *label)
{
	out_color(out, OUT_CYAN);
	out_str_padded(out, label, WIDTH_LABEL);
	out_color(out, OUT_PLAIN);
}

static void text_compressions(struct out *out)
{
	const char *name;

	text_label(out, "");
	out_str(out, "compressions that this build reads:");
	for (size_t i = 0; (name = pgw_image_compression(i)); i++) {
		out_char(out, ' ');
		out_str(out, name);
	}
	out_str(out, pgw_image_compression(0) ? "\n" : " none\n");
}

static void text_packings(struct out *out)
{
	const char *name;

	text_label(out, "");
	out_str(out, "packings of files that this build reads:");
	for (size_t i = 0; (name = pgw_image_packing(i)); i++) {
		out_char(out, ' ');
		out_str(out, name);
	}
	out_str(out, pgw_image_packing(0) ? "\n" : " none\n");
}

static void text_unpacked(struct out *out, const struct pgw_unpacking *unpacked)
{
	static const char *const damages[_PGW_DAMAGE_MAX] = {
		[PGW_DAMAGE_CUT] = "the packed file was cut: it ends at byte ",
		[PGW_DAMAGE_BROKEN] =
			"the packed file is damaged: it cannot be unpacked from byte ",
		[PGW_DAMAGE_CHECKSUM] =
			"the packed file is damaged: its checksum is wrong at byte ",
	};

	text_label(out, "");
	text_count(out, unpacked->packing ? "unpacked from " : "read from a pipe of ",
		   unpacked->nr_read, "bytes");
	if (unpacked->packing) {
		out_str(out, " of ");
		out_str(out, unpacked->packing);
	}
	out_str(out, " into a temporary file in ");
	out_str(out, unpacked->folder);
	out_str(out, ", where ");
	out_size(out, unpacked->disk_size, 0);
	out_str(out, " of it take space\n");
	if (damages[unpacked->damage]) {
		text_label(out, "");
		out_str(out, damages[unpacked->damage]);
		out_dec(out, unpacked->damage_at);
		out_char(out, '\n');
	}
	text_packings(out);
}

static void text_file(struct out *out, const struct report_info *info)
{
	const struct pgw_image_info *image = pgw_image_get_info(info->image);

	text_label(out, image->access ? "machine" : "file");
	out_str(out, info->file);
	if (image->access) {
		out_str(out, !image->is_live ? ", of which tables were copied while it stood: "
			     : image->stands_while_read ? ", which stands while it is looked at: "
			     : image->runs              ? ", which ran while it was looked at: "
							: ", which stood when it was looked at: ");
		out_str(out, image->access);
		out_char(out, '\n');
	} else {
		text_count(out, ", ", image->file_size, "bytes\n");
	}
	if (image->unpacked)
		text_unpacked(out, image->unpacked);
	text_label(out, "kind");
	out_str(out, image->kind);
	if (image->reader) {
		out_str(out, ", read by ");
		out_str(out, image->reader);
	}
	if (image->flattened)
		out_str(out, ", flattened");
	out_str(out, ", written by ");
	out_str(out, image->writer);
	out_str(out, ", of a machine of type ");
	out_str(out, image->arch ? image->arch : image->machine ? image->machine : "unknown");
	out_str(out, " (ELF machine ");
	out_dec(out, image->elf_machine);
	out_str(out, ")\n");
	if (strcmp(image->kind, "kdump") == 0)
		text_compressions(out);
	if (image->xen_pv) {
		text_label(out, "");
		out_str(out, "a Xen PV guest: physical addresses are the machine's, as in its page "
			     "tables; its kernel and its programs have the user's rights\n");
	}
	if (image->placement == PGW_PLACEMENT_PROVED) {
		text_label(out, "");
		out_str(out, "where memory is and of which machine was derived: "
			     "there the kernel's root proves itself\n");
	} else if (image->placement == PGW_PLACEMENT_GUESSED) {
		text_label(out, "");
		out_str(out, "where memory is, is a guess in part: the kernel's root proves itself "
			     "there, but not all of the memory ");
		out_str(out, strcmp(image->kind, "raw") == 0 ? "(--ram says where it is)\n"
			     : strcmp(image->kind, "elf-core") == 0
				     ? "(a note says that this was trimmed from raw memory)\n"
			     : strcmp(image->kind, "raw-map") == 0 ? "(the map says so)\n"
								   : "\n");
	} else if (image->placement == PGW_PLACEMENT_USUAL) {
		text_label(out, "");
		out_str(out, "where memory is, is a guess: there machines have it that are called "
			     "as this one; no kernel's root proves it\n");
	}
}

static void text_parts(struct out *out, const struct pgw_image_info *image)
{
	if (image->nr_parts) {
		text_label(out, "");
		text_count(out, "from ", image->nr_parts, "parts of a split dump\n");
	}
	if (image->lacks_part) {
		text_label(out, "");
		out_str(out, "a part is missing: it has ");
		out_hex(out, image->missing_part_first);
		out_char(out, '-');
		out_hex(out, image->missing_part_last);
		out_str(out, image->missing_part ? ", and is called " : "\n");
	}
	if (image->missing_part) {
		out_str(out, image->missing_part);
		out_char(out, '\n');
	}
}

/* By who made the dump, and on purpose. */
static void text_left_out(struct out *out, const struct pgw_image_info *image)
{
	if (image->excluded_bytes) {
		uint64_t all = image->readable_bytes + image->unreadable_bytes;

		text_label(out, "");
		out_size(out, image->excluded_bytes, 0);
		out_str(out, " (");
		out_dec(out, (uint64_t)(100.0 * (double)image->excluded_bytes / (double)all + 0.5));
		out_str(out, "%) excluded: left out on purpose when the dump was made\n");
	}
	if (image->erase_info_bytes) {
		text_label(out, "");
		text_count(out, "some of it was erased when the dump was made: ",
			   image->erase_info_bytes, "bytes say what\n");
	}
	if (image->other_bytes) {
		text_label(out, "");
		text_count(out, "not read: ", image->other_bytes,
			   "bytes of what CPUs and devices had, behind the memory\n");
	}
}

/* What is not as usual about where the file has its memory. */
static void text_memory_odd(struct out *out, const struct pgw_image_info *image)
{
	if (image->shift) {
		text_label(out, "");
		out_str(out, "read ");
		out_dec(out, image->shift < 0 ? -(uint64_t)image->shift : (uint64_t)image->shift);
		out_str(out, image->shift < 0 ? " bytes before where the headers say: "
						"the notes and the file are so much shorter\n"
					      : " bytes behind where the headers say: "
						"the notes and the file are so much longer\n");
	}
	if (image->nr_unplaced) {
		text_label(out, "");
		text_count(out, "", image->nr_unplaced,
			   "more segments passed over: they have no physical address (-1)\n");
	}
	text_parts(out, image);
	text_left_out(out, image);
	if (image->lacks_zeroes) {
		text_label(out, "");
		out_str(out,
			"between ranges there may be more, which was nothing but zeroes: that is "
			"left out\n");
	}
	if (image->zero_bytes) {
		text_label(out, "");
		out_size(out, image->zero_bytes, 0);
		text_count(out, " of it read as zeroes: ", image->nr_gaps,
			   "segments claim more than they hold\n");
	}
}

static void text_memory(struct out *out, const struct report_info *info)
{
	const struct pgw_image_info *image = pgw_image_get_info(info->image);
	const struct pgw_phys *phys = pgw_image_phys(info->image);
	uint64_t first, last, pa = 0;

	text_label(out, "memory");
	out_size(out, image->readable_bytes, 0);
	text_count(out, " in ", image->nr_ranges, "ranges");
	text_count(out, " of ", image->nr_segments, "segments; ");
	out_size(out, image->unreadable_bytes, 0);
	out_str(out, " unreadable");
	if (image->nr_overlaps)
		text_count(out, "; ", image->nr_overlaps, "segments overlap");
	text_truncated(out, image);
	out_char(out, '\n');
	text_memory_odd(out, image);
	for (unsigned nr = 0; phys->ops->next_range(phys, pa, &first, &last); nr++) {
		text_label(out, "");
		if (nr == MAX_RANGES) {
			text_count(out, "... and ", image->nr_ranges - nr, "more\n");
			break;
		}
		out_hex(out, first);
		out_char(out, '-');
		out_hex(out, last);
		out_str(out, "  ");
		out_size(out, last - first + 1, 8);
		out_char(out, '\n');
		pa = last + 1;
		if (!pa)
			break;
	}
}

static void text_register(struct out *out, const char *name, uint64_t value)
{
	out_str(out, name);
	out_hex_short(out, value);
}

/* Of machines that have no other names for them here. @return is any known? */
static bool text_registers(struct out *out, const struct pgw_image *image, unsigned index)
{
	struct pgw_register now;
	bool is_any = false;

	for (size_t i = 0; pgw_image_register(image, index, i, &now); i++) {
		if (!now.is_known)
			continue;
		out_char(out, ' ');
		out_str(out, now.name);
		text_register(out, "=", now.value);
		is_any = true;
	}
	return is_any;
}

static void text_cpu(struct out *out, const struct pgw_image *image, unsigned index,
		     const struct pgw_cpu *cpu)
{
	text_label(out, index ? "" : "cpus");
	out_str(out, "cpu");
	out_dec(out, index);
	if (cpu->known & PGW_CPU_IN_FILE)
		out_str(out, " is none: the root of tables that the file has apart;");
	if (cpu->known & PGW_CPU_X86_CR) {
		text_register(out, " CR0=", cpu->cr0);
		text_register(out, " CR3=", cpu->cr3);
		text_register(out, " CR4=", cpu->cr4);
		if (cpu->known & PGW_CPU_XEN_PV)
			text_register(out, " user root=", cpu->cr1);
		if (!(cpu->cr0 & CR0_PG))
			out_str(out, cpu->cr0 & CR0_PE ? " (paging off)" : " (real mode)");
	} else if (cpu->known & PGW_CPU_X86_CR3) {
		text_register(out, " CR3=", cpu->cr3);
	} else if (cpu->known & PGW_CPU_ARM64_TTBR1) {
		text_register(out, " TTBR1_EL1=", cpu->ttbr1);
		text_register(out, " TCR_EL1=", cpu->tcr);
		if (cpu->known & PGW_CPU_ARM64_EL1) {
			text_register(out, " TTBR0_EL1=", cpu->ttbr0);
			text_register(out, " MAIR_EL1=", cpu->mair);
			text_register(out, " SCTLR_EL1=", cpu->sctlr);
		}
	} else if (cpu->known & PGW_CPU_RISCV_SATP) {
		text_register(out, " satp=", cpu->satp);
	} else if (cpu->known & PGW_CPU_S390X_CR) {
		text_register(out, " CR0=", cpu->cr0);
		text_register(out, " CR1=", cpu->cr1);
		text_register(out, " CR7=", cpu->cr7);
		text_register(out, " CR13=", cpu->cr13);
	} else if (!text_registers(out, image, index)) {
		out_str(out, " registers unknown");
	}
	if (cpu->known & PGW_CPU_X86_EFER)
		text_register(out, " EFER=", cpu->efer);
	if (cpu->known & PGW_CPU_S390X_PREFIX)
		text_register(out, " prefix ", cpu->prefix);
	out_char(out, '\n');
}

static void text_cpu_list(struct out *out, const struct report_info *info)
{
	unsigned nr_cpus = pgw_image_get_info(info->image)->nr_cpus;
	struct pgw_cpu cpu;

	for (unsigned i = 0; i < nr_cpus; i++) {
		if (i == MAX_CPUS) {
			text_label(out, "");
			text_count(out, "... and ", nr_cpus - i, "more\n");
			break;
		}
		if (pgw_image_cpu(info->image, i, &cpu) == 0)
			text_cpu(out, info->image, i, &cpu);
	}
	if (!nr_cpus) {
		text_label(out, "cpus");
		out_str(out, "none in the notes\n");
	}
}

/* What dumps of this machine do not have, and who has it. */
static void text_missing_registers(struct out *out, const struct pgw_image *image)
{
	const char *where = NULL;
	struct pgw_register now;

	for (size_t i = 0; pgw_image_register(image, 0, i, &now); i++) {
		if (now.is_known || !now.where)
			continue;
		if (!where) {
			text_label(out, "registers");
			out_str(out, "not in the file:");
		}
		where = now.where;
		out_char(out, ' ');
		out_str(out, now.name);
	}
	if (!where)
		return;
	out_str(out, "; --register NAME=VALUE gives them\n");
	text_label(out, "");
	out_str(out, where);
	out_char(out, '\n');
}

/* Addresses that are in no table. */
static void text_windows(struct out *out, const struct pgw_image *image)
{
	struct pgw_window window;
	bool is_first = true;

	for (size_t i = 0; pgw_image_window(image, i, &window); i++) {
		if (!window.rights)
			continue;
		text_label(out, is_first ? "windows" : "");
		is_first = false;
		out_hex(out, window.first);
		out_char(out, '-');
		out_hex(out, window.last);
		out_str(out, "  physical memory, in no table: ");
		out_str(out, window.name);
		out_str(out, window.is_assumed ? " (assumed: Linux's)" : "");
		out_str(out, "  ");
		out_str(out, report_rights(window.rights));
		out_char(out, '/');
		out_str(out, report_rights(window.rights >> 3));
		out_str(out, window.memory_type ? "  " : "");
		out_str(out, window.memory_type ? window.memory_type : "");
		out_char(out, '\n');
	}
}

static void text_vmcoreinfo(struct out *out, const struct pgw_vmcoreinfo *vmcoreinfo,
			    enum pgw_vmcoreinfo_fit fit)
{
	const char *value;
	size_t size;

	text_label(out, "vmcoreinfo");
	if (vmcoreinfo->source == PGW_VMCOREINFO_NOTE) {
		out_str(out, "in a note, at file offset ");
		out_hex_short(out, vmcoreinfo->offset);
	} else if (vmcoreinfo->source == PGW_VMCOREINFO_GIVEN) {
		out_str(out, "given");
	} else {
		out_str(out, "in memory, at ");
		out_hex_short(out, vmcoreinfo->pa);
	}
	if (fit == PGW_FIT_NO)
		out_str(out, "; it does not fit: no kernel has its swapper_pg_dir where it says");
	out_char(out, '\n');
	for (const char *const *key = report_vmcoreinfo_keys; *key; key++) {
		if (!pgw_vmcoreinfo_get(vmcoreinfo, *key, &value, &size))
			continue;
		text_label(out, "");
		out_str(out, *key);
		out_char(out, '=');
		out_untrusted(out, value, size);
		out_char(out, '\n');
	}
}

static const char *memory_types_ground(const struct report_root *kernel)
{
	const struct pgw_root_info *root = &kernel->info;

	if (kernel->mair_is_given)
		return " (--mair) ";
	if (!(root->control.known & PGW_CTL_MEMORY_TYPES))
		return " (assumed: Linux's order) ";
	if (strcmp(pgw_format_arch(root->format), "arm") == 0)
		return " (known) ";
	return root->state == PGW_ROOT_FIRMWARE ? " (assumed: EDK2's order) "
						: " (Linux's, by what is memory) ";
}

static void text_encryption(struct out *out, const struct pgw_encryption *encryption)
{
	out_str(out, encryption->is_shared_bit ? "shared-bit=" : "C-bit=");
	if (encryption->bit)
		out_dec(out, encryption->bit);
	else
		out_str(out, "none");
	out_str(out, " (");
	out_str(out, report_encryption_found(encryption->found));
	out_str(out, ") ");
}

static void text_control(struct out *out, const struct report_root *kernel)
{
	const struct pgw_root_info *root = &kernel->info;
	struct pgw_control control = pgw_control_assume(root->format, &root->control);

	text_label(out, "control bits");
	for (const struct pgw_control_bit *bit = pgw_format_control_bits(root->format); bit->name;
	     bit++) {
		out_str(out, bit->name);
		out_str(out, control.set & bit->bit ? "=1 " : "=0 ");
		out_str(out, root->control.known & bit->bit ? "(known) " : "(assumed) ");
	}
	if (control.known & PGW_CTL_MEMORY_TYPES) {
		out_str(out, report_memory_types_name(root->format));
		out_char(out, '=');
		out_hex_short(out, control.memory_types);
		out_str(out, memory_types_ground(kernel));
	}
	if (control.known & PGW_CTL_ARM_DOMAINS) {
		text_register(out, "DACR=", control.domains);
		out_str(out,
			root->control.known & PGW_CTL_ARM_DOMAINS ? " (known) " : " (assumed) ");
	}
	if (control.known & PGW_CTL_X86_ENCRYPTION)
		text_encryption(out, &kernel->encryption);
	text_count(out, "", control.pa_bits, "physical address bits ");
	out_str(out, root->control.pa_bits ? "(known)\n" : "(assumed)\n");
}

/* Those that the CPU is known to have or to lack, or the others. */
static void text_later_bits_if(struct out *out, const struct pgw_root_info *root, bool is_known)
{
	const char *before = is_known ? "known: " : "assumed: ";

	for (const struct pgw_later_bits *later = pgw_format_later_bits(root->format); later->bits;
	     later++) {
		if (report_later_is_known(later, &root->control) != is_known)
			continue;
		out_str(out, before);
		out_str(out, later->bits);
		out_str(out, " (");
		out_str(out, later->extension);
		out_str(out, ") ");
		out_str(out, report_later_taken_for(later, &root->control));
		before = "; ";
	}
	out_str(out, *before == ';' ? (is_known ? "; " : "\n") : "");
}

static void text_later_bits(struct out *out, const struct pgw_root_info *root)
{
	if (!pgw_format_later_bits(root->format)->bits)
		return;
	text_label(out, "later bits");
	text_later_bits_if(out, root, true);
	text_later_bits_if(out, root, false);
}

static void text_integrity(struct out *out, const struct pgw_integrity *integrity)
{
	text_label(out, "integrity");
	text_count(out, "", integrity->nr_tables, "tables: ");
	text_count(out, "", integrity->nr_malformed, "malformed entries, ");
	text_count(out, "", integrity->nr_outside, "leaves outside memory, ");
	text_count(out, "", integrity->nr_shared, "tables shared, ");
	text_count(out, "", integrity->nr_loops, "loops, ");
	text_count(out, "", integrity->nr_unreadable, "tables unreadable");
	out_str(out, integrity->truncated ? "; there are more tables\n" : "\n");
}

/* Of several, each with its number for --kernel. */
static void text_kernels(struct out *out, const struct report_info *info)
{
	for (size_t i = 0; i < info->nr_kernels && info->nr_kernels > 1; i++) {
		const struct pgw_kernel *kernel = &info->kernels[i];

		text_label(out, i ? "" : "kernels");
		out_dec(out, i + 1);
		out_str(out, ": root ");
		out_hex_short(out, kernel->root.root.pa);
		out_str(out, ", ");
		out_str(out, pgw_format_name(kernel->root.format));
		text_release(out, ", ", kernel->vmcoreinfo);
		out_str(out, i ? "\n" : " (unless --kernel names another)\n");
	}
	if (!info->are_all && info->nr_kernels) {
		text_label(out, info->nr_kernels > 1 ? "" : "kernels");
		out_str(out, "memory was not looked through for more (roots does)\n");
	}
}

/* A proof of a lower kind is called so. */
static void text_partial(struct out *out, const struct pgw_root_info *root)
{
	text_label(out, "");
	if (root->nr_agree > 1)
		text_count(out, "partial proof: the kernel half of ", root->nr_agree,
			   "roots agrees, as far as");
	else
		out_str(out, "partial proof: nothing speaks against it, as far as");
	out_str(out, " the image has the tables\n");
}

/* What is known of the root that is the default, and no more. */
static const char *root_claim(const struct pgw_root_info *root)
{
	if (root->state == PGW_ROOT_FIRMWARE)
		return ", UEFI firmware's\n";
	if (root->found & PGW_ROOT_FROM_FILE)
		return ", of the kernel's tables that the file has apart; it is not Linux's\n";
	if (!report_is_kernels(root))
		return root->found & PGW_ROOT_FROM_IDENTITY_MAP
			       ? ", an identity map; it is not proved to be Linux's\n"
			       : ", loaded on a CPU; it is not proved to be Linux's\n";
	return root->state == PGW_ROOT_KERNEL ? "\n" : ", which maps the kernel as its own does\n";
}

static void text_default_root(struct out *out, const struct report_root *kernel)
{
	const struct pgw_root_info *root = &kernel->info;
	char error[512];

	text_label(out, !kernel->is_found || report_is_kernels(root) ? "kernel root" : "root");
	if (!kernel->is_found) {
		pgw_error_format(&kernel->err, error, sizeof(error));
		out_str(out, "not found: ");
		out_str(out, error);
		out_char(out, '\n');
		return;
	}
	out_hex_short(out, root->root.pa);
	out_str(out, ", ");
	out_str(out, pgw_format_name(root->format));
	out_str(out, root_claim(root));
	text_label(out, "");
	out_str(out, "found by ");
	text_bits(out, report_root_found, root->found);
	out_str(out,
		root->found & PGW_ROOT_FROM_TABLE_BITS && !(root->found & PGW_ROOT_FROM_SELF_MAP)
			? "; proof by its tables: "
			: "; self-map proof: ");
	out_str(out, report_root_proof(root->proof));
	out_str(out, "; runs on cpus: ");
	text_cpus(out, root->cpus);
	out_char(out, '\n');
	if (root->proof == PGW_PROOF_PARTIAL)
		text_partial(out, root);
	if (root->identity_bytes) {
		text_label(out, "");
		out_str(out, "maps ");
		out_size(out, root->identity_bytes, 0);
		out_str(out, " of addresses to themselves, and no other\n");
	}
	text_control(out, kernel);
	text_later_bits(out, root);
	if (kernel->integrity.nr_tables)
		text_integrity(out, &kernel->integrity);
}

static void text_efi_map(struct out *out, const struct report_firmware *firmware)
{
	const char *before = "";

	text_label(out, "memory map");
	text_count(out, "", firmware->nr_regions, "regions: ");
	for (uint32_t type = 0; type < REPORT_EFI_TYPES; type++) {
		const char *name = pgw_efi_type_name(type);

		if (!firmware->bytes[type])
			continue;
		out_str(out, before);
		out_str(out, name ? name : "other");
		out_char(out, ' ');
		out_size(out, firmware->bytes[type], 0);
		before = ", ";
	}
	out_char(out, '\n');
	if (!firmware->bytes[PGW_EFI_RUNTIME_CODE])
		return;
	text_label(out, "");
	out_str(out, "of runtime-code ");
	out_size(out, firmware->runtime_wx, 0);
	out_str(out, " writable and executable\n");
}

static void text_firmware(struct out *out, const struct report_firmware *firmware)
{
	const struct pgw_firmware *says = &firmware->says;

	if (!firmware->is_there)
		return;
	text_label(out, "firmware");
	out_str(out, "UEFI ");
	out_dec(out, says->major);
	out_char(out, '.');
	out_dec(out, says->minor / 10);
	if (says->minor % 10) {
		out_char(out, '.');
		out_dec(out, says->minor % 10);
	}
	out_str(out, *says->vendor ? ", " : "");
	out_str(out, says->vendor);
	out_str(out, " revision ");
	out_hex_short(out, says->revision);
	out_str(out, "; system table at ");
	out_hex_short(out, says->system_table);
	out_char(out, '\n');
	if (firmware->nr_regions)
		text_efi_map(out, firmware);
}

void text_info(struct report *report, const struct report_info *info)
{
	struct out *out = report->out;

	text_file(out, info);
	text_memory(out, info);
	text_cpu_list(out, info);
	text_missing_registers(out, info->image);
	text_windows(out, info->image);
	for (size_t i = 0; i < info->nr_vmcoreinfo; i++)
		text_vmcoreinfo(out, &info->vmcoreinfo[i], info->fit[i]);
	if (!info->nr_vmcoreinfo) {
		text_label(out, "vmcoreinfo");
		out_str(out, "none in notes or memory\n");
	}
	text_kernels(out, info);
	text_firmware(out, &info->firmware);
	text_default_root(out, &info->kernel);
	text_label(out, "sandbox");
	out_str(out, info->sandbox);
	out_char(out, '\n');
}
