# SPDX-License-Identifier: BSD-2-Clause
"""embed.py SCRIPT STYLE TO: a C file that holds both as bytes, and their hashes."""
import base64
import hashlib
import sys


def embedded(name, path):
    with open(path, 'rb') as file:
        data = file.read()
    # What ends the element would end it in a comment or a string, too.
    for end in (b'</script', b'</style', b'<!--'):
        if end in data.lower():
            sys.exit(f'{path}: {end.decode()} cannot be in it')
    lines = [', '.join(str(byte) for byte in data[at:at + 20]) for at in range(0, len(data), 20)]
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return (f'const char {name}[] = {{\n' + ',\n'.join(lines) + '\n};\n'
            f'const size_t {name}_size = sizeof({name});\n'
            f'const char {name}_hash[] = "{digest}";\n')


script, style, to = sys.argv[1:]
with open(to, 'w', encoding='ascii') as file:
    file.write('#include "page_embedded.h"\n\n' + embedded('page_script', script) + '\n'
               + embedded('page_style', style))
