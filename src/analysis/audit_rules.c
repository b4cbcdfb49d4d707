/* SPDX-License-Identifier: BSD-2-Clause */
#include <pagewalk/audit.h>

/* pagewalk-audit(1) says the same at length, and what each rule does not see. */
static const struct pgw_audit_rule_info rules[_PGW_AUDIT_RULE_MAX] = {
	[PGW_AUDIT_KERNEL_WX] = { "kernel-wx", "the kernel may write and execute this",
				  "Who can make the kernel write there runs code as the kernel.",
				  "No kernel maps anything so once it has started.",
				  PGW_AUDIT_ERROR },
	[PGW_AUDIT_X_OUTSIDE] = { "x-outside", "the kernel may execute what is not its code",
				  "Code that is nowhere else is what an intruder's would be.",
				  "Only the kernel's text, modules and BPF programs are "
				  "executable, and a few known pages.",
				  PGW_AUDIT_ERROR },
	[PGW_AUDIT_TEXT_WRITABLE] = { "text-writable",
				      "code or read-only data of the kernel is writable here",
				      "A second, writable address makes the read-only one "
				      "worthless.",
				      "Every address of these frames is read-only; code is patched "
				      "by an address that is gone again.",
				      PGW_AUDIT_ERROR },
	[PGW_AUDIT_KERNEL_USER] = { "kernel-user", "programs have rights in the kernel's half",
				    "Every process can use it.",
				    "None have, but to read the page of vsyscall=emulate on "
				    "x86-64.",
				    PGW_AUDIT_ERROR },
	[PGW_AUDIT_USER_TABLE] = { "user-table", "memory of a program is a page table",
				   "The program can map any memory, or see where it is.",
				   "No table is mapped for programs.", PGW_AUDIT_ERROR },
	[PGW_AUDIT_USER_KERNEL] = { "user-kernel", "memory of a program is the kernel's image",
				    "The program sees or changes the kernel's code or data.",
				    "Of the image programs see the vDSO, its data and the page of "
				    "zeroes.",
				    PGW_AUDIT_ERROR },
	[PGW_AUDIT_TABLE_ALIAS] = { "table-alias", "a page table is writable at an unusual address",
				    "Tables can be changed where nobody looks for it.",
				    "Tables are writable in the direct map, and the image's own in "
				    "the image.",
				    PGW_AUDIT_ERROR },
	[PGW_AUDIT_TABLE_RO] = { "table-ro", "a table is writable that should be read-only",
				 "The kernel's root is read-only so that a stray write cannot "
				 "change it.",
				 "swapper_pg_dir and its like are writable for moments only.",
				 PGW_AUDIT_ERROR },
	[PGW_AUDIT_NO_RAM] = { "no-ram", "a leaf leads to what is no memory",
			       "It may be a device that is reached past its driver, or a damaged "
			       "entry.",
			       "The direct map, the image and programs have RAM; devices have "
			       "marked leaves, or are in vmalloc.",
			       PGW_AUDIT_ERROR },
	[PGW_AUDIT_TABLE_SHARED] = { "table-shared", "a table is part of two address spaces",
				     "What one process maps the other one has, too.",
				     "Processes share nothing but the kernel's half, and hugetlb's "
				     "tables of large pages.",
				     PGW_AUDIT_ERROR },
	[PGW_AUDIT_TABLE_TWICE] = { "table-twice", "a root leads to this table twice",
				    "The same entries answer at two addresses.",
				    "No root does but for ESPFIX on x86-64 and KASAN's early "
				    "shadow.",
				    PGW_AUDIT_ERROR },
	[PGW_AUDIT_LOOP] = { "loop", "a table leads back to itself",
			     "Tables become memory that can be read and written at fixed "
			     "addresses.",
			     "Linux has no such entry.", PGW_AUDIT_ERROR },
	[PGW_AUDIT_RESERVED] = { "reserved",
				 "an entry has bits that must be zero, or none that is one",
				 "The MMU refuses it: somebody else wrote it, or the memory is "
				 "damaged.",
				 "There is none.", PGW_AUDIT_ERROR },
	[PGW_AUDIT_TABLE_MARK] = { "table-mark",
				   "a process's table whose struct page is not that of a table",
				   "The kernel does not know that the page is a table.",
				   "Each has the mark.", PGW_AUDIT_ERROR },
	[PGW_AUDIT_TABLE_LOST] = { "table-lost",
				   "a page is marked as a table, and no root leads to it",
				   "It may be of an address space that was not found, or is hidden.",
				   "Tables are in a tree, or wait behind a large page.",
				   PGW_AUDIT_WARNING },
	[PGW_AUDIT_NO_KPTI] = { "no-kpti", "the kernel's memory is mapped while programs run",
				"CPUs with Meltdown let programs read it.",
				"A choice: on where the CPU needs it.", PGW_AUDIT_NOTE },
	[PGW_AUDIT_NO_SMEP] = { "no-smep", "the kernel may execute programs' memory",
				"A jump to an address of a program is code of an intruder.",
				"SMEP is on where the CPU has it.", PGW_AUDIT_NOTE },
	[PGW_AUDIT_NO_NX] = { "no-nx", "nothing is ever not executable", "Data can be run as code.",
			      "NX is on where the CPU has it.", PGW_AUDIT_NOTE },
	[PGW_AUDIT_NO_WXN] = { "no-wxn", "what is writable may be executable",
			       "W and X are kept apart by the tables alone.",
			       "Linux leaves WXN off.", PGW_AUDIT_NOTE },
	[PGW_AUDIT_NO_WP] = { "no-wp", "read-only does not bind the kernel",
			      "No page is safe from the kernel's own stray writes.",
			      "CR0.WP is on but for moments.", PGW_AUDIT_WARNING },
	[PGW_AUDIT_FIRMWARE_WX] = { "firmware-wx",
				    "tables of firmware have this writable and executable",
				    "Firmware that can be written to runs with every right.",
				    "Most firmware maps all memory so until the operating system "
				    "starts.",
				    PGW_AUDIT_NOTE },
	[PGW_AUDIT_USER_WX] = { "user-wx", "a program may write and execute this",
				"A program that is made to write there runs what was written.",
				"A program's choice: compilers at run time ask for it.",
				PGW_AUDIT_NOTE },
	[PGW_AUDIT_FOREIGN_CODE] = { "foreign-code",
				     "a device or a virtual machine may write code or read-only "
				     "data of the kernel",
				     "Who commands it runs code as the host's kernel.",
				     "Their tables lead to buffers and to guests' memory.",
				     PGW_AUDIT_ERROR },
	[PGW_AUDIT_FOREIGN_TABLE] = { "foreign-table",
				      "a device or a virtual machine may write a page table of the "
				      "host",
				      "Who commands it can map any memory of the host.",
				      "No table is a buffer, nor a guest's memory.",
				      PGW_AUDIT_ERROR },
	[PGW_AUDIT_FOREIGN_FREED] = { "foreign-freed",
				      "a device or a virtual machine may write memory that is free",
				      "Whoever gets the memory next has it changed under them.",
				      "What is mapped for them is freed after it is unmapped.",
				      PGW_AUDIT_ERROR },
	[PGW_AUDIT_FOREIGN_SHARED] = { "foreign-shared",
				       "two virtual machines have memory in common that one may "
				       "write, or a device of one has memory of another",
				       "One guest can change or watch the other one.",
				       "Guests share only what somebody made them share, as "
				       "ivshmem, or pages that none may write.",
				       PGW_AUDIT_WARNING },
	[PGW_AUDIT_DEVICE_IDENTITY] = { "device-identity", "a device reaches all memory as it is",
					"Its IOMMU protects nothing from it.",
					"A choice, for speed: iommu.passthrough=1, or of a driver.",
					PGW_AUDIT_NOTE },
};

const struct pgw_audit_rule_info *pgw_audit_rule_info(enum pgw_audit_rule rule)
{
	return (unsigned)rule < _PGW_AUDIT_RULE_MAX ? &rules[rule] : NULL;
}
