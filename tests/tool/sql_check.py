#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""sql_check.py TOOL IMAGE: what `pagewalk sql` says of each table is what the command for it says. Prints TAP."""
import json
import subprocess
import sys


MANY = 100000  # rows that are not all compared, but counted


def run(*args, stdin=None):
    return subprocess.run([TOOL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, input=stdin,
                          timeout=600, encoding='utf-8', errors='surrogateescape')


def records(*args):
    """The records of a command, without its summary."""
    return [r for r in map(json.loads, run(*args, '--json', IMAGE).stdout.splitlines()) if 'summary' not in r]


def rows(statement):
    done = run('sql', '--json', IMAGE, statement)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [tuple(r.values()) for r in lines if 'summary' not in r], lines[-1]['summary']


def check(name, is_fine, *why):
    global NR, FAILED
    NR += 1
    FAILED += not is_fine
    print('ok' if is_fine else 'not ok', NR, '-', name)
    for line in why if not is_fine else ():
        print('#', line)


def same(name, ours, theirs):
    check(f'{name}: {len(theirs)} rows', ours == theirs, f'{len(ours)} rows',
          *[f'{a} {b}' for a, b in zip(ours, theirs) if a != b][:3])


def rights(record):
    return tuple(int(letter != '-') for letter in record['kernel'] + record['user'])


def extents(table, root, half, *options):
    """The rows of a half of a root, and dump's records of it."""
    columns = 'first, pa, bytes, level, entry, kernel_r, kernel_w, kernel_x, user_r, user_w, user_x'
    ours, _ = rows(f"select {columns} from {table} where root = '{root}' and region = '{half}'")
    theirs = records('dump', *options, '--no-fold', '--root', root, '--half', half)
    return ours, [(r['va'], r['pa'], r['size'], r['level'], r['entry'], *rights(r)) for r in theirs if 'pa' in r]


def tables_of_roots():
    listed = sorted((r for r in records('roots') if 'root' in r), key=lambda r: r['root'])
    roots = [r for r in listed if r['state'] != 'guest']
    same('roots', sorted(rows('select root, format, state, proof, kpti, twin, missing from roots')[0]),
         [(r['root'], r['format'], r['state'], r['proof'], r['kpti'], r['twin'], r['missing'])
          for r in listed])
    for root in roots[:6]:
        for half in root['halves']:
            same(f"ranges of {root['root']}, {half}", *extents('ranges', root['root'], half))
            summed, = rows("select count(*), coalesce(sum(bytes), 0) from leaves"
                           f" where root = '{root['root']}' and region = '{half}'")[0]
            total = json.loads(run('dump', '--json', '--root', root['root'], '--half', half,
                                   IMAGE).stdout.splitlines()[-1])['summary']
            same(f"leaves of {root['root']}, {half}: their number and bytes", [summed],
                 [(total['leaves'], total['bytes'])])
            if summed[0] < MANY and (half == 'user' or root['state'] == 'kernel'):
                same(f"leaves of {root['root']}, {half}", *extents('leaves', root['root'], half, '--leaves'))
    return roots


def span(first, last, slots, times):
    """What one slot of a table translates."""
    return (int(last, 16) - int(first, 16) + 1) // slots // times


def page_tables(roots):
    """Each table of each root, as stats counts them and translate goes through them."""
    columns = 'level, pa, first, last, slots, times, leaves, absent, malformed, roots, parent'
    # Of virtual machines and devices, which stats has, too, the table has nothing.
    stats = {(r['root'], r['region']): r for r in records('stats')
             if r['record'] == 'root' and 'users' not in r}
    for (root, half), expected in list(stats.items())[:12]:
        # Several entries can lead to one: stats counts it once.
        met = {(level, pa): rest for level, pa, *rest in reversed(rows(
            f"select {columns} from tables where root = '{root}' and region = '{half}'")[0])}
        below = [(level, rest) for (level, _), rest in met.items() if rest[8] is not None]
        name = f'tables of {root}, {half}: '
        if 'tables' in expected:
            same(name + 'levels, and how many no other root has',
                 [(level, sum(at == level for at, _ in met),
                   sum(at == level and rest[7] == 1 for (at, _), rest in met.items()))
                  for level in sorted({level for level, _ in met}, reverse=True)],
                 [(t['level'], t['tables'], t['private']) for t in expected['tables']])
        same(name + 'shared by others', [bool(below) and all(rest[7] > 1 for _, rest in below)], [expected['shared']])
        same(name + 'leaves, absent, malformed',
             [(sum(rest[4] * span(*rest[:4]) for rest in met.values()), sum(rest[5] for rest in met.values()),
               sum(rest[6] for rest in met.values()))],
             [tuple(expected[key] for key in ('bytes', 'absent', 'malformed'))])
    kernel = json.loads(run('info', '--json', IMAGE).stdout.splitlines()[0]).get('kernel_root')
    if kernel:
        same('tables of the kernel root, both halves: as info',
             rows('select count(*), sum(malformed) from (select distinct level, pa, malformed from tables'
                  f" where root = '{kernel['root']}')")[0],
             [(kernel['integrity']['tables'], kernel['integrity']['malformed'])])
    for root in roots[-1:]:
        way(root['root'])


def way(root):
    """The tables that an address goes through."""
    first = rows(f"select first from leaves where root = '{root}' limit 1 offset 5")[0]
    for va in [va for va, in first] + ['0x0000000000001000']:
        ours, summary = rows(f"select level, pa, entry from tables where root = '{root}' and first <= '{va}'"
                             f" and last >= '{va}'")
        path = json.loads(run('translate', '--json', '--root', root, IMAGE, va).stdout.splitlines()[0])['path']
        same(f'tables on the way of {root} to {va}',
             [(level, pa[:-4], entry) for level, pa, entry in ours],
             [(step['level'], step['item'][:-4], above) for step, above in
              zip(path, [None] + [step['entry'] for step in path])])
        check('... and no others are looked at', summary['tables'] == len(path), summary)
    everything, seen = rows(f"select level, pa, first, last from tables where root = '{root}'")
    if len(everything) < 3:
        return
    _, _, first, last = everything[len(everything) // 2]
    for condition, keep in ((f"first > '{first}'", lambda r: r[2] > first), (f"last < '{last}'", lambda r: r[3] < last),
                            (f"last >= '{last}' and first < '{last}'", lambda r: r[3] >= last and r[2] < last),
                            ('level between 1 and 2', lambda r: 1 <= r[0] <= 2), ('level > -1', lambda r: True),
                            ('level = 9', lambda r: False)):
        ours, summary = rows(f"select level, pa, first, last from tables where root = '{root}' and {condition}")
        same(f'tables with {condition}', ours, [r for r in everything if keep(r)])
        check(f"... for which {summary['tables']} were looked at", summary['tables'] <= seen['tables'])


def limits(root):
    """What is left out by a constraint is what SQLite would leave out of all."""
    everything = rows(f"select first, level, kernel_w from ranges where root = '{root}'")
    all_rows, middle = everything[0], everything[0][len(everything[0]) // 2][0]
    for op, keep in (('>=', lambda a: a >= middle), ('>', lambda a: a > middle), ('<', lambda a: a < middle),
                     ('<=', lambda a: a <= middle), ('=', lambda a: a == middle)):
        for value in (f"'{middle}'", middle):
            same(f'ranges with first {op} {value}',
                 rows(f"select first, level, kernel_w from ranges where root = '{root}' and first {op} {value}")[0],
                 [r for r in all_rows if keep(r[0])])
    same('ranges that may be written', rows(f"select first, level, kernel_w from ranges where root = '{root}'"
                                            ' and kernel_w = 1')[0], [r for r in all_rows if r[2]])
    for condition, keep in (('kernel_w', lambda w: w), ('not kernel_w', lambda w: not w), ('kernel_w != 0', lambda w: w),
                            ('kernel_w is not 1', lambda w: not w), ('kernel_w > 0', lambda w: w),
                            ('kernel_w >= -1', lambda w: True), ('kernel_w = 2', lambda w: False),
                            ('kernel_w or level > -1', lambda w: True), ('+kernel_w', lambda w: w)):
        same(f'ranges with {condition}', rows(f"select first, level, kernel_w from ranges where root = '{root}'"
                                              f' and ({condition})')[0], [r for r in all_rows if keep(r[2])])
    same('... of which none is left out that is counted', rows(
        "select count(*), sum(kernel_w and kernel_x), count(case when kernel_w then 1 end), min(kernel_w)"
        f" from ranges where root = '{root}'")[0], rows(
            f"select count(*), (select count(*) from ranges where root = '{root}' and kernel_w and kernel_x),"
            f" (select count(*) from ranges where root = '{root}' and kernel_w), min(+kernel_w)"
            f" from ranges where root = '{root}'")[0])
    same('... nor of two tables', rows("select count(*) from ranges a join ranges b on a.root = b.root and a.first = b.first"
                                       f" where a.root = '{root}' and a.kernel_w and not b.kernel_w")[0], [(0,)])
    same(f'ranges that end by {middle}', rows(f"select first from ranges where root = '{root}' and last <= '{middle}'")[0],
         [r[:1] for r in rows(f"select first, last from ranges where root = '{root}'")[0] if r[1] <= middle])
    same('ranges of level 0', rows(f"select first, level, kernel_w from ranges where root = '{root}' and level < 1")[0],
         [r for r in all_rows if r[1] == 0])
    same('no range is at what is no address', rows("select * from ranges where first = 'x'")[0], [])
    few = rows(f"select * from ranges where root = '{root}' and first = '{middle}'")[1]['tables']
    check(f"an address needs few of {everything[1]['tables']} tables", 0 < few < max(everything[1]['tables'] // 2, 12),
          f'{few} tables')
    pa = rows(f"select pa from ranges where root = '{root}'")[0][-1][0]
    same('an address is one without quotes, too', rows(f"select pa from ranges where root = '{root}' and pa = {pa}")[0],
         rows(f"select pa from ranges where root = '{root}' and pa = '{pa}'")[0])
    check('what is sorted', rows('select root, count(*) from leaves group by root order by 2')[0])
    plan = run('sql', IMAGE, f"explain query plan select * from leaves where root = '{root}' and first > 0").stdout
    check('the plan says what is narrowed', 'root=,first>' in plan, plan)
    plan = run('sql', IMAGE, "explain query plan select * from tables where level > 1 and pa = 1 and last < 5").stdout
    check('... and what is compared', all(part in plan for part in ('level>', '(pa=)', ',last<')), plan)
    plan = run('sql', IMAGE, "explain query plan select * from ranges where kernel_w <> 0 and last > 5").stdout
    check('... of rights', 'kernel_w!=' in plan and '(last>)' in plan, plan)
    plan = run('sql', IMAGE, "explain query plan select * from symbols where va = 1").stdout
    check('... and that a table is gone through as a whole', '(va=)' in plan, plan)
    for explain in ('explain query plan', ' -- a\n EXPLAIN/**/Query\tPLAN/* b */', 'explain'):
        plan = run('sql', IMAGE, f"{explain} select count(*) from leaves where root = '{root}' and kernel_w and not kernel_x").stdout
        check(f'... of rights that stand alone: {explain!r}', 'root=,kernel_w,not kernel_x' in plan, plan)
    for condition in ('kernel_w or kernel_x', 'level', 'kernel_w is null'):
        plan = run('sql', IMAGE, f'explain query plan select first from leaves where {condition}').stdout
        check(f'... and not of {condition}', plan.rstrip().endswith(':'), plan)


def tables_of_linux():
    tasks = [r for r in records('ps') if 'pid' in r and r['pid'] == r['tid']]
    same('processes', rows('select pid, ppid, uid, name, state, kernel, threads, task from processes')[0],
         [(t['pid'], t['ppid'], t['uid'], t['name'], t['state'], int(t['kernel']), t['threads'], t['task'])
          for t in tasks])
    for pid in [t['pid'] for t in tasks if 'mm' in t][:4]:
        same(f'areas of process {pid}', rows(f'select first, last, perms, inode, name from vmas where pid = {pid}')[0],
             [(a['va_first'], a['va_last'], a['rights'], a.get('inode', 0), a.get('name', '')) for a in records('maps', '--pid', str(pid)) if 'va_first' in a])
    symbols = [(s['va'], s['letter'], s['name']) for s in records('symbols') if s['record'] == 'symbol'
               and 'module' not in s]
    same('symbols', rows('select va, letter, name from symbols')[0], symbols)


def others():
    devices = records('devices')
    same('devices', rows('select root, format, found, evidence from devices')[0],
         [(d['root'], d['format'], d['found'], d['evidence']) for d in devices])
    same('findings', rows('select rule, root, count, pa, entry from findings')[0],
         [(f['rule'], f['root'], f.get('count'), f.get('pa'), f.get('entry')) for f in records('audit') if f['record'] == 'finding'])


def manners():
    for statement in ("attach 'x.db' as x", 'create table x(a)', 'pragma writable_schema=1', "select load_extension('x')",
                      'delete from roots', 'vacuum into \'x.db\'', 'insert into roots values (1)'):
        done = run('sql', IMAGE, statement)
        lines = [line for line in done.stderr.splitlines() if 'memory is read' not in line]  # of an image that is shifted
        check(f'refused: {statement}', done.returncode == 2 and len(lines) == 1, done.stderr)
    done = run('sql', IMAGE, 'select colour from roots')
    check('what is no column is said', done.returncode == 2 and 'no such column' in done.stderr, done.stderr)
    done = run('sql', IMAGE, stdin="select 1;\nselect 'a' ||\n 'b';\nselect 2")
    check('statements of standard input', done.stdout.splitlines()[1::2] == ['1', 'ab', '2'], done.stdout)
    done = run('sql', IMAGE, "select 'a' || char(27) || char(9) || char(10) as x")
    check('text is escaped', done.stdout.count('\n') == 2 and '\x1b' not in done.stdout, repr(done.stdout))
    done = run('sql', '--json', IMAGE, 'select 1.5 as a, null as b, -1 as "c""d", x\'ff41\' as e')
    check('values of JSON', json.loads(done.stdout.splitlines()[0]) == {'a': 1.5, 'b': None, 'c_d': -1, 'e': '\xffA'},
          done.stdout)


def main(has_linux):
    roots = tables_of_roots()
    page_tables(roots)
    own = [r['root'] for r in roots if r['state'] in ('kernel', 'running', 'trampoline', 'firmware')]
    limits(own[0] if own else roots[-1]['root'])
    if has_linux:
        tables_of_linux()
    others()
    manners()
    print(f'1..{NR}')
    sys.exit(1 if FAILED else 0)


if __name__ == '__main__':
    NR, FAILED = 0, 0
    TOOL, IMAGE = sys.argv[1:3]
    main(len(sys.argv) > 3)
