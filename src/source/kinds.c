/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/source_priv.h"

#include <string.h>

#include "base/bits.h"

/*
 * Files that people hand to dump tools and that cannot be read: what they are,
 * and what can be done instead. None of them is memory byte for byte, so none
 * may be taken for raw memory, and no advice may be to say where it belongs.
 */

struct kind {
	uint32_t offset; /* of the magic in the file */
	uint8_t size;
	const char *magic;
	const char *name;
	const char *advice;
};

#define MAGIC(at, bytes) .offset = (at), .size = sizeof(bytes) - 1, .magic = (bytes)
#define KIND(at, bytes, name_, advice_)                                                            \
	{                                                                                          \
		MAGIC(at, bytes), .name = (name_), .advice = (advice_)                             \
	}

#define VIRSH "virsh dump --memory-only --format=elf"
#define DECOMPRESS "decompress it first"
#define UNPACK "give the dump that is in it, unpacked"
#define DUMP_MACHINE "dump the running machine as an ELF core"
#define NO_MEMORY "it holds a disk, not memory: " DUMP_MACHINE " (" VIRSH ")"
#define XEN_SAVED "restore it (xl restore), then xl dump-core writes a core that can be read"
#define XEN_OLD "xl dump-core of a newer Xen writes a core that can be read"
#define RESUME "resume the machine from it, then " DUMP_MACHINE
#define WINDOWS "have Windows write a complete memory dump"

/* How Linux writes it, in the last bytes of the first page, whatever the page size. */
#define SWAP(bytes, name, advice)                                                                  \
	KIND(4096 - 10, bytes, name, advice), KIND(16384 - 10, bytes, name, advice),               \
		KIND(65536 - 10, bytes, name, advice)

/* The source of each magic is said in front of it. */
static const struct kind kinds[] = {
	/* Xen: xl.h, libxl and libxc migration stream specifications, xend, xenctrl.h; libvirt */
	KIND(0, "Xen saved domain, xl format\n", "a Xen domain saved by xl", XEN_SAVED),
	KIND(0, "libvirt-xml\n \0 \r", "a Xen domain saved by libvirt", XEN_SAVED),
	KIND(0, "LibxlFmt", "a Xen migration stream", XEN_SAVED),
	KIND(0,
	     "\xff\xff\xff\xff\xff\xff\xff\xff"
	     "XENF",
	     "a Xen migration stream", XEN_SAVED),
	KIND(0, "LinuxGuestRecord", "a Xen domain saved by xend", XEN_SAVED),
	KIND(0, "\xed\xeb\x0f\xf0", "a Xen core of the old format", XEN_OLD),
	KIND(0, "\xee\xeb\x0f\xf0", "a Xen core of the old format", XEN_OLD),
	/* VMware: vmware_vmss.h in crash. Since VMware's products have 64 bits, another one is written. */
	KIND(0, "\xd0\xbe\xd0\xbe", "a VMware saved state of the old format (.vmss, .vmsn)",
	     "give the .vmem file beside it, which is the memory"),
	/* VirtualBox: SSM.cpp, manual of VBoxManage debugvm */
	KIND(0,
	     "\x7f"
	     "VirtualBox SavedState V",
	     "a VirtualBox saved state",
	     "VBoxManage debugvm NAME dumpvmcore writes an ELF core of the running machine"),
	/* Hyper-V: dissect.hypervisor, hyperv.py */
	KIND(0, "\x14\x20\x28\x01", "a Hyper-V saved state or configuration (.vmrs, .vmcx)",
	     "only Hyper-V's own interfaces read it; the guest's own kdump can be read"),

	/* Windows: libmagic, libhibr, MINIDUMP_HEADER */
	KIND(0, "MDMP", "a Windows minidump, of a process",
	     "it holds no page tables: give a dump of a machine's whole memory"),
	KIND(0, "hibr", "a Windows hibernation file", "resume the machine from it, then " WINDOWS),
	KIND(0, "HIBR", "a Windows hibernation file", "resume the machine from it, then " WINDOWS),
	KIND(0, "wake", "a Windows hibernation file that was resumed from", WINDOWS),
	KIND(0, "WAKE", "a Windows hibernation file that was resumed from", WINDOWS),
	KIND(0, "RSTR", "a Windows hibernation file that was resumed from", WINDOWS),
	/* util-linux: libblkid's superblocks/swap.c; swapon(8) */
	SWAP("S1SUSPEND", "a swap area with a Linux hibernation image", RESUME),
	SWAP("S2SUSPEND", "a swap area with a Linux hibernation image", RESUME),
	SWAP("ULSUSPEND", "a swap area with a Linux hibernation image (uswsusp)", RESUME),
	SWAP("LINHIB0001", "a swap area with a Linux hibernation image", RESUME),
	KIND(0, "\xed\xc3\x02\xe9\x98\x56\xe5\x0c", "a TuxOnIce hibernation image", RESUME),
	SWAP("SWAPSPACE2", "a swap area", DUMP_MACHINE),
	SWAP("SWAP-SPACE", "a swap area", DUMP_MACHINE),
	/* Disks. QEMU: docs/interop/qcow2.txt, qed_spec.txt, block/vmdk.c, vdi.c, vpc.c; MS-VHDX;
	 * libewf */
	KIND(0, "QFI\xfb", "a qcow or qcow2 disk",
	     "not memory; a state that savevm put in it can be loaded (qemu -loadvm), then "
	     "dump-guest-memory writes an ELF core"),
	KIND(0, "QED\0", "a QED disk", NO_MEMORY),
	KIND(0, "KDMV", "a VMDK disk", NO_MEMORY),
	KIND(0, "COWD", "a VMDK disk", NO_MEMORY),
	KIND(0, "# Disk DescriptorFile", "the description of a VMDK disk", NO_MEMORY),
	KIND(64, "\x7f\x10\xda\xbe", "a VDI disk", NO_MEMORY),
	KIND(0, "vhdxfile", "a VHDX disk", NO_MEMORY),
	KIND(0, "conectix", "a VHD disk", NO_MEMORY),
	KIND(0, "EVF\x09\x0d\x0a\xff", "an EWF (EnCase) image",
	     "ewfexport makes raw memory of it if it holds memory"),

	/* Packed in ways that input.c does not know: the formats' own specifications; libmagic */
	KIND(0, "\x02\x21\x4c\x18", "LZ4-compressed in the old format", DECOMPRESS " (lz4 -d)"),
	KIND(0, "\x89LZO\0\r\n\x1a\n", "lzop-compressed", DECOMPRESS " (lzop -d)"),
	KIND(0, "LZIP", "lzip-compressed", DECOMPRESS " (lzip -d)"),
	KIND(0, "7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
	KIND(0, "Rar!\x1a\x07", "a RAR archive", UNPACK),
	KIND(257, "ustar", "a tar archive", UNPACK),

	/* Android: system/core/libsparse/sparse_format.h, bootimg.h; Mach-O: loader.h */
	KIND(0, "\x3a\xff\x26\xed", "an Android sparse image", NO_MEMORY),
	KIND(0, "ANDROID!", "an Android boot image", "it is a program: " DUMP_MACHINE),
	KIND(0, "VNDRBOOT", "an Android boot image", "it is a program: " DUMP_MACHINE),
	KIND(0, "\xcf\xfa\xed\xfe", "a Mach-O file", "only LLDB and Apple's tools read it"),
};

static bool unreadable_probe(const struct source_map *file, struct source_guess *ret)
{
	for (size_t i = 0; i < PGW_ARRAY_SIZE(kinds); i++) {
		const struct kind *kind = &kinds[i];
		char magic[UINT8_MAX];

		if (!source_map_read(file, kind->offset, magic, kind->size) ||
		    memcmp(magic, kind->magic, kind->size) != 0)
			continue;
		*ret = (struct source_guess){
			.score = SOURCE_SCORE_MAGIC,
			.kind = kind->name,
			.advice = kind->advice,
			.offset = kind->offset,
		};
		return true;
	}
	return false;
}

const struct source_ops source_unreadable_ops = {
	.name = "unreadable",
	.probe = unreadable_probe,
};

/* ELF's e_machine: System V ABI, and Linux's uapi/linux/elf-em.h. */
static const struct {
	uint16_t machine;
	const char *name;
} machines[] = {
	{ 2, "SPARC" },     { 3, "Intel 80386" },  { 4, "Motorola 68000" }, { 8, "MIPS" },
	{ 15, "PA-RISC" },  { 20, "PowerPC" },     { 21, "PowerPC 64" },    { 22, "IBM S/390" },
	{ 40, "ARM" },      { 42, "SuperH" },      { 43, "SPARC v9" },      { 50, "Intel Itanium" },
	{ 62, "x86-64" },   { 92, "OpenRISC" },    { 93, "ARC" },           { 94, "Xtensa" },
	{ 183, "AArch64" }, { 189, "MicroBlaze" }, { 195, "ARC" },          { 243, "RISC-V" },
	{ 252, "C-SKY" },   { 258, "LoongArch" },  { 0x9026, "Alpha" },
};

const char *source_machine_name(unsigned elf_machine)
{
	for (size_t i = 0; i < PGW_ARRAY_SIZE(machines); i++) {
		if (machines[i].machine == elf_machine)
			return machines[i].name;
	}
	return NULL;
}
