# SPDX-License-Identifier: BSD-2-Clause
# What cffi makes: structs and functions of the library.
from typing import Any

ffi: Any
lib: Any
