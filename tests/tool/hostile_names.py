#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""hostile_names.py IMAGE NEW: a copy of linux-7.2-amd64.tasks.elf in which three programs have names that
would be markup, end a script, turn text round, move a terminal's cursor, or are no UTF-8."""
import sys

NAMES = ((b'nsinner2', b'</script>\xe2\x80\xae\xff&"'), (b'mapper', b'<b id=planted>\''),
         (b'manyvmas', b'\xe2\x80\xa8\x1b[31m\xc2\x85<!--'))


def main(image, new):
    with open(image, 'rb') as file:
        data = file.read()
    for name, hostile in NAMES:
        assert data.count(name + b'\0') == 1 and len(hostile) < 16
        data = data.replace(name + bytes(15 - len(name)), hostile.ljust(15, b'\0'))
    with open(new, 'wb') as file:
        file.write(data)


if __name__ == '__main__':
    main(*sys.argv[1:])
