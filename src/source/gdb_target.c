/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/gdb_target.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef PGW_WITH_EXPAT

#include <expat.h>

#include "base/bits.h"
#include "source/library.h"
#include "source/peer.h"

/* QEMU's are of a dozen files, of 40 KiB at most. */
#define MAX_FILES 64
#define MAX_BYTES ((size_t)4 << 20)
#define MAX_DEPTH 4
#define PIECE 0x400 /* bytes that one packet asks for */

struct description {
	struct gdb_packets *packets;
	struct gdb_target *target;
	unsigned nr_files, depth;
	size_t nr_bytes;
	int next; /* the number of the next register that does not say its own */
	bool is_in_arch;
	XML_Parser parser; /* of the file that is read */
	int status;
};

static struct {
	__typeof__(XML_ParserCreate) *create;
	__typeof__(XML_ParserFree) *free;
	__typeof__(XML_Parse) *parse;
	__typeof__(XML_StopParser) *stop;
	__typeof__(XML_SetUserData) *set_arg;
	__typeof__(XML_SetElementHandler) *set_elements;
	__typeof__(XML_SetCharacterDataHandler) *set_text;
	__typeof__(XML_SetEntityDeclHandler) *set_entities;
} lib;

static const struct library_symbol symbols[] = {
	{ "XML_ParserCreate", &lib.create },
	{ "XML_ParserFree", &lib.free },
	{ "XML_Parse", &lib.parse },
	{ "XML_StopParser", &lib.stop },
	{ "XML_SetUserData", &lib.set_arg },
	{ "XML_SetElementHandler", &lib.set_elements },
	{ "XML_SetCharacterDataHandler", &lib.set_text },
	{ "XML_SetEntityDeclHandler", &lib.set_entities },
};

static struct library library = {
	.soname = PGW_WITH_EXPAT,
	.symbols = symbols,
	.nr_symbols = PGW_ARRAY_SIZE(symbols),
};

static void give_up(struct description *d, int status)
{
	d->status = status;
	lib.stop(d->parser, XML_FALSE);
}

static const char *attribute(const XML_Char **attributes, const char *name)
{
	for (; attributes[0]; attributes += 2) {
		if (strcmp(attributes[0], name) == 0)
			return attributes[1];
	}
	return NULL;
}

static void take_register(struct description *d, const XML_Char **attributes)
{
	const char *name = attribute(attributes, "name");
	const char *number = attribute(attributes, "regnum");
	unsigned long said = number ? strtoul(number, NULL, 10) : (unsigned long)d->next;

	if (!name || said >= INT32_MAX) {
		give_up(d, -PGW_EIO);
		return;
	}
	for (size_t i = 0; i < d->target->nr_registers; i++) {
		struct gdb_register *reg = &d->target->registers[i];

		if (reg->number < 0 && strcmp(name, reg->name) == 0)
			reg->number = (int)said;
	}
	d->next = (int)said + 1;
}

static int read_file(struct description *d, const char *name);

static void XMLCALL element_begins(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct description *d = arg;
	const char *file = attribute(attributes, "href");

	if (strcmp(name, "architecture") == 0) {
		d->is_in_arch = true;
	} else if (strcmp(name, "reg") == 0) {
		take_register(d, attributes);
	} else if (strcmp(name, "xi:include") == 0 && file) {
		XML_Parser outer = d->parser;
		int status = d->depth < MAX_DEPTH ? read_file(d, file) : -PGW_EIO;

		d->parser = outer;
		if (status)
			give_up(d, status);
	}
}

static void XMLCALL element_ends(void *arg, const XML_Char *name)
{
	struct description *d = arg;

	(void)name;
	d->is_in_arch = false;
}

static void XMLCALL take_text(void *arg, const XML_Char *text, int len)
{
	struct description *d = arg;
	size_t nr = strlen(d->target->arch);

	if (!d->is_in_arch)
		return;
	if (nr + (size_t)len > GDB_NAME_MAX) {
		give_up(d, -PGW_EIO);
		return;
	}
	memcpy(d->target->arch + nr, text, (size_t)len);
	d->target->arch[nr + (size_t)len] = '\0';
}

/* A description has none, and those of others could grow without end. */
static void XMLCALL refuse_entity(void *arg, const XML_Char *name, int is_parameter,
				  const XML_Char *value, int len, const XML_Char *base,
				  const XML_Char *system, const XML_Char *public,
				  const XML_Char *notation)
{
	(void)name, (void)is_parameter, (void)value, (void)len, (void)base, (void)system,
		(void)public, (void)notation;
	give_up(arg, -PGW_EIO);
}

/* "m" and bytes of the file, more follow; "l": the last. */
static int parse_piece(struct description *d, const struct gdb_answer *answer)
{
	bool is_last = answer->text[0] == 'l';
	size_t size = answer->size - 1;

	if ((!is_last && answer->text[0] != 'm') || (!is_last && !size))
		return -PGW_EIO;
	d->nr_bytes += size;
	if (d->nr_bytes > MAX_BYTES)
		return -PGW_EIO;
	if (lib.parse(d->parser, answer->text + 1, (int)size, is_last) != XML_STATUS_OK)
		return d->status ? d->status : -PGW_EIO;
	return is_last;
}

static int parse_file(struct description *d, const char *name)
{
	int status = 0;

	for (size_t at = 0; !status;) {
		char command[160];
		struct gdb_answer answer;
		char *copy;

		if ((size_t)snprintf(command, sizeof(command), "qXfer:features:read:%s:%zx,%x",
				     name, at, PIECE) >= sizeof(command))
			return -PGW_EIO;
		status = peer_now_ms() > d->target->deadline
				 ? -PGW_EIO
				 : gdb_ask(d->packets, command, &answer);
		if (status)
			return status;
		/* What it includes is asked for while this is parsed. */
		copy = malloc(answer.size + 1);
		if (!copy)
			return -PGW_ENOMEM;
		memcpy(copy, answer.text, answer.size + 1);
		answer.text = copy;
		status = parse_piece(d, &answer);
		at += answer.size - 1;
		free(copy);
	}
	return status < 0 ? status : 0;
}

static int read_file(struct description *d, const char *name)
{
	int status;

	if (++d->nr_files > MAX_FILES || strpbrk(name, ":#$*}"))
		return -PGW_EIO;
	d->parser = lib.create(NULL);
	if (!d->parser)
		return -PGW_ENOMEM;
	lib.set_arg(d->parser, d);
	lib.set_elements(d->parser, element_begins, element_ends);
	lib.set_text(d->parser, take_text);
	lib.set_entities(d->parser, refuse_entity);
	d->depth++;
	status = parse_file(d, name);
	d->depth--;
	lib.free(d->parser);
	return status;
}

int gdb_target_read(struct gdb_packets *packets, struct gdb_target *target)
{
	struct description d = { .packets = packets, .target = target };
	int status;

	target->arch[0] = '\0';
	for (size_t i = 0; i < target->nr_registers; i++)
		target->registers[i].number = -1;
	if (!library_load(&library))
		return -PGW_EOPNOTSUPP;
	status = read_file(&d, "target.xml");
	return status == -PGW_EOPNOTSUPP || status == -PGW_EACCES ? -PGW_ENOENT : status;
}

#else

int gdb_target_read(struct gdb_packets *packets, struct gdb_target *target)
{
	(void)packets, (void)target;
	return -PGW_EOPNOTSUPP;
}

#endif
