#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""fleet_check.py TOOL IMAGE NUMBER...: exports so many machines into ClickHouse and asks which of them have memory
that their kernel may write and execute. A machine is a copy of IMAGE; in some of them one page of the kernel's
direct map, or of each of a few, may be executed. Two servers of ClickHouse, on loopback, each with a configuration
of its own, hold a shard each of one distributed table; they are started and stopped here. Prints how long each
step took as rows of Markdown; fails if an answer is not what was planted.
"""
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from trim_check import Core

TOOL, IMAGE, *NUMBERS = sys.argv[1:]
ROUNDS = 3
NO_EXECUTE = 1 << 63
SERVER = '''<yandex>
  <logger><level>warning</level><log>{folder}/log</log><errorlog>{folder}/errors</errorlog></logger>
  <listen_host>127.0.0.1</listen_host>
  <tcp_port>{port}</tcp_port>
  <http_port>{http}</http_port>
  <path>{folder}/data/</path>
  <tmp_path>{folder}/tmp/</tmp_path>
  <users_config>{folder}/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <mark_cache_size>268435456</mark_cache_size>
  <remote_servers><fleet>{shards}</fleet></remote_servers>
</yandex>
'''
SHARD = '<shard><replica><host>127.0.0.1</host><port>{}</port></replica></shard>'
USERS = '''<yandex>
  <profiles><default><insert_distributed_sync>1</insert_distributed_sync></default></profiles>
  <users><default><password></password><networks><ip>127.0.0.1</ip></networks>
    <profile>default</profile><quota>default</quota></default></users>
  <quotas><default></default></quotas>
</yandex>
'''
# What may be written and executed comes first, so that it is found without a look at the rest: by = 1, which the
# index takes; without it, release 18.16 reads all.
SHARD_TABLE = '''create table ranges_of_shard (machine String, root String, region String, first String, last String,
    pa String, bytes UInt64, size UInt64, level UInt8, entry String, kernel_r UInt8, kernel_w UInt8, kernel_x UInt8,
    user_r UInt8, user_w UInt8, user_x UInt8)
    engine = MergeTree order by (kernel_w, kernel_x, region, first, machine)'''
TABLE = '''create table ranges as ranges_of_shard
    engine = Distributed(fleet, default, ranges_of_shard, sipHash64(machine))'''
QUESTION = '''select machine, first, last from ranges
    where kernel_w = 1 and kernel_x = 1 and first <= '{0}' and last >= '{0}' group by machine, first, last order by machine'''


def free_ports(nr):
    """Ports of loopback that nobody has."""
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(nr)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Servers:
    """Two servers, each with a shard; statements go to the first."""

    def __init__(self, folder):
        ports = free_ports(4)
        self.ports, self.children = ports[:2], []
        for i, port in enumerate(self.ports):
            own = pathlib.Path(folder, f'server{i}')
            own.mkdir()
            config = own / 'config.xml'
            (own / 'users.xml').write_text(USERS)
            config.write_text(SERVER.format(folder=own, port=port, http=ports[2 + i],
                                            shards=''.join(map(SHARD.format, self.ports))))
            self.children.append(subprocess.Popen(['clickhouse-server', f'--config-file={config}'], cwd=own,
                                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def __enter__(self):
        end = time.monotonic() + 60
        for port in self.ports:
            while subprocess.run(self.client('select 1', port), check=False, capture_output=True).returncode:
                if time.monotonic() > end:
                    self.__exit__()
                    sys.exit('fleet_check: no server of ClickHouse answers')
                time.sleep(0.2)
        return self

    def __exit__(self, *_):
        for child in self.children:
            child.terminate()
        for child in self.children:
            child.wait(60)

    def client(self, statement, port=None):
        return ['clickhouse-client', '--host=127.0.0.1', f'--port={port or self.ports[0]}', f'--query={statement}']

    def ask(self, statement, port=None):
        return subprocess.run(self.client(statement, port), check=True, stdout=subprocess.PIPE).stdout.decode().splitlines()

    def measure(self, statement):
        """@return the rows of the answer, how many seconds it took the server, and how many rows it read for it"""
        told = json.loads('\n'.join(self.ask(f'{statement} format JSON')))
        return told['data'], told['statistics']['elapsed'], told['statistics']['rows_read']

    def load(self, table, paths):
        """Files of JSON Lines, one behind the other."""
        with subprocess.Popen(['cat', *paths], stdout=subprocess.PIPE) as cat:
            subprocess.run(self.client(f'insert into {table} format JSONEachRow'), stdin=cat.stdout, check=True)


class Planter:
    """Where in IMAGE the entries of some pages are that the kernel may write, and not execute."""

    def __init__(self, choose):
        core = Core(IMAGE)
        root = next(r for r in self.records('roots') if r['state'] == 'kernel')['root']
        pages = [r['va'] for r in self.records('dump', '--leaves', '--perm', 'k:w!x', '--level', '0', '--root', root, '--half', 'kernel')
                 if 'pa' in r]
        self.pages, self.items = choose.sample(pages, 8), {}
        for page in self.pages:
            path = self.records('translate', '--root', root, IMAGE, page)[0]['path']
            assert all(not int(step['entry'], 16) & NO_EXECUTE for step in path[:-1]), path
            self.items[page] = next(offset + int(path[-1]['item'], 16) - pa for pa, held, _, offset in core.loads
                                    if pa <= int(path[-1]['item'], 16) < pa + held)
        self.bytes = pathlib.Path(IMAGE).read_bytes()

    @staticmethod
    def records(command, *args):
        args = args if IMAGE in args else (*args, IMAGE)
        lines = subprocess.run([TOOL, command, '--json', *args], check=False, stdout=subprocess.PIPE).stdout.splitlines()
        return [r for r in map(json.loads, lines) if 'summary' not in r]

    def write(self, path, pages):
        image = bytearray(self.bytes)
        for page in pages:
            entry, = struct.unpack_from('<Q', image, self.items[page])
            struct.pack_into('<Q', image, self.items[page], entry & ~NO_EXECUTE)
        path.write_bytes(image)


def export(planter, folder, nr, pages):
    """One machine's ranges. @return the paths of its files, and how many rows they have"""
    image, out = folder / f'{nr}.elf', folder / f'{nr}.tables'
    planter.write(image, pages)
    done = subprocess.run([TOOL, 'export', '--json', '--format', 'jsonl', '--table', 'ranges', '--machine', f'machine-{nr:04}',
                           '-o', out, image], check=True, stdout=subprocess.PIPE)
    image.unlink()
    return sorted(out.glob('ranges/*/*')), json.loads(done.stdout)['summary']['ranges']


def more(servers, planter, folder, planted, numbers):
    """Export and load some more machines. @return seconds for both, and rows"""
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        exports = list(pool.map(lambda nr: export(planter, folder, nr, planted[nr]), numbers))
    exported = time.monotonic()
    for i in range(0, len(exports), 50):
        servers.load('ranges', [path for paths, _ in exports[i:i + 50] for path in paths])
    loaded = time.monotonic()
    for nr in numbers:
        shutil.rmtree(folder / f'{nr}.tables')
    return exported - began, loaded - exported, sum(rows for _, rows in exports)


def answers(servers, planter, planted, nr):
    """Ask for each page that was planted somewhere. @return the median of seconds, and the most rows read"""
    times, most = [], 0
    for page in planter.pages:
        expected = [f'machine-{i:04}' for i in range(nr) if page in planted[i]]
        for _ in range(ROUNDS):
            told, seconds, nr_read = servers.measure(QUESTION.format(page))
            times.append(seconds)
            most = max(most, nr_read)
        if [row['machine'] for row in told] != expected:
            sys.exit(f'fleet_check: {page}: {told} instead of {expected}')
    return statistics.median(times), most


def main():
    # The servers end then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('fleet_check: ended by SIGTERM'))
    choose = random.Random(int(os.environ.get('PGW_TEST_SEED', '1')))
    numbers = sorted(map(int, NUMBERS))
    with tempfile.TemporaryDirectory() as folder, Servers(folder) as servers:
        planter = Planter(choose)
        # One machine in ten has something.
        planted = [choose.sample(planter.pages, choose.randint(1, 2)) if choose.random() < 0.1 or i == 3 else []
                   for i in range(numbers[-1])]
        for port in servers.ports:
            servers.ask(SHARD_TABLE, port)
        servers.ask(TABLE)
        print('| dumps | rows | export, s | load, s | read for the question | ms |\n| ---: | ---: | ---: | ---: | ---: | ---: |')
        rows, exported, loaded, before = 0, 0, 0, 0
        for nr in numbers:
            seconds = more(servers, planter, pathlib.Path(folder), planted, range(before, nr))
            exported, loaded, rows, before = exported + seconds[0], loaded + seconds[1], rows + seconds[2], nr
            if servers.ask('select count(), uniq(machine) from ranges') != [f'{rows}\t{nr}']:
                sys.exit(f'fleet_check: not {rows} rows of {nr} machines')
            shards = [int(servers.ask('select count() from ranges_of_shard', port)[0]) for port in servers.ports]
            if nr > 50 and min(shards) < rows // 4:
                sys.exit(f'fleet_check: shards of {shards} rows')
            asked, nr_read = answers(servers, planter, planted, nr)
            print(f'| {nr} | {rows} | {exported:.1f} | {loaded:.1f} | {nr_read} | {asked * 1000:.0f} |', flush=True)


if __name__ == '__main__':
    main()
