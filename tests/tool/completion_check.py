#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""completion_check.py TOOL SHELL: bash, zsh or fish, run on a terminal, completes what is typed with
the script that `pagewalk completion` prints for it. What the completed line holds is told by a
command of the same name that prints its arguments. Prints TAP; status 77: there is no such shell.
"""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

# What is typed before the key, and what the line holds after it.
TYPED = (
    ('inf', 'info'),
    ('--vers', '--version'),
    ('dump --hal', 'dump --half'),
    ('dump --half ke', 'dump --half kernel'),
    ('dump --half=us', 'dump --half=user'),
    ('dump --style pt', 'dump --style ptdump'),
    ('dump --format s390x-5', 'dump --format s390x-53'),
    ('translate --tags pmlen1', 'translate --tags pmlen16'),
    ('convert --format li', 'convert --format lime'),
    ('convert --pages t', 'convert --pages tables'),
    ('completion zs', 'completion zsh'),
    ('info core.e', 'info core.elf'),
    ('info --json core.e', 'info --json core.elf'),
    ('dump --part core.e', 'dump --part core.elf'),
    ('dump --ram 0=core.e', 'dump --ram 0=core.elf'),
    ('info a\\ f', 'info a file'),
    ('dump --range core.e', 'dump --range core.e'),
    ('completion core.e', 'completion core.e'),
    ('roots --hal', 'roots --hal'),
)

STUB = '#!/bin/sh\nprintf "<"; printf "%s" "$1"; shift; printf " %s" "$@"; printf ">\\n"\n'


class Shell:
    """A shell on a terminal of its own."""

    def __init__(self, args, folder):
        env = {'HOME': folder, 'PATH': f'{folder}/bin:{os.environ["PATH"]}', 'TERM': 'dumb',
               'LC_ALL': 'C', 'PS1': '% '}
        pid, self.fd = pty.fork()
        if pid == 0:
            os.chdir(folder)
            os.execvpe(args[0], args, env)
        self.nr = 0

    def type(self, text):
        os.write(self.fd, text.encode())

    def read_until(self, pattern, seconds):
        """What is written until it matches, or the time is over."""
        text, end = '', time.monotonic() + seconds
        while not re.search(pattern, text) and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    text += os.read(self.fd, 65536).decode(errors='replace')
                except OSError:
                    break
        return text

    def wait(self):
        """Until all that was typed before was run."""
        self.nr += 1
        self.type(f'echo _{self.nr}""_\n')
        return self.read_until(f'\\n_{self.nr}_', 60)

    def complete(self, typed):
        self.wait()
        self.type(f'pagewalk {typed}\t')
        time.sleep(0.1)
        self.type('\n')
        text = self.read_until(r'\n<[^>]*>', 60)
        found = re.findall(r'\n<([^>\r]*?) *>', text)
        return found[-1] if found else repr(text)


def start_bash(folder):
    shell = Shell(['bash', '--norc', '--noprofile', '-i'], folder)
    shell.type('bind "set bell-style none"; bind "set enable-bracketed-paste off"\n')
    shell.type(f'source {folder}/completion\n')
    return shell


def start_zsh(folder):
    os.mkdir(f'{folder}/functions')
    os.rename(f'{folder}/completion', f'{folder}/functions/_pagewalk')
    shell = Shell(['zsh', '-f', '-i'], folder)
    shell.type('unsetopt beep zle_bracketed_paste prompt_cr 2>/dev/null; unset zle_bracketed_paste\n')
    shell.type('fpath=($HOME/functions $fpath); autoload -Uz compinit; compinit -u -D\n')
    return shell


def complete_fish(folder, typed):
    """What fish offers; it can be asked without a terminal."""
    run = subprocess.run(['fish', '--no-config', '-c',
                          'source $argv[1]; complete -C $argv[2]', f'{folder}/completion',
                          f'pagewalk {typed}'], stdout=subprocess.PIPE, check=True, timeout=60,
                         cwd=folder, env={'HOME': folder, 'PATH': os.environ['PATH']}, text=True)
    words = [line.split('\t')[0] for line in run.stdout.splitlines()]
    head = typed[:-len(typed.split(' ')[-1])] if '\\ ' not in typed else 'info '
    return head + words[0].replace('\\ ', ' ') if len(words) == 1 else \
        typed if not words else f'{words}'


def help_options(command):
    text = subprocess.run([TOOL, command, '--help'], stdout=subprocess.PIPE, check=True,
                          timeout=60, text=True).stdout
    return set(re.findall(r'^  (--[a-z-]+)', text, re.MULTILINE))


def offered(shell, folder, command):
    """The options that a shell knows of a command."""
    if shell == 'fish':
        ask = ['fish', '--no-config', '-c', 'source $argv[1]; complete -C $argv[2]',
               f'{folder}/completion', f'pagewalk {command} --']
    elif shell == 'bash':
        ask = ['bash', '-c', f'source "$0"; COMP_WORDS=(pagewalk {command} --); COMP_CWORD=2; '
               '_pagewalk; printf "%s\\n" "${COMPREPLY[@]}"', f'{folder}/completion']
    else:  # as _arguments is told them
        text = open(f'{folder}/functions/_pagewalk', encoding='utf-8').read()
        branch = re.search(f'\n\t{command}\\)\n(.*?)\n\t\t;;', text, re.DOTALL).group(1)
        return set(re.findall(r"^\t\t\t'\*?(--[a-z-]+)", branch, re.MULTILINE))
    lines = subprocess.run(ask, stdout=subprocess.PIPE, check=True, timeout=60, text=True,
                           env={'HOME': folder, 'PATH': os.environ['PATH']}).stdout.splitlines()
    return {line.split('\t')[0] for line in lines}


def check(shell, folder):
    """(name, expected, actual) of each thing that is completed."""
    if shell != 'fish':
        terminal = {'bash': start_bash, 'zsh': start_zsh}[shell](folder)
    for typed, expected in TYPED:
        yield (f'{shell}: {typed}', expected, complete_fish(folder, typed) if shell == 'fish'
               else terminal.complete(typed))
    text = subprocess.run([TOOL, '--help'], stdout=subprocess.PIPE, check=True, timeout=60,
                          text=True).stdout.split('Commands:\n')[1].split('\n\n')[0]
    for command in re.findall(r'^  ([a-z]+) ', text, re.MULTILINE):
        yield (f'{shell}: the options of {command}', sorted(help_options(command)),
               sorted(offered(shell, folder, command)))


def main(shell):
    if not shutil.which(shell):
        print(f'{shell} is not there', file=sys.stderr)
        return 77
    nr = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f'{folder}/bin')
        with open(f'{folder}/bin/pagewalk', 'w', encoding='utf-8') as file:
            file.write(STUB)
        os.chmod(f'{folder}/bin/pagewalk', 0o755)
        with open(f'{folder}/completion', 'wb') as file:
            subprocess.run([TOOL, 'completion', shell], stdout=file, check=True, timeout=60)
        for name in ('core.elf', 'a file'):
            open(f'{folder}/{name}', 'wb').close()
        for name, expected, actual in check(shell, folder):
            nr += 1
            failed += expected != actual
            print(f'{"ok" if expected == actual else "not ok"} {nr} - {name}')
            if expected != actual:
                print(f'# {expected!r} was expected, and not {actual!r}')
    print(f'1..{nr}')
    return 1 if failed else 0


if __name__ == '__main__':
    TOOL = sys.argv[1]
    sys.exit(main(sys.argv[2]))
