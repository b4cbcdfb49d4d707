/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of known kinds that cannot be read: each is called by its name, with what can be done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagewalk/hosted.h>
#include <pagewalk/image.h>

#include "image/linux.h"
#include "image/mkelf.h"

#define FILE_SIZE ((size_t)128 << 10)

struct row {
	const char *name;
	size_t offset;
	const char *bytes;
	size_t size;
	const char *text;
};

#define ROW(name, offset, bytes, text)                                                             \
	{                                                                                          \
		name, offset, bytes, sizeof(bytes) - 1, text                                       \
	}

#define VIRSH "virsh dump --memory-only --format=elf"
#define XEN_SAVED "restore it (xl restore), then xl dump-core writes a core that can be read"
#define XEN_OLD "xl dump-core of a newer Xen writes a core that can be read"
#define RESUME "resume the machine from it, then dump the running machine as an ELF core"
#define DISK "it holds a disk, not memory: dump the running machine as an ELF core (" VIRSH ")"
#define SWSUSP "a swap area with a Linux hibernation image: " RESUME
#define WINDOWS "have Windows write a complete memory dump"
#define RESUMED "offset 0x0: a Windows hibernation file that was resumed from: " WINDOWS

/* First bytes as the formats' own documents have them. */
static const struct row rows[] = {
	ROW("xl save", 0, "Xen saved domain, xl format\n \0 \r",
	    "offset 0x0: a Xen domain saved by xl: " XEN_SAVED),
	ROW("libvirt's libxl", 0, "libvirt-xml\n \0 \r",
	    "offset 0x0: a Xen domain saved by libvirt: " XEN_SAVED),
	ROW("libxl stream", 0, "LibxlFmt\0\0\0\2",
	    "offset 0x0: a Xen migration stream: " XEN_SAVED),
	ROW("libxc stream", 0,
	    "\377\377\377\377\377\377\377\377"
	    "XENF",
	    "offset 0x0: a Xen migration stream: " XEN_SAVED),
	ROW("xend save", 0, "LinuxGuestRecord",
	    "offset 0x0: a Xen domain saved by xend: " XEN_SAVED),
	ROW("old Xen core, PV", 0, "\xed\xeb\x0f\xf0",
	    "offset 0x0: a Xen core of the old format: " XEN_OLD),
	ROW("old Xen core, HVM", 0, "\xee\xeb\x0f\xf0",
	    "offset 0x0: a Xen core of the old format: " XEN_OLD),
	ROW("VMware, old", 0, "\xd0\xbe\xd0\xbe\10\0\0\0",
	    "offset 0x0: a VMware saved state of the old format (.vmss, .vmsn): give the .vmem "
	    "file beside it, which is the memory"),
	ROW("VirtualBox", 0, "\177VirtualBox SavedState V2.0\n",
	    "offset 0x0: a VirtualBox saved state: VBoxManage debugvm NAME dumpvmcore writes an "
	    "ELF core of the running machine"),
	ROW("Hyper-V", 0, "\x14\x20\x28\x01",
	    "offset 0x0: a Hyper-V saved state or configuration (.vmrs, .vmcx): only Hyper-V's "
	    "own interfaces read it; the guest's own kdump can be read"),
	ROW("Windows minidump", 0, "MDMP\x93\xa7",
	    "offset 0x0: a Windows minidump, of a process: it holds no page tables: give a dump of "
	    "a machine's whole memory"),
	ROW("hiberfil.sys", 0, "HIBR",
	    "offset 0x0: a Windows hibernation file: resume the machine from it, then " WINDOWS),
	ROW("hiberfil.sys, old", 0, "hibr",
	    "offset 0x0: a Windows hibernation file: resume the machine from it, then " WINDOWS),
	ROW("hiberfil.sys, resumed", 0, "RSTR", RESUMED),
	ROW("hiberfil.sys, resumed, old", 0, "wake", RESUMED),
	ROW("hiberfil.sys, resumed, old, large", 0, "WAKE", RESUMED),
	ROW("swsusp", 4086, "S1SUSPEND\0", "offset 0xff6: " SWSUSP),
	ROW("swsusp, 16K pages", 16374, "S1SUSPEND\0", "offset 0x3ff6: " SWSUSP),
	ROW("swsusp, 64K pages", 65526, "S1SUSPEND\0", "offset 0xfff6: " SWSUSP),
	ROW("swsusp 2", 4086, "S2SUSPEND\0", "offset 0xff6: " SWSUSP),
	ROW("uswsusp", 4086, "ULSUSPEND\0",
	    "offset 0xff6: a swap area with a Linux hibernation image (uswsusp): " RESUME),
	ROW("LINHIB", 4086, "LINHIB0001", "offset 0xff6: " SWSUSP),
	ROW("TuxOnIce", 0, "\xed\xc3\x02\xe9\x98\x56\xe5\x0c",
	    "offset 0x0: a TuxOnIce hibernation image: " RESUME),
	ROW("swap", 4086, "SWAPSPACE2",
	    "offset 0xff6: a swap area: dump the running machine as an ELF core"),
	ROW("swap, old", 4086, "SWAP-SPACE",
	    "offset 0xff6: a swap area: dump the running machine as an ELF core"),
	ROW("qcow2", 0, "QFI\373\0\0\0\3",
	    "offset 0x0: a qcow or qcow2 disk: not memory; a state that savevm put in it can be "
	    "loaded (qemu -loadvm), then dump-guest-memory writes an ELF core"),
	ROW("QED", 0, "QED\0", "offset 0x0: a QED disk: " DISK),
	ROW("VMDK", 0, "KDMV\1\0\0\0", "offset 0x0: a VMDK disk: " DISK),
	ROW("VMDK of ESX", 0, "COWD\1\0\0\0", "offset 0x0: a VMDK disk: " DISK),
	ROW("VMDK description", 0, "# Disk DescriptorFile\nversion=1\n",
	    "offset 0x0: the description of a VMDK disk: " DISK),
	ROW("VDI", 64, "\x7f\x10\xda\xbe", "offset 0x40: a VDI disk: " DISK),
	ROW("VHDX", 0, "vhdxfile", "offset 0x0: a VHDX disk: " DISK),
	ROW("VHD", 0, "conectix", "offset 0x0: a VHD disk: " DISK),
	ROW("EWF", 0, "EVF\x09\x0d\x0a\xff\0",
	    "offset 0x0: an EWF (EnCase) image: ewfexport makes raw memory of it if it holds "
	    "memory"),
	ROW("LZ4, legacy", 0, "\x02\x21\x4c\x18",
	    "offset 0x0: LZ4-compressed in the old format: decompress it first (lz4 -d)"),
	ROW("lzop", 0, "\x89LZO\0\r\n\x1a\n",
	    "offset 0x0: lzop-compressed: decompress it first (lzop -d)"),
	ROW("lzip", 0, "LZIP\1", "offset 0x0: lzip-compressed: decompress it first (lzip -d)"),
	ROW("7z", 0, "7z\xbc\xaf\x27\x1c",
	    "offset 0x0: a 7z archive: give the dump that is in it, unpacked"),
	ROW("RAR", 0, "Rar!\x1a\x07\1\0",
	    "offset 0x0: a RAR archive: give the dump that is in it, unpacked"),
	ROW("tar", 257, "ustar\0",
	    "offset 0x101: a tar archive: give the dump that is in it, "
	    "unpacked"),
	ROW("Android sparse", 0, "\x3a\xff\x26\xed", "offset 0x0: an Android sparse image: " DISK),
	ROW("Android boot", 0, "ANDROID!",
	    "offset 0x0: an Android boot image: it is a program: dump the running machine as an "
	    "ELF core"),
	ROW("Android vendor boot", 0, "VNDRBOOT",
	    "offset 0x0: an Android boot image: it is a program: dump the running machine as an "
	    "ELF core"),
	ROW("Mach-O", 0, "\xcf\xfa\xed\xfe",
	    "offset 0x0: a Mach-O file: only LLDB and Apple's tools read it"),
};

#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

static char file[FILE_SIZE];

/* Write size bytes of the file and open it. @return status; text gets the message */
static int open_file(size_t size, char *text, size_t text_size)
{
	char path[] = "/tmp/pgw-test-XXXXXX";
	struct pgw_image *image = NULL;
	struct pgw_error err = { 0 };
	int fd = mkstemp(path), status;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, file, size), size);
	close(fd);
	status = pgw_image_open(path, NULL, &image, &err);
	pgw_image_close(image);
	unlink(path);
	*text = '\0';
	if (status) {
		assert_int_equal(err.status, status);
		pgw_error_format(&err, text, text_size);
	}
	return status;
}

static void test_kind__each_is_called_by_its_name(void **state)
{
	bool is_right = true;
	char text[512];

	(void)state;
	for (size_t i = 0; i < NR_ROWS; i++) {
		memset(file, 0, sizeof(file));
		memcpy(file + rows[i].offset, rows[i].bytes, rows[i].size);
		if (open_file(sizeof(file), text, sizeof(text)) != -PGW_EOPNOTSUPP ||
		    strcmp(text, rows[i].text) != 0) {
			print_error("%s:\n  %s, not\n  %s\n", rows[i].name, text, rows[i].text);
			is_right = false;
		}
		/* It is no memory byte for byte. */
		assert_null(strstr(rows[i].text, "--ram"));
	}
	assert_true(is_right);
}

static void test_kind__a_file_that_ends_with_its_magic_is_enough(void **state)
{
	char text[512];

	(void)state;
	for (size_t i = 0; i < NR_ROWS; i++) {
		memset(file, 0, sizeof(file));
		memcpy(file + rows[i].offset, rows[i].bytes, rows[i].size);
		assert_int_equal(open_file(rows[i].offset + rows[i].size, text, sizeof(text)),
				 -PGW_EOPNOTSUPP);
		assert_string_equal(text, rows[i].text);
	}
}

static void test_kind__a_byte_beside_it_is_not_its_magic(void **state)
{
	char text[512];

	(void)state;
	for (size_t i = 0; i < NR_ROWS; i++) {
		memset(file, 0, sizeof(file));
		memcpy(file + rows[i].offset + 1, rows[i].bytes, rows[i].size);
		assert_int_equal(open_file(sizeof(file), text, sizeof(text)), -PGW_ENOEXEC);
	}
}

/* Memory that would prove where it belongs, but for the magic in its first page. */
static void test_kind__is_never_taken_for_raw_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR_ROWS; i++) {
		struct linux_machine m;
		struct pgw_error err;

		if (rows[i].offset + rows[i].size > 4096)
			continue;
		linux_init(&m, pgw_format_by_name("arm64-4k-48"), DESC_UXNTABLE);
		assert_int_equal(linux_open_raw(&m, NULL, &err), 0);
		linux_fini(&m);
		linux_init(&m, pgw_format_by_name("arm64-4k-48"), DESC_UXNTABLE);
		memcpy(m.ram + rows[i].offset, rows[i].bytes, rows[i].size);
		assert_int_equal(linux_open_raw(&m, NULL, &err), -PGW_EOPNOTSUPP);
		linux_fini(&m);
	}
}

struct poke {
	uint64_t offset;
	unsigned size; /* 0 ends a list */
	uint64_t value;
};

struct elf_row {
	const char *name;
	struct poke pokes[4];
	const char *text;
};

#define PROGRAM "it holds a program: give the dump of the machine's memory"

/* The file's note is at 176. */
static const struct elf_row elf_rows[] = {
	{ "vmlinux",
	  { { 16, 2, 2 } },
	  "offset 0x10: an ELF executable (a vmlinux, say): " PROGRAM },
	{ "a shared object",
	  { { 16, 2, 3 } },
	  "offset 0x10: an ELF executable (a vmlinux, say): " PROGRAM },
	{ "an object file", { { 16, 2, 1 } }, "offset 0x10: an ELF object file: " PROGRAM },
	{ "a vmlinux of 32 bits",
	  { { 4, 1, 1 }, { 16, 2, 2 } },
	  "offset 0x10: an ELF executable (a vmlinux, say): " PROGRAM },
	{ "a vmlinux of a big-endian machine",
	  { { 5, 1, 2 }, { 16, 2, 0x0200 } },
	  "offset 0x10: an ELF executable (a vmlinux, say): " PROGRAM },
	{ "a process",
	  { { 176 + 8, 4, 6 } },
	  "offset 0xb8: the core of a process: it holds no page tables: give the dump of a "
	  "machine's whole memory" },
	{ "a process of FreeBSD",
	  { { 176, 4, 8 }, { 176 + 12, 8, UINT64_C(0x44534265657246) } },
	  "offset 0xb8: the core of a process: it holds no page tables: give the dump of a "
	  "machine's whole memory" },
};

static void test_elf__what_is_no_core_of_a_known_machine_is_named(void **state)
{
	bool is_right = true;

	(void)state;
	for (size_t i = 0; i < sizeof(elf_rows) / sizeof(elf_rows[0]); i++) {
		static const uint8_t bytes[512];
		struct pgw_image *image = NULL;
		struct pgw_error err;
		struct mkelf elf;
		char text[512];

		mkelf_init(&elf, MKELF_X86_64);
		mkelf_note(&elf, "CORE", 1, bytes, 64);
		mkelf_segment(&elf, 0, bytes, sizeof(bytes), sizeof(bytes));
		mkelf_build(&elf);
		for (const struct poke *poke = elf_rows[i].pokes; poke->size; poke++)
			mkelf_put(&elf, poke->offset, poke->size, poke->value);
		assert_int_equal(pgw_image_open(mkelf_save(&elf), NULL, &image, &err),
				 -PGW_EOPNOTSUPP);
		pgw_error_format(&err, text, sizeof(text));
		if (strcmp(text, elf_rows[i].text) != 0) {
			print_error("%s:\n  %s, not\n  %s\n", elf_rows[i].name, text,
				    elf_rows[i].text);
			is_right = false;
		}
		mkelf_fini(&elf);
	}
	assert_true(is_right);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kind__each_is_called_by_its_name),
		cmocka_unit_test(test_kind__a_file_that_ends_with_its_magic_is_enough),
		cmocka_unit_test(test_kind__a_byte_beside_it_is_not_its_magic),
		cmocka_unit_test(test_kind__is_never_taken_for_raw_memory),
		cmocka_unit_test(test_elf__what_is_no_core_of_a_known_machine_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
