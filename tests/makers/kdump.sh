#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What a crashed kernel leaves, written by the kernel behind it in every format: see kdump.py.
exec /usr/bin/python3 -B "$(dirname "$0")/kdump.py"
