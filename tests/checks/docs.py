#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""docs.py SOURCE BUILD [FILE]...: what the documents say is so. Prints TAP.

In each Markdown file of the source tree, or in the given ones:
- a `console` block holds commands of the build folder, "$ build/...", each followed by
  exactly what it prints; a line "..." stands for any lines; $TMPDIR is a folder that is gone afterwards;
- a `c` block that is marked <!-- from FILE --> is found in that file, word for word;
- a link to a file leads to one.
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

BLOCK = re.compile(r'^(?:<!-- from (\S+) -->\n)?```(\w*)\n(.*?)^```$', re.M | re.S)
LINK = re.compile(r'\]\(([^)#:]+)(?:#[^)]*)?\)')


def normal(text):
    """The text without indentation, to compare code."""
    return '\n'.join(line.strip() for line in text.strip().splitlines())


def commands(block):
    """The commands of a console block as (command, lines of output)."""
    found = []
    for line in block.splitlines():
        if line.startswith('$ '):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
    return found


def output_of(command, source, build, folder):
    """What a command of the build folder prints, on both streams."""
    first, *rest = command.split(' ', 1)
    if not first.startswith('build/'):
        return f'not a command of the build folder: {first}'
    program = shlex.quote(str(build / first.removeprefix('build/')))
    run = subprocess.run(' '.join([program, *rest]), shell=True, cwd=source, timeout=60,
                         check=False, stdin=subprocess.DEVNULL, env={**os.environ, 'TMPDIR': folder},
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # Said only where unpacking a file takes long: on a busy machine.
    return re.sub(r'^pagewalk: .*(: unpacking it into a temporary file|: it came to ).*\n', '',
                  run.stdout.decode(errors='replace'), flags=re.M).rstrip('\n')


def matches(expected, output):
    """Do the lines match, where "..." is any lines?"""
    pattern = ''.join('(?:.*\n)*' if line == '...' else re.escape(line) + '\n' for line in expected)
    return re.fullmatch(pattern, output + '\n' if output else '') is not None


def breaches(path, source, build, folder):
    """What is not as the document says, as lines."""
    text = path.read_text(encoding='utf-8')
    for origin, language, block in BLOCK.findall(text):
        if language == 'console':
            for command, expected in commands(block):
                output = output_of(command, source, build, folder)
                if not matches(expected, output):
                    yield f'$ {command}\n{output}'
        elif origin and normal(block) not in normal((source / origin).read_text(encoding='utf-8')):
            yield f'a block is not in {origin}:\n{block}'
    for target in LINK.findall(text):
        if not (path.parent / target).exists():
            yield f'no such file: {target}'


def main(source, build, *files):
    source, build = pathlib.Path(source), pathlib.Path(build)
    paths = [pathlib.Path(file) for file in files] or sorted(
        path for folder in ('.', 'docs', 'tests', 'examples', 'man', 'bench')
        for path in (source / folder).glob('*.md' if folder == '.' else '**/*.md'))
    failed = 0
    for number, path in enumerate(paths, 1):
        with tempfile.TemporaryDirectory() as folder:
            found = list(breaches(path, source, build, folder))
        failed += bool(found)
        print(f'{"not ok" if found else "ok"} {number} - {path.name} is true')
        for line in '\n'.join(found).splitlines():
            print(f'# {line}')
    print(f'1..{len(paths)}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
