#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""prompt_check.py TOOL IMAGE [libedit]: the prompt of `pagewalk sql`, as a person sees it who types at a terminal;
with libedit, lines can be changed and are completed. Prints TAP."""
import os
import pty
import re
import select
import signal
import sys
import time

TOOL, IMAGE = sys.argv[1:3]
HAS_EDIT = len(sys.argv) > 3
LIMIT = 90  # seconds for one answer: a machine may be busy
nr_checks = nr_failed = 0


def check(name, is_true, *why):
    global nr_checks, nr_failed
    nr_checks += 1
    nr_failed += not is_true
    print(f'{"ok" if is_true else "not ok"} {nr_checks} - {name}')
    for line in why if not is_true else ():
        print('#', repr(line)[:2000])


class Terminal:
    def __init__(self, *options):
        self.seen = ''
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ['TERM'] = 'vt100'
            # What libedit keeps until the end is its own.
            os.environ['ASAN_OPTIONS'] = os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'
            os.execv(TOOL, [TOOL, 'sql', *options, IMAGE])

    def read(self, seconds):
        """Wait for more. False: there is none, as it ended."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            return False
        # What moves the cursor is of no interest.
        self.seen += re.sub(r'\x1b\[[0-9;?]*[A-Za-z]|[\r\x07]', '', data.decode('utf-8', 'replace'))
        return bool(data)

    def until(self, text):
        """Has it shown this since the last time?"""
        end = time.monotonic() + LIMIT
        while text not in self.seen and time.monotonic() < end:
            if not self.read(1):
                break
        found = text in self.seen
        if found:
            self.seen = self.seen[self.seen.index(text) + len(text):]
        return found

    def type(self, text):
        try:
            os.write(self.fd, text.encode())
        except OSError:
            pass  # it has ended

    def repeat(self, key):
        """Until it ends: between two lines, or before it waits for one, a key can be lost."""
        limit = time.monotonic() + LIMIT
        self.type(key)
        while self.read(2) and time.monotonic() < limit:
            self.type(key)

    def end(self):
        """Its exit status; negative: a signal."""
        limit = time.monotonic() + LIMIT
        while self.read(1) and time.monotonic() < limit:
            pass
        if time.monotonic() >= limit:
            os.kill(self.pid, signal.SIGKILL)
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def ask(terminal, name, line, *answers):
    terminal.type(line)
    check(name, all([terminal.until(answer) for answer in answers]) and terminal.until('pagewalk> '), terminal.seen)


def typed():
    t = Terminal()
    check('it says what to do, and waits', t.until('.help says more') and t.until('pagewalk> '), t.seen)
    ask(t, 'a statement', "select 'an' || 'swer';\n", 'answer')
    t.type("select 'two' ||\n")
    check('a statement of two lines', t.until('...> '), t.seen)
    ask(t, '... ends with a semicolon', "'lines';\n", 'twolines')
    ask(t, '.tables', '.tables\n', 'roots', 'ranges', 'findings')
    ask(t, '.schema', '.schema ranges\n', 'create table ranges(root, region TEXT, first')
    ask(t, '.help', '.help\n', '.schema [TABLE]')
    ask(t, 'what is no command is said', '.read x\n', 'only .help')
    ask(t, 'a mistake is said', 'select colour from roots;\n', 'no such column')
    t.type('.quit\n')
    check('.quit ends it; of several statements one failed', t.end() == 2)
    t = Terminal()
    t.until('pagewalk> ')
    t.type("select 'not finished'")
    t.type('\n')
    t.until('...> ')
    t.repeat('\x04')
    check('Ctrl-D ends it, and nothing is run that was not finished',
          t.end() == 0 and 'not finished' not in t.seen, t.seen)
    t = Terminal()
    t.until('pagewalk> ')
    t.repeat('\x03')
    check('Ctrl-C ends it', t.end() in (130, -signal.SIGINT), t.seen)


def edited():
    t = Terminal()
    t.until('pagewalk> ')
    ask(t, 'Tab goes on to a keyword', "sel\t'go' || 'ne';\n", 'gone')
    ask(t, '... to a table', "select 'a' || 'b' from fin\t limit 1;\n", 'ab')
    t.type('select r.')
    t.type('kernel_\t\t')
    check('... shows what a word can become', t.until('kernel_r') and t.until('kernel_w') and t.until('kernel_x'), t.seen)
    ask(t, '... to a column of a table', "w from ranges r limit 1;\n", 'kernel_w')
    ask(t, '... to a command', '.sch\tsymbols\n', 'create table symbols(va, letter')
    ask(t, 'never to the name of a file', "select '/et\t' || 'x';\n", '/etx')
    ask(t, 'a line is there again', "\x10\x10;\n", 'create table symbols')
    ask(t, 'a line is changed', "select 'xyz'\x01\x0b" "select 'n' || 'ew';\n", 'new')
    t.type('.quit\n')
    check('it ends', t.end() == 0, t.seen)


typed()
if HAS_EDIT:
    edited()
print(f'1..{nr_checks}')
sys.exit(1 if nr_failed else 0)
