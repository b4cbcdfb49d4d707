/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOURCE_ELF_H
#define SOURCE_ELF_H

/* ELF64, System V ABI chapters 4 and 5: offsets of fields, and values. */

/* File header. */
#define EH_SIZE 64
#define EH_CLASS 4
#define EH_DATA 5
#define EH_IDENT_VERSION 6
#define EH_TYPE 16
#define EH_VERSION 20
#define EH_PHOFF 32
#define EH_SHOFF 40
#define EH_EHSIZE 52
#define EH_PHENTSIZE 54
#define EH_PHNUM 56
#define EH_SHENTSIZE 58
#define EH_SHNUM 60
#define EH_SHSTRNDX 62

#define ELFCLASS32 1
#define ELFCLASS64 2
#define ELFDATA2LSB 1
#define ELFDATA2MSB 2
#define EV_CURRENT 1
#define ET_REL 1
#define ET_EXEC 2
#define ET_DYN 3
#define ET_CORE 4
#define EM_386 3
#define PN_XNUM 0xffff /* the number is in section 0's sh_info */

/* Section header. */
#define SH_SIZE 64
#define SH_NAME 0
#define SH_OFFSET 24
#define SH_BYTES 32 /* sh_size */
#define SH_INFO 44

/* Program header. */
#define PH_SIZE 56
#define PH_TYPE 0
#define PH_FLAGS 4
#define PH_OFFSET 8
#define PH_VADDR 16
#define PH_PADDR 24
#define PH_FILESZ 32
#define PH_MEMSZ 40

#define PT_LOAD 1
#define PT_NOTE 4
#define PF_R 4

#endif
