/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PAGEWALK_PAGEWALK_H
#define PAGEWALK_PAGEWALK_H

/** @file Everything. */

#include <pagewalk/analysis.h>
#include <pagewalk/annotate.h>
#include <pagewalk/audit.h>
#include <pagewalk/base.h>
#include <pagewalk/edit.h>
#include <pagewalk/format.h>
#include <pagewalk/hosted.h>
#include <pagewalk/image.h>
#include <pagewalk/kernel.h>
#include <pagewalk/linux_absent.h>
#include <pagewalk/linux_layout.h>
#include <pagewalk/linux_modules.h>
#include <pagewalk/linux_pages.h>
#include <pagewalk/linux_tasks.h>
#include <pagewalk/mapping.h>
#include <pagewalk/mm.h>
#include <pagewalk/phys.h>
#include <pagewalk/platform.h>
#include <pagewalk/process.h>
#include <pagewalk/scan.h>
#include <pagewalk/symbols.h>
#include <pagewalk/virt.h>
#include <pagewalk/vma.h>
#include <pagewalk/walk.h>

/** The version of these headers. */
#define PGW_VERSION "0.1.0"

#endif
