#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What Debian's LiME writes of a guest, compared with what QEMU knows of it: see lime.py.
exec /usr/bin/python3 -B "$(dirname "$0")/lime.py"
