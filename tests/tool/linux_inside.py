#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""linux_inside.py PAGEWALK IMAGE ORACLE: processes of a Linux guest, as the command tells them and
as the guest's own /proc told them a second or two before it was stopped. Prints TAP.

What must differ, and nothing else:
- process 1 was running while it printed, and sleeps in the image; its bss grew;
- the queue that a kworker's name ends with is the one it worked for last;
- the guest's own VmRSS lags on 6.1; the command's is that of smaps.
"""
import json
import re
import subprocess
import sys

TOOL, IMAGE, ORACLE = sys.argv[1:]
failed = False
number = 0


def tap(name, wrong):
    """One test, which fails with these lines."""
    global failed, number
    number += 1
    print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
    for line in wrong[:20]:
        print('#', line.encode('unicode_escape').decode())
    failed |= bool(wrong)


def run(*args):
    """What the command prints; it must find nothing odd and say nothing else."""
    done = subprocess.run([TOOL, *args, IMAGE], capture_output=True, timeout=60, check=False)
    tap(f"{' '.join(args)}: status 0, no message",
        [f'status {done.returncode}'] + done.stderr.decode('latin1').splitlines()
        if done.returncode or done.stderr else [])
    return done.stdout.decode('latin1')


def differences(expected, found):
    """Keys or values that differ between two dictionaries, as lines."""
    return [f'{key}: expected {expected.get(key)!r}, found {found.get(key)!r}'
            for key in sorted(expected.keys() | found.keys(), key=str)
            if expected.get(key) != found.get(key)]


def sections(oracle, pattern):
    """(match of the name, text) of the sections whose name matches."""
    for found in re.finditer(r'^BEGIN (.+)\n((?:.*\n)*?)END \1(?: .*)?$', oracle, re.M):
        name = re.fullmatch(pattern, found[1])
        if name:
            yield name, found[2]


def stats(oracle):
    """pid: (name, state, parent, nice, threads, start) of every thread."""
    text = next(text for _, text in sections(oracle, 'stat'))
    found = {}
    for entry in ('\n' + text).split('\nSTAT ')[1:]:
        left, fields = entry.rsplit(') ', 1)
        pid, name = left.split(' (', 1)
        fields = fields.split()
        found[int(pid)] = (name, fields[0], int(fields[1]), int(fields[16]), int(fields[17]),
                           int(fields[19]))
    return found


def status(oracle):
    """pid: (uid, euid, gid, pids in namespaces) of the user processes."""
    found = {}
    for name, text in sections(oracle, r'/proc/(\d+)/status'):
        fields = dict(line.split(':', 1) for line in text.splitlines() if ':' in line)
        uid = fields['Uid'].split()
        found[int(name[1])] = (int(uid[0]), int(uid[1]), int(fields['Gid'].split()[0]),
                               [int(pid) for pid in fields['NSpid'].split()])
    return found


def normal(pid, task):
    """A task without what must differ."""
    name, state, *rest = task
    if name.startswith('kworker/'):
        name = re.split('[-+]', name)[0]
    return (name, 'S' if pid == 1 else state, *rest)


def check_tasks(oracle):
    """Every thread; uids and pids in namespaces of those of processes."""
    records = [json.loads(line) for line in run('ps', '--threads', '--json').splitlines()]
    tasks = {r['tid']: r for r in records if r['type'] == 'task'}
    expected = {pid: normal(pid, task) for pid, task in stats(oracle).items()}
    tap(f'ps: all {len(expected)} threads: name, state, parent, nice, threads, start',
        differences(expected,
                    {tid: normal(tid, (r['name'], r['state'], r['ppid'], r['nice'], r['threads'],
                                       r['start_ns'] // 10000000)) for tid, r in tasks.items()}))
    expected = status(oracle)
    tap(f'ps: uid, euid, gid, pids in namespaces of {len(expected)} processes',
        differences(expected, {pid: (tasks[pid]['uid'], tasks[pid]['euid'], tasks[pid]['gid'],
                                     tasks[pid]['ns_pids']) for pid in expected if pid in tasks}))
    return tasks


def check_areas(oracle):
    """Every line of every maps, and of smaps what is mapped of each area."""
    text = run('maps', '--smaps')
    maps, rss, flags = {}, {}, {}
    for process in re.split(r'^# ', text, flags=re.M)[1:]:
        head, body = process.split('\n', 1)
        pid = int(head.split(' ', 1)[0])
        maps[pid] = ''.join(line + '\n' for line in body.splitlines()
                            if not re.match('Size:|Rss:|Swap:|VmFlags:', line))
        for area in re.finditer(r'^([0-9a-f]+-[0-9a-f]+) .*\nSize:.*\nRss: +(\d+) kB\nSwap:.*\n'
                                r'VmFlags: (.*)$', body, re.M):
            rss[pid, area[1].lstrip('0')] = int(area[2])
            flags[pid, area[1].lstrip('0')] = area[3].split()
    expected = {int(name[1]): text for name, text in sections(oracle, r'/proc/(\d+)/maps')}
    # The first threads of these have exited; only a second one has an mm, if any.
    without = {pid for pid, text in expected.items() if not text.strip('\n')}
    lines = sum(text.count('\n') for pid, text in expected.items() if pid not in without)
    tap(f'maps: all {lines} lines of {len(expected) - len(without)} processes',
        [f'{pid}: {line}' for pid in expected.keys() - without
         for line in set(expected[pid].splitlines()) ^ set(maps.get(pid, '').splitlines())] +
        [f'{pid}: other order' for pid in expected.keys() - without if maps.get(pid) != expected[pid]])
    areas, letters = {}, {}
    for name, text in sections(oracle, r'/proc/(\d+)/smaps:vmflags'):
        for area in re.finditer(r'^([0-9a-f]+)-([0-9a-f]+) rss (\d+) kB', text, re.M):
            areas[int(name[1]), f'{area[1]}-{area[2].zfill(8)}'] = int(area[3])
        for area in re.finditer(r'^([0-9a-f]+)-([0-9a-f]+) .*VmFlags: (.*)$', text, re.M):
            letters[int(name[1]), f'{area[1]}-{area[2].zfill(8)}'] = area[3].split()
    tap(f'maps: VmFlags of {len(letters)} areas',
        differences(letters, {key: flags.get(key) for key in letters}))
    found = {key: rss.get(key) for key in areas}
    grown = [key for key in areas if key[0] == 1 and found[key] is not None and
             found[key] > areas[key]]
    tap('maps: of process 1 one area has grown at most', [str(grown)] if len(grown) > 1 else [])
    for key in grown:
        del areas[key], found[key]
    tap(f'maps: rss of {len(areas)} areas', differences(areas, found))
    return maps, without


def check_dump(tasks, maps):
    """A dump by areas has those of maps, and nothing that is outside of them."""
    for name in ('mapper', 'manyvmas'):
        pid = next(r['pid'] for r in tasks.values() if r['name'] == name)
        lines = run('dump', '--pid', str(pid)).splitlines()
        areas = ''.join(line[2:] + '\n' for line in lines[:-1] if line.startswith('# '))
        # The page of old system calls is of the kernel's half.
        expected = ''.join(line for line in maps[pid].splitlines(True) if not line.endswith(' [vsyscall]\n'))
        tap(f'dump --pid: the areas of {name}', [] if areas == expected else ['differ'])
        start, end, outside = 0, 0, []
        for line in lines[:-1]:
            first, last = (int(x, 16) for x in re.match(r'(?:# )?(\w+)-(\w+)', line).groups())
            if line.startswith('# '):
                start, end = first, last
            elif not start <= first <= last < end:
                outside.append(line)
        tap(f'dump --pid: all that is mapped by {name} is in its area', outside)


def check_odd(oracle, tasks, maps, without):
    """A process whose first thread has exited; two with one mm; counters against tables."""
    made = {r['name']: r for r in tasks.values() if r['tid'] == r['pid']}
    leader = made['leaderdead']
    tap('the first thread has exited: state Z, and areas of another thread',
        [] if leader['state'] == 'Z' and 'mm' in leader and leader['mm_of'] != leader['pid'] and
        leader['pid'] in without and '[heap]' in maps[leader['pid']] else [str(leader)])
    shared = [r for r in tasks.values() if r['name'] == 'vforker']
    tap('two processes with one mm', [] if len(shared) == 2 and
        shared[0]['mm'] == shared[1]['mm'] and maps[shared[0]['pid']] == maps[shared[1]['pid']]
        else [str(shared)])
    wrong = [f"{r['tid']} {r['name']}: rss {r['rss']}, counted "
             f"{r['counted_file'] + r['counted_anon'] + r['counted_shmem']}"
             for r in tasks.values() if 'rss' in r and
             r['rss'] != r['counted_file'] + r['counted_anon'] + r['counted_shmem']]
    tap('rss by the tables is that of all parts of the counters', wrong)
    # The root itself is not counted by the kernel; a huge page has a table in reserve.
    wrong = [f"{r['tid']} {r['name']}: tables {r['tables']}, counted {r['tables_counted']}"
             for r in tasks.values() if 'rss' in r and r['name'] != 'mapper' and
             r['tables'] != r['tables_counted'] + 4096]
    tap('tables are as the kernel counts them', wrong)


def check_owners(tasks):
    """Each root of a process is listed and is its own; no other maps user memory."""
    records = [json.loads(line) for line in run('roots', '--owners', '--json').splitlines()]
    owners = {r['root']: r.get('owner') for r in records if 'root' in r}
    wrong = [f"{r['tid']} {r['name']}: its root {r['root']} belongs to {owners.get(r['root'])}"
             for r in tasks.values() if 'root' in r and
             (owners.get(r['root']) or {}).get('kind') != 'process']
    processes = {r['pid']: r['root'] for r in tasks.values() if 'root' in r}
    wrong += [f"{root} belongs to {owner['pid']}, which has {processes.get(owner['pid'])}"
              for root, owner in owners.items() if owner and owner['kind'] == 'process' and
              processes.get(owner['pid']) != root]
    tap(f'roots --owners: the roots of all {len(processes)} processes', wrong)
    tap('roots --owners: no other root maps user memory', [str(r) for r in records
        if r.get('state') in ('running', 'mapped') and not r.get('owner')])


def main():
    """All tests."""
    with open(ORACLE, encoding='latin1') as file:
        oracle = file.read()
    tasks = check_tasks(oracle)
    maps, without = check_areas(oracle)
    check_odd(oracle, tasks, maps, without)
    check_dump(tasks, maps)
    check_owners(tasks)
    print(f'1..{number}')
    sys.exit(failed)


main()
