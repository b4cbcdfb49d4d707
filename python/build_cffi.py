#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""build_cffi.py OUT.c: write the C side of the Python module, by cffi.

What is declared here is the part of the public headers that Python uses. Where it says "..." the C
compiler fills in the rest, and it refuses a declaration that is not as in the headers.
"""
import sys

import cffi

CDEF = """
enum pgw_region_kind { PGW_REGION_USER, PGW_REGION_KERNEL, PGW_REGION_FOREIGN, ... };

struct pgw_format;
struct pgw_image;
struct pgw_mm;
struct pgw_tasks;
struct pgw_symbols;
struct pgw_platform;

struct pgw_root { uint64_t pa; uint32_t nr_items; };
struct pgw_error {
    int status; int os_errno; bool has_offset; bool has_found; uint64_t offset; uint64_t found; ...;
};
struct pgw_region { const char *name; uint64_t first; uint64_t last; enum pgw_region_kind kind; ...; };
struct pgw_geometry { uint8_t top_level; uint8_t granule_lg2; uint8_t va_bits; ...; };
struct pgw_control { uint32_t known; uint32_t set; uint8_t pa_bits; ...; };
struct pgw_vmcoreinfo { const char *text; size_t size; ...; };
struct pgw_image_options {
    const char *arch; bool zero_fill; const char *kernel; const char *symbols;
    const struct pgw_scan_workers *workers; const struct pgw_vmcoreinfo *vmcoreinfo; ...;
};
struct pgw_scan_workers { unsigned n; ...; };
struct pgw_image_info {
    const char *kind; const char *arch; const char *reader; const char *writer; const char *machine;
    uint64_t file_size; uint64_t nr_ranges; uint64_t readable_bytes; uint64_t unreadable_bytes;
    uint64_t excluded_bytes; bool truncated; unsigned nr_cpus; bool xen_pv; bool is_live; ...;
};
struct pgw_root_info {
    struct pgw_root root; const struct pgw_format *format; struct pgw_control control; uint32_t found;
    bool has_user; bool has_kernel; int state; int proof; bool is_kpti_user; bool has_twin;
    struct pgw_root twin; uint64_t cpus; unsigned kernel; uint64_t nr_missing; ...;
};
struct pgw_phys { ...; };
struct pgw_mm_attach_args {
    const struct pgw_platform *platform; const struct pgw_format *format; const struct pgw_phys *phys;
    struct pgw_root root; enum pgw_region_kind region; struct pgw_control control; uint64_t budget;
    bool is_live; ...;
};
struct pgw_extent {
    uint64_t va_first; uint64_t va_last; uint64_t pa; uint64_t entry;
    int kind; uint8_t level; uint8_t leaf_lg2; uint8_t rights; ...;
};
struct pgw_translation {
    int kind; uint8_t level; uint8_t leaf_lg2; uint8_t rights;
    uint64_t pa; uint64_t entry; uint64_t va_first; uint64_t va_last;
};
struct pgw_step { uint64_t item_pa; uint64_t entry; int kind; uint8_t level; ...; };
struct pgw_path { struct pgw_step step[...]; unsigned nr_steps; };
struct pgw_task {
    uint64_t va; uint64_t mm_va; uint64_t root_pa; uint32_t pid; uint32_t tgid; uint32_t ppid;
    uint32_t uid; uint32_t gid; char state; bool is_kernel; bool is_leader; char name[...]; ...;
};
struct pgw_area {
    uint64_t start; uint64_t end; uint64_t flags; uint64_t offset; bool has_file; uint64_t inode;
    const char *name; uint64_t rss; uint64_t swap; ...;
};
struct pgw_areas_met { uint64_t nr_areas; uint64_t nr_torn; uint64_t nr_unreadable; bool truncated; };
struct pgw_symbol { uint64_t va; const char *name; char letter; bool is_offset; };

const char *pgw_status_text(int status);
int pgw_error_format(const struct pgw_error *err, char *buf, size_t size);
const struct pgw_platform *pgw_hosted_platform(void);
struct pgw_scan_workers pgw_hosted_workers(unsigned nr_threads);

const struct pgw_format *pgw_format_by_name(const char *name);
const struct pgw_format *pgw_format_at(size_t index);
const char *pgw_format_name(const struct pgw_format *format);
const char *pgw_format_table_name(const struct pgw_format *format, unsigned level);
const struct pgw_geometry *pgw_format_geometry(const struct pgw_format *format);
const struct pgw_region *pgw_format_region(const struct pgw_format *format, enum pgw_region_kind kind);
const struct pgw_region *pgw_format_region_of(const struct pgw_format *format, uint64_t va);

int pgw_image_open(const char *source, const struct pgw_image_options *opts, struct pgw_image **ret,
                   struct pgw_error *err);
int pgw_image_open_phys(const struct pgw_phys *phys, bool is_live, const struct pgw_image_options *opts,
                        struct pgw_image **ret, struct pgw_error *err);
void pgw_image_close(struct pgw_image *image);
const struct pgw_phys *pgw_image_phys(const struct pgw_image *image);
const struct pgw_image_info *pgw_image_get_info(const struct pgw_image *image);
int pgw_image_roots(struct pgw_image *image, const struct pgw_root_info **ret_list, size_t *ret_nr);
int pgw_image_kernel_root(struct pgw_image *image, struct pgw_root_info *ret, struct pgw_error *err);
int pgw_image_cpu_root(struct pgw_image *image, unsigned index, struct pgw_root_info *ret);

enum pgw_vmcoreinfo_fit { PGW_FIT_UNKNOWN, PGW_FIT_YES, PGW_FIT_NO, ... };
int pgw_vmcoreinfo_read(const void *bytes, size_t size, struct pgw_vmcoreinfo *ret);
int pgw_image_vmcoreinfo(struct pgw_image *image, const struct pgw_vmcoreinfo **ret_list, size_t *ret_nr);
enum pgw_vmcoreinfo_fit pgw_image_vmcoreinfo_fit(struct pgw_image *image,
                                                 const struct pgw_vmcoreinfo *info);

int pgw_mm_attach(const struct pgw_mm_attach_args *args, struct pgw_mm **ret);
void pgw_mm_free(struct pgw_mm *mm);
int pgw_mmap_read_lock(struct pgw_mm *mm);
int pgw_mmap_read_unlock(struct pgw_mm *mm);
int pgw_mmap_write_lock(struct pgw_mm *mm);
int pgw_mmap_write_unlock(struct pgw_mm *mm);
int pgw_translate_path(struct pgw_mm *mm, uint64_t va, struct pgw_translation *ret,
                       struct pgw_path *ret_path);
size_t pgw_translate_batch(struct pgw_mm *mm, const uint64_t *va, struct pgw_translation *ret, size_t n);

int pgw_tasks_open(struct pgw_image *image, struct pgw_tasks **ret, struct pgw_error *err);
void pgw_tasks_close(struct pgw_tasks *tasks);
const struct pgw_task *pgw_tasks_list(const struct pgw_tasks *tasks, size_t *ret_nr);
const struct pgw_task *pgw_tasks_with_mm(const struct pgw_tasks *tasks, const struct pgw_task *task);
typedef int pgw_area_fn(const struct pgw_area *area, void *arg);
int pgw_task_areas(struct pgw_tasks *tasks, const struct pgw_task *task, bool with_rss, pgw_area_fn *fn,
                   void *arg, struct pgw_areas_met *met);

int pgw_image_symbols(struct pgw_image *image, const struct pgw_symbols **ret, struct pgw_error *err);
bool pgw_symbols_get(const struct pgw_symbols *symbols, size_t index, struct pgw_symbol *ret);
bool pgw_symbols_find(const struct pgw_symbols *symbols, const char *name, struct pgw_symbol *ret);
bool pgw_symbols_at(const struct pgw_symbols *symbols, uint64_t va, struct pgw_symbol *ret,
                    uint64_t *ret_offset);

struct pgw_audit_rule_info { const char *id; const char *text; ...; };
const struct pgw_audit_rule_info *pgw_audit_rule_info(int rule);
enum pgw_audit_rule { PGW_AUDIT_KERNEL_WX, ... };
struct pgw_foreign { bool is_guest; uint32_t id; ...; };
struct pgw_audit_finding {
    int rule; int level; const struct pgw_root_info *root; const struct pgw_foreign *foreign;
    const struct pgw_region *region;
    uint64_t va_first; uint64_t va_last; uint64_t pa; uint64_t entry; uint64_t count; size_t nr_roots;
    const char *detail; bool is_suspect;
};
typedef int pgw_audit_fn(const struct pgw_audit_finding *finding, void *arg);
typedef int pgw_audit_unchecked_fn(enum pgw_audit_rule rule, const char *why, void *arg);
struct pgw_audit_args {
    const struct pgw_platform *platform; struct pgw_image *image; const struct pgw_root_info *roots;
    size_t nr_roots; uint64_t max_tables; uint64_t max_findings; pgw_audit_fn *finding;
    pgw_audit_unchecked_fn *unchecked; void *arg; ...;
};
struct pgw_audit_sums {
    uint64_t nr_unreadable; bool truncated; uint32_t full_rules; ...;
};
int pgw_audit(const struct pgw_audit_args *args, struct pgw_audit_sums *ret);

struct pgwpy_batch {
    struct pgw_extent *extents; size_t capacity; size_t nr;
    bool is_whole; uint64_t next; uint64_t nr_tables;
};
int pgwpy_scan(struct pgw_mm *mm, uint64_t first, uint64_t last, struct pgwpy_batch *batch);
bool pgwpy_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *first, uint64_t *last);
int pgwpy_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len);
struct pgwpy_phys { struct pgw_phys phys; void *handle; };
void pgwpy_phys_init(struct pgwpy_phys *phys, void *handle);

extern "Python" int pgwpy_area(const struct pgw_area *area, void *handle);
extern "Python" int pgwpy_finding(const struct pgw_audit_finding *finding, void *handle);
extern "Python" int pgwpy_unchecked(enum pgw_audit_rule rule, const char *why, void *handle);
extern "Python" int pgwpy_phys_read(void *handle, uint64_t pa, void *buf, size_t len);
extern "Python" bool pgwpy_phys_range(void *handle, uint64_t pa, uint64_t *first, uint64_t *last);
"""

SOURCE = """
#include <string.h>
#include <pagewalk/pagewalk.h>

/* As many extents as there is room for; the rest is asked for again, from next on. */
struct pgwpy_batch {
    struct pgw_extent *extents;
    size_t capacity, nr;
    bool is_whole;
    uint64_t next;
    uint64_t nr_tables;
};

static int pgwpy_take(const struct pgw_extent *extents, size_t nr, void *arg)
{
    struct pgwpy_batch *batch = arg;
    size_t room = batch->capacity - batch->nr;

    memcpy(batch->extents + batch->nr, extents, (nr < room ? nr : room) * sizeof(*extents));
    batch->nr += nr < room ? nr : room;
    return nr >= room;
}

static int pgwpy_scan(struct pgw_mm *mm, uint64_t first, uint64_t last, struct pgwpy_batch *batch)
{
    struct pgw_scan_stats stats;
    int status;

    batch->nr = 0;
    status = pgw_scan_blocks(mm, first, last, pgwpy_take, batch, &stats);
    batch->nr_tables = stats.nr_tables;
    batch->is_whole = status <= 0;
    if (status > 0) {
        batch->next = batch->extents[batch->nr - 1].va_last + 1;
        batch->is_whole = batch->extents[batch->nr - 1].va_last == last;
        status = 0;
    } else if (status == -PGW_E2BIG) {
        batch->next = stats.truncated_va;
    }
    return status;
}

static int pgwpy_read(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
    return pgw_phys_read(phys, pa, buf, len);
}

static bool pgwpy_next_range(const struct pgw_phys *phys, uint64_t pa, uint64_t *first, uint64_t *last)
{
    return phys->ops->next_range(phys, pa, first, last);
}

/* Memory that Python reads. */
struct pgwpy_phys {
    struct pgw_phys phys;
    void *handle;
};

static int pgwpy_phys_read(void *handle, uint64_t pa, void *buf, size_t len);
static bool pgwpy_phys_range(void *handle, uint64_t pa, uint64_t *first, uint64_t *last);

static int pgwpy_read_op(const struct pgw_phys *phys, uint64_t pa, void *buf, size_t len)
{
    return pgwpy_phys_read(((const struct pgwpy_phys *)phys->ctx)->handle, pa, buf, len);
}

static bool pgwpy_range_op(const struct pgw_phys *phys, uint64_t pa, uint64_t *first, uint64_t *last)
{
    return pgwpy_phys_range(((const struct pgwpy_phys *)phys->ctx)->handle, pa, first, last);
}

static void pgwpy_phys_init(struct pgwpy_phys *phys, void *handle)
{
    static const struct pgw_phys_ops ops = { .read = pgwpy_read_op, .next_range = pgwpy_range_op };

    phys->phys = (struct pgw_phys){ .ops = &ops, .ctx = phys };
    phys->handle = handle;
}
"""


def main(out):
    ffi = cffi.FFI()
    ffi.cdef(CDEF)
    ffi.set_source('pagewalk._pagewalk', SOURCE)
    ffi.emit_c_code(out)


if __name__ == '__main__':
    main(*sys.argv[1:])
