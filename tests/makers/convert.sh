#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What other readers say of files that pagewalk convert writes: see convert.py.
exec /usr/bin/python3 -B "$(dirname "$0")/convert.py"
