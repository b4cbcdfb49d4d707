#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""drgn: opens the image as a kernel's core dump. peer_drgn.py FILE <ADDRESSES

Prints "VA PA" for each address that it can translate, then the time that it took.
"""

import sys
import time

import drgn


def main():
    addresses = [int(line, 16) for line in sys.stdin]
    start = time.process_time()
    prog = drgn.Program()
    prog.set_core_dump(sys.argv[1])
    # From 0.0.23 on.
    from drgn.helpers.linux.mm import follow_phys

    kernel = prog["init_mm"].address_of_()
    found = []
    for va in addresses:
        try:
            found.append((va, follow_phys(kernel, va).value_()))
        except drgn.FaultError:
            continue
    taken = time.process_time() - start
    for va, pa in found:
        print("%016x %016x" % (va, pa))
    print("time %.3f" % (taken * 1e3))


try:
    main()
except Exception as error:  # whatever it says is what is reported
    sys.exit(str(error).split("\n", 1)[0] or type(error).__name__)
