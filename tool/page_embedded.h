/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_PAGE_EMBEDDED_H
#define TOOL_PAGE_EMBEDDED_H

/* tool/report/page.js and page.css as the build has them, by tool/report/embed.py. */

#include <stddef.h>

extern const char page_script[];
extern const size_t page_script_size;
extern const char page_style[];
extern const size_t page_style_size;
/** SHA-256 of each in base64, as a Content-Security-Policy names it. */
extern const char page_script_hash[];
extern const char page_style_hash[];

#endif
