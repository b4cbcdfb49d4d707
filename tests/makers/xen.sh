#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Cores that Xen's xl dump-core writes of its guests, and the dump of their host: see xen.py.
exec /usr/bin/python3 -B "$(dirname "$0")/xen.py"
