#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What a guest does to its memory, and what pagewalk diff says of it: see events.py.
exec /usr/bin/python3 -B "$(dirname "$0")/events.py"
