#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_pagewalk.py: the Python module says what the command says. Prints TAP."""
import array
import contextlib
import ctypes
import doctest
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import struct
import tempfile
import threading
import time
import traceback

ROOT = pathlib.Path(os.environ['PGW_SOURCE_ROOT'])
SMALL = str(ROOT / 'tests/data/x86_64-la48-pti.small.elf')
TASKS = str(ROOT / 'tests/data/linux-6.1-amd64.tasks.elf.zst')
NAMES = str(ROOT / 'tests/data/linux-6.1-amd64.tasks.map')
os.environ['PAGEWALK_EXAMPLE'] = SMALL

import pagewalk  # noqa: E402
from pagewalk._pagewalk import ffi, lib  # noqa: E402
from pagewalk import Image, Mm, Phys, Region  # noqa: E402

tests = []


def test(function):
    tests.append(function)
    return function


def command(*arguments):
    """The records that the command prints."""
    run = subprocess.run([os.environ['PGW_TOOL'], *arguments, '--json'], stdout=subprocess.PIPE, check=False)
    return [json.loads(line) for line in run.stdout.splitlines()]


def number(text):
    return int(text, 16)


@test
def examples():
    assert doctest.testmod(pagewalk).failed == 0


@test
def roots():
    with Image(SMALL) as image:
        ours = [(root.pa, root.format, root.state, list(root.cpus)) for root in image.roots()]
    # The command lists them by sections.
    assert ours == sorted((number(r['root']), r['format'], r['state'], r['cpus'])
                          for r in command('roots', SMALL) if 'root' in r)


@test
def extents_of_every_root():
    with Image(SMALL) as image:
        for root in image.roots():
            for region in ('user', 'kernel'):
                theirs = [(number(r['va']), number(r['va']) + r['size'] - 1, number(r['pa']), r['kernel'] + '/' + r['user'])
                          for r in command('dump', '--no-fold', '--root', hex(root.pa), '--half', region, SMALL)
                          if 'pa' in r]
                for batch in (1, 7, 65536):
                    mm = image.mm(root, Region[region.upper()])
                    ours = [(e.va_first, e.va_last, e.pa, e.rights)
                            for extents in mm.extents(batch=batch) for e in extents if e.kind == 'leaf']
                    assert ours == theirs, (root, region, batch, ours[:3], theirs[:3])


@test
def translations():
    with Image(SMALL) as image:
        mm = image.mm()
        addresses = [e.va_first for extents in mm.extents() for e in extents]
        many = mm.translate_many(addresses)
        again = mm.translate_many(array.array('Q', addresses))
        assert len(many) == len(addresses) > 80
        for va, one, two in zip(addresses, many, again):
            assert one == two == mm.translate(va)
            assert one.pa == mm.walk(va)[0].pa and mm.walk(va)[1][-1].kind == one.kind
        for wrong in (array.array('q', addresses[:0] + [1]), array.array('d', [1.0])):
            try:
                mm.translate_many(wrong)
                assert False
            except TypeError:
                pass


@test
def numpy_arrays():
    if not importlib.util.find_spec('numpy'):
        return 'SKIP numpy is not there'
    import numpy
    with Image(SMALL) as image:
        mm = image.mm()
        for extents in mm.extents():
            data = numpy.asarray(extents)
            assert data['va_first'].tolist() == [e.va_first for e in extents]
            assert data['rights'].tolist() == [bytes(extents.memoryview())[40 * i + 38] for i in range(len(data))]
            found = numpy.asarray(mm.translate_many(data['va_first'].copy()))
            assert found['pa'].tolist() == data['pa'].tolist()
    return None


@test
def threads():
    with Image(SMALL) as image:
        mm = image.mm()
        expected = [list(extents) for extents in mm.extents()]
        wrong = []

        def scan():
            for _ in range(50):
                if [list(extents) for extents in mm.extents()] != expected:
                    wrong.append(1)
        running = [threading.Thread(target=scan) for _ in range(4)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        assert not wrong


@contextlib.contextmanager
def counted():
    """A function that says how far another thread has counted.

    Threads are switched for no other reason than that one waits for something, or a call lets them: what
    the counter gains across a call, it gains while that runs.
    """
    count, interval, is_over = [0], sys.getswitchinterval(), []

    def run():
        while not is_over:
            count[0] += 1
            time.sleep(1e-5)
    counter = threading.Thread(target=run)
    sys.setswitchinterval(1000)
    counter.start()
    try:
        yield lambda: count[0]
    finally:
        is_over.append(True)
        counter.join()
        sys.setswitchinterval(interval)


def gain(now, function, arguments, tries):
    """What the counter gains in calls, until it gains something."""
    for _ in range(tries):
        before = now()
        function(*arguments)
        gained = now() - before
        if gained:
            return gained
        time.sleep(1e-4)  # the counter waits for its turn when the next call begins
    return 0


def many_leaves(folder):
    """A file with a table of 512 tables that are the same, whose leaves go to every second page: 2^18 extents."""
    tables = [[0] * 512 for _ in range(4)]
    tables[0][256], tables[1][0] = 0x1003, 0x2003
    tables[2] = [0x3003] * 512
    tables[3] = [page << 13 | 0x100003 for page in range(512)]
    path = os.path.join(folder, 'tables.lime')
    header = struct.pack('<4sIQQQ', b'EMiL', 1, 0, 0x3fff, 0)
    pathlib.Path(path).write_bytes(header + b''.join(struct.pack('<512Q', *table) for table in tables))
    return path


def with_the_lock(name, *types):
    """A function of the library's, as one that keeps other threads of Python's waiting."""
    address = int(ffi.cast('uintptr_t', ffi.addressof(lib, name)))
    held = ctypes.PYFUNCTYPE(ctypes.c_size_t, *types)(address)
    return lambda *arguments: held(*(int(ffi.cast('uintptr_t', a)) if isinstance(a, ffi.CData) else a for a in arguments))


@test
def long_calls_let_other_threads_run():
    pointer, number64 = ctypes.c_void_p, ctypes.c_uint64
    with tempfile.TemporaryDirectory() as folder, Image(many_leaves(folder)) as image, counted() as now:
        mm = Mm(image, 'x86_64-la48', 0)
        batch, room = ffi.new('struct pgwpy_batch *'), ffi.new('struct pgw_extent[]', 1 << 18)
        batch.extents, batch.capacity = room, len(room)
        scan = mm._mm, mm.first, mm.last, batch
        addresses = ffi.new('uint64_t[]', [mm.first + (i << 12) for i in range(1 << 18)])
        found = ffi.new('struct pgw_translation[]', len(addresses))
        translate = mm._mm, addresses, found, len(addresses)
        for name, arguments, types in (('pgwpy_scan', scan, (pointer, number64, number64, pointer)),
                                       ('pgw_translate_batch', translate, (pointer, pointer, pointer, ctypes.c_size_t))):
            assert gain(now, getattr(lib, name), arguments, 1000), name
            # The same functions, if they were called so that others wait: the counter stands still.
            assert not gain(now, with_the_lock(name, *types), arguments, 20), name
        assert batch.nr == 1 << 18 and found[1].pa == 0x102000
        assert gain(now, lambda: Image(TASKS).roots(), (), 1000)


@test
def a_thread_fills_the_pipe_that_another_opens():
    with tempfile.TemporaryDirectory() as folder:
        pipe = os.path.join(folder, 'pipe')
        os.mkfifo(pipe)
        writer = threading.Thread(target=lambda: pathlib.Path(pipe).write_bytes(pathlib.Path(SMALL).read_bytes()))
        writer.start()
        with Image(pipe) as image:
            assert len(image.roots()) == 13
        writer.join()


class Reader(Phys):
    def __init__(self, image):
        super().__init__()
        self.image, self.error, self.nr = image, None, 0

    def read(self, pa, length):
        self.nr += 1
        if self.error:
            raise self.error
        return self.image.read(pa, length)

    def ranges(self):
        return [(0, (256 << 20) - 1)]


@test
def memory_in_python():
    with Image(SMALL) as image:
        root = image.kernel_root()
        phys = Reader(image)
        mm = Mm(phys, root.format, root.pa)
        assert [e for b in mm.extents() for e in b] == [e for b in image.mm(root).extents() for e in b]
        assert phys.nr > 10
        phys.error = OSError('gone')
        assert mm.translate(0xffffffff80000000).kind == 'unreadable'
        phys.error = ZeroDivisionError('of the reader')
        try:
            mm.translate(0xffffffff80000000)
            assert False
        except ZeroDivisionError:
            pass
        phys.error = None
        assert mm.translate(0xffffffff80000000) == image.mm(root).translate(0xffffffff80000000)


class Lent(Reader):
    def ranges(self):
        return self.image.ranges()


class Unlisted(Reader):
    def ranges(self):
        return []


@test
def image_of_memory_in_python():
    with Image(SMALL) as image:
        kinds = [(root.pa, root.format, root.state) for root in image.roots() if not root.cpus]
        lent = Image(Lent(image))
        assert lent.kind == 'lent' and lent.arch == 'x86_64' and lent.ranges() == image.ranges()
        ours = [(root.pa, root.format, root.state) for root in lent.roots()]
        assert set(kinds) <= set(ours), (kinds, ours)
        assert list(lent.mm()) == list(image.mm()) and len(list(lent.mm())) == 87
        blind = Image(Unlisted(image), arch='x86_64', vmcoreinfo=image.vmcoreinfo())
        assert blind.kernel_root().pa == image.kernel_root().pa and blind.vmcoreinfo() == image.vmcoreinfo()
        live = Image(Unlisted(image), arch='x86_64', vmcoreinfo=image.vmcoreinfo(), is_live=True)
        assert live.is_live and list(live.mm()) == list(image.mm())
        for wrong in (lambda: Image(Unlisted(image), arch='no such'),
                      lambda: Image(Unlisted(image), arch='x86_64').kernel_root(),
                      lambda: Image(Unlisted(image), vmcoreinfo=b'')):
            try:
                wrong()
                assert False
            except pagewalk.Error as failed:
                assert failed.errno > 0
        broken = Unlisted(image)
        broken.error = ZeroDivisionError('of the reader')
        try:
            Image(broken, arch='x86_64', vmcoreinfo=image.vmcoreinfo()).kernel_root()
            assert False
        except ZeroDivisionError:
            pass


@test
def errors():
    with tempfile.NamedTemporaryFile() as file:
        file.write(pathlib.Path(SMALL).read_bytes()[:100])
        file.flush()
        try:
            Image(file.name)
            assert False
        except pagewalk.Error as failed:
            assert failed.errno and failed.filename == file.name, failed
    image = Image(SMALL)
    mm = image.mm()
    for wrong in (lambda: image.read(1 << 50, 8), lambda: image.mm(region=Region.FOREIGN),
                  lambda: Mm(image, 'no-such', 0), lambda: mm.translate(0x1000),
                  lambda: list(mm.extents(0, 0x1000)), lambda: image.tasks()):
        try:
            wrong()
            assert False
        except pagewalk.Error as failed:
            assert failed.errno > 0
    image.close()
    for closed in (image.roots, lambda: mm.translate(1 << 63), lambda: image.read(0, 1)):
        try:
            closed()
            assert False
        except ValueError:
            pass


@test
def processes():
    with Image(TASKS, symbols=NAMES) as image:
        tasks = {task.pid: task for task in image.tasks() if task.is_leader}
        theirs = {r['pid']: r for r in command('ps', '--symbols=' + NAMES, TASKS) if 'pid' in r}
        assert set(tasks) == set(theirs) and len(tasks) > 60
        for pid, task in tasks.items():
            assert task.ppid == theirs[pid]['ppid'] and task.state == theirs[pid]['state'], task
        kernel = next(task for task in tasks.values() if task.is_kernel)
        assert image.areas(kernel) == []
        for line, area in zip(subprocess.run(
                [os.environ['PGW_TOOL'], 'maps', '--symbols=' + NAMES, '--pid', '87', TASKS],
                stdout=subprocess.PIPE, check=True).stdout.decode().splitlines(), image.areas(tasks[87])):
            assert line.startswith(f'{area.start:08x}-{area.end:08x} '), (line, area)


@test
def findings():
    planted = str(ROOT / 'tests/data/x86_64-la48-pti.after.elf.zst')
    with Image(planted) as image:
        audit = image.audit()
    theirs = command('audit', planted)
    assert [(f.rule, f.level, f.root, f.va_first, f.va_last, f.nr, f.pa, f.nr_roots) for f in audit.findings] == [
        (r['rule'], r['level'], number(r['root']), number(r['first']), number(r['last']), r['count'],
         number(r['pa']), r['roots']) for r in theirs if 'first' in r]
    assert audit.unchecked == [(r['rule'], r['why']) for r in theirs if 'why' in r] and audit.is_whole
    assert ('kernel-wx', 0xffffffff88c00000) in [(f.rule, f.va_first) for f in audit.findings]


@test
def memory_by_its_addresses():
    with Image(SMALL) as image:
        mm = image.mm()
        assert mm.read(0xffff969d0da0a000, 0x2000) == image.read(0xda0a000, 0x2000)
        for wrong, errno, level in ((0xffffffff00000000, 14, 2), (0xffffffff88c00000, 5, 1)):
            try:
                mm.read(wrong, 8)
                assert False
            except pagewalk.Error as failed:
                assert (failed.errno, failed.level) == (errno, level), (failed, failed.level)


@test
def names():
    with Image(TASKS, symbols=NAMES) as image:
        ours = [(symbol.address, symbol.letter, symbol.name) for symbol in image.symbols()]
        assert ours == [(number(r['va']), r['letter'], r['name'])
                        for r in command('symbols', '--symbols=' + NAMES, TASKS) if 'name' in r]
        assert image.symbol_at(0xffffffff8f600004)[1] == 4 and image.symbol_at(0x1000) is None
        assert image.symbol('_stext').address == 0xffffffff8f600000
        try:
            image.symbol('no such name')
            assert False
        except KeyError:
            pass


@test
def types():
    if not importlib.util.find_spec('mypy'):
        return 'SKIP mypy is not there'
    with tempfile.TemporaryDirectory() as cache:
        run = subprocess.run([sys.executable, '-m', 'mypy', '--strict', '--cache-dir', cache,
                              str(ROOT / 'python/pagewalk/__init__.py')], stdout=subprocess.PIPE, check=False)
    assert run.returncode == 0, run.stdout.decode()
    return None


failures = 0
for index, function in enumerate(tests, 1):
    try:
        said = function()
        print(f'ok {index} - {function.__name__}' + (f' # {said}' if said else ''))
    except Exception:  # pylint: disable=broad-except
        failures += 1
        print(f'not ok {index} - {function.__name__}')
        print(''.join('# ' + line + '\n' for line in traceback.format_exc().splitlines()), end='')
print(f'1..{len(tests)}')
sys.exit(1 if failures else 0)
