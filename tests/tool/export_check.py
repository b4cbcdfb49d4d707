#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""export_check.py TOOL FOLDER IMAGE[:SYMBOLS]...: `pagewalk export` of each image, read back by Python's readers
of CSV, JSON and SQLite and by Avro's own avrocat, has in each form the rows of `pagewalk sql`, as many as the
commands count, and every byte of names. Prints TAP."""
import csv
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys

NR, FAILED = 0, 0
MANY = 100000  # rows
TOOL, FOLDER, *IMAGES = sys.argv[1:]
MACHINE = '=1+"a",\'b\\é\x1b\n'


def run(*args):
    return subprocess.run([TOOL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=120)


def check(name, is_fine, *why):
    global NR, FAILED
    NR += 1
    FAILED += not is_fine
    print('ok' if is_fine else 'not ok', NR, '-', name)
    for line in why if not is_fine else ():
        print('#', ascii(line)[:600])


def plain(value):
    """The bytes of a text that has \\xNN for some of them."""
    if not isinstance(value, str):
        return value
    return re.sub(rb'\\x([0-9a-f]{2})', lambda m: bytes([int(m[1], 16)]), value.encode())


class Sql:
    """What `pagewalk sql` says of an image: its JSON has bytes past ASCII as Latin-1."""

    def __init__(self, image, *options):
        self.image, self.options = image, options

    def rows(self, table):
        lines = map(json.loads, run('sql', '--json', *self.options, self.image, f'select * from {table}').stdout.splitlines())
        return [{k: v.encode('latin-1') if isinstance(v, str) else v for k, v in r.items()} for r in lines if 'summary' not in r]


def unfold(text):
    """A value of CSV as it was before the defence against formulas."""
    return text[1:] if text.startswith("'") else text


def read_csv(folder, table):
    """Values of CSV have no types, and what is nothing is empty."""
    for path in parts(folder, table, 'csv'):
        with open(path, encoding='utf-8', newline='') as file:
            for row in csv.DictReader(file, strict=True):
                yield {k: plain(unfold(v)) for k, v in row.items()}


def read_jsonl(folder, table):
    for path in parts(folder, table, 'jsonl'):
        with open(path, encoding='utf-8') as file:
            for line in file:
                yield {k: plain(v) for k, v in json.loads(line).items()}


def read_avro(folder, table):
    for path in parts(folder, table, 'avro'):
        lines = subprocess.run(['avrocat', path], stdout=subprocess.PIPE, check=True).stdout.splitlines()
        for row in map(json.loads, lines):
            yield {k: plain(next(iter(v.values())) if isinstance(v, dict) else v) for k, v in row.items()}


def read_sqlite(path, table):
    with sqlite3.connect(f'file:{path}?mode=ro', uri=True) as db:
        if not db.execute('select * from sqlite_master where name = ?', (table,)).fetchall():
            return
        db.row_factory = sqlite3.Row
        for row in db.execute(f'select * from {table}'):
            yield {k: plain(row[k]) for k in row.keys()}


def parts(folder, table, suffix):
    """Of a table, in the order in which they were written."""
    found = pathlib.Path(folder, table).glob(f'**/part-*.{suffix}')
    return sorted(found, key=lambda path: int(path.stem.removeprefix('part-')))


FORMATS = {'csv': read_csv, 'jsonl': read_jsonl, 'avro': read_avro, 'sqlite': read_sqlite}


def as_csv(row):
    return {k: b'' if v is None else str(v).encode() if isinstance(v, int) else v for k, v in row.items()}


def commands_count(image, options):
    """How many rows the commands say that there are; None: they say that they cannot tell."""
    def records(*args):
        done = run(*args, '--json', *(options if args[0] != 'devices' else ()), image)
        return [r for r in map(json.loads, done.stdout.splitlines()) if 'summary' not in r] if done.returncode < 2 else None

    def nr(rows, keep=lambda r: True):
        return rows if rows is None else sum(1 for r in rows if keep(r))

    tasks = records('ps')
    tasks = tasks and [t for t in tasks if 'pid' in t]
    areas = [records('maps', '--pid', str(t['pid'])) or [] for t in tasks or () if t['pid'] == t['tid'] and 'mm' in t]
    return {'roots': len([r for r in records('roots') if 'root' in r]),
            'processes': nr(tasks, lambda t: t['pid'] == t['tid']),
            'vmas': tasks and sum(nr(a, lambda r: 'va_first' in r) for a in areas),
            'symbols': nr(records('symbols', *(() if options else ())), lambda r: r['record'] == 'symbol' and 'module' not in r),
            'devices': nr(records('devices')), 'findings': nr(records('audit'), lambda r: r['record'] == 'finding')}


def dumps_count(image, expected):
    """Of the first roots, what dump counts of each half, and what there is of it: ranges, leaves."""
    tables = [table for table in ('ranges', 'leaves') if expected[table]]
    for root in [r for r in expected['roots'] if r['state'] != b'guest'][:3]:
        for half in 'user', 'kernel':
            theirs = [run('dump', '--json', how, '--root', root['root'].decode(), '--half', half, image).stdout.count(b'"pa":"')
                      for how in ('--no-fold', '--leaves')[:len(tables)]]
            ours = [sum(1 for r in expected[t] if (r['root'], r['region']) == (root['root'], half.encode())) for t in tables]
            yield theirs, ours


def is_partitioned(folder):
    """Each root has a file in a folder of its own, and in it nothing of others."""
    return all(set(re.findall('"root":"(.*?)"', path.read_text('utf-8'))) == {path.parent.name.removeprefix('root=')}
               for table in ('ranges', 'leaves', 'tables') for path in parts(folder, table, 'jsonl'))


def image_check(image, options):
    name, sql, counts = os.path.basename(image), Sql(image, *options), commands_count(image, options)
    expected = {table: sql.rows(table) for table in (*counts, 'ranges', 'tables')}
    expected['leaves'] = sql.rows('leaves') if sum(r['bytes'] // r['size'] for r in expected['ranges']) < MANY else []
    sums = list(dumps_count(image, expected))
    check(f'{name}: as many ranges and leaves as dump says of roots', all(a == b for a, b in sums), sums)
    counts.update({table: len(expected[table]) for table in ('ranges', 'leaves', 'tables')})
    for form, read in FORMATS.items():
        out = os.path.join(FOLDER, f'export.{form}')
        # Which are many, and made as ranges are.
        tables = [table for table in counts if table != 'leaves' or (form == 'jsonl' and expected[table])]
        done = run('export', '--json', '--format', form, '--table', ','.join(tables), '--machine', MACHINE, '-o', out, *options, image)
        summary = json.loads(done.stdout)['summary'] if done.stdout else {}
        check(f'{name}: {form}: as many as the commands say', all(summary.get(t) == counts[t] for t in tables), counts, summary, done.stderr)
        for table in tables:
            rows = [{'machine': MACHINE.encode(), **r} for r in expected[table]]
            found = list(read(out, table))
            if form == 'csv':
                rows = [as_csv(r) for r in rows]
            check(f'{name}: {form}: {table}: {len(rows)} rows', found == rows and [list(r) for r in found[:1]] == [list(r) for r in rows[:1]],
                  len(found), *[x for x in zip(found, rows) if x[0] != x[1]][:1])
        if form == 'jsonl':
            check(f'{name}: roots have folders of their own', is_partitioned(out))
        if form != 'sqlite':
            files = sum(len(parts(out, table, form)) for table in tables)
            check(f'{name}: {form}: {files} files', files == summary.get('files'), summary)
            safe_text(out, form, f'{name}: {form}')
            shutil.rmtree(out)
        else:
            os.unlink(out)


def safe_text(folder, form, name):
    """No control but the ends of lines, no mark that turns text, and no cell that a spreadsheet runs."""
    for path in pathlib.Path(folder).glob(f'**/*.{form}'):
        data = path.read_bytes()
        if form == 'avro':
            continue
        text = data.decode()
        odd = re.findall('[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]', text)
        if odd:
            check(f'{name}: {path.name}: text is safe', False, odd)
        if form == 'csv':
            with open(path, encoding='utf-8', newline='') as file:
                odd = [v for row in csv.reader(file) for v in row if v[:1] in ('=', '+', '-', '@', '\t', '\r')]
            if odd:
                check(f'{name}: {path.name}: no formulas', False, odd)
            if '\n' in text[:-1] and text.count('\n') != sum(1 for _ in csv.reader(text.splitlines())):
                check(f'{name}: {path.name}: a row is a line', False)
    check(f'{name}: text is safe', True)


def main():
    for image in IMAGES:
        image, _, symbols = image.partition(':')
        image_check(image, [f'--symbols={symbols}'] if symbols else [])
    print(f'1..{NR}')
    sys.exit(1 if FAILED else 0)


if __name__ == '__main__':
    main()
