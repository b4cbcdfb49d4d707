/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef REPORT_JSON_PRIV_H
#define REPORT_JSON_PRIV_H

#include "report/json_put.h"
#include "report/report.h"

void json_info(struct report *report, const struct report_info *info);

/** The members of a root's object. */
void json_root_members(struct json *json, const struct pgw_root_info *root);

#endif
