#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_drgn.py: drgn and the module over the same memory, either way. Prints TAP.

There are no debugging symbols: the two types that mm() needs are described here, by what the kernel's
BTF says of them (Debian's linux-image-6.1.0-50-amd64).
"""
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

ROOT = pathlib.Path(os.environ['PGW_SOURCE_ROOT'])
DATA = ROOT / 'tests/data'
SMALL = str(DATA / 'x86_64-la48-pti.small.elf')
TASKS = str(DATA / 'linux-6.1-amd64.tasks.elf.zst')
NAMES = str(DATA / 'linux-6.1-amd64.tasks.map')
TASK_MM, MM_PGD = 2272, 72  # offsets in bytes

if importlib.util.find_spec('drgn') is None:
    print('ok 1 - drgn # SKIP drgn is not there\n1..1')
    sys.exit(0)

import _drgn  # noqa: E402
import drgn  # noqa: E402
import pagewalk.drgn  # noqa: E402
from drgn.helpers.linux import mm as helpers  # noqa: E402
from pagewalk import Image  # noqa: E402

tests = []


def unpack(name):
    return subprocess.run(['zstd', '-qdc', str(DATA / name)], stdout=subprocess.PIPE, check=True).stdout


folder = tempfile.TemporaryDirectory()
CORE = os.path.join(folder.name, 'core')
pathlib.Path(CORE).write_bytes(unpack('linux-6.1-amd64.tasks.elf.zst'))
GUEST = unpack('linux-6.1-amd64.tasks.txt.zst').decode(errors='replace').splitlines()


def test(function):
    tests.append(function)
    return function


def fails(what, wrong):
    try:
        wrong()
    except what as failed:
        return failed
    raise AssertionError(f'no {what.__name__}')


def open_core(path=CORE):
    prog = drgn.Program()
    prog.set_core_dump(path)
    return prog


def task_at(prog, address):
    """A struct task_struct *, whose types are made for it."""
    space = prog.struct_type('mm_struct', 1024, (drgn.TypeMember(
        prog.pointer_type(prog.int_type('unsigned long', 8, False)), 'pgd', 8 * MM_PGD),))
    kind = prog.struct_type('task_struct', 9792, (drgn.TypeMember(prog.pointer_type(space), 'mm', 8 * TASK_MM),))
    return drgn.Object(prog, prog.pointer_type(kind), value=address)


def tasks():
    with Image(TASKS, symbols=NAMES) as image:
        return {task.pid: (task.address, task.root) for task in image.tasks()}


def follow(prog, task, va):
    """Where drgn's own walk leads: as follow_phys(), whose type of the answer only debugging symbols have."""
    return _drgn._linux_helper_follow_phys(prog, task.mm.pgd, va)


def rss(pid):
    """What the guest's kernel said of each area: {(start, end): bytes that are there}."""
    begin = GUEST.index(f'BEGIN /proc/{pid}/smaps:vmflags') + 1
    lines = (line.split() for line in GUEST[begin:GUEST.index(f'END /proc/{pid}/smaps:vmflags')])
    return {tuple(int(end, 16) for end in words[0].split('-')): int(words[2]) << 10 for words in lines}


@test
def vmcoreinfo_of_a_program():
    with Image(CORE) as image:
        text = image.vmcoreinfo()
    assert text.startswith(b'OSRELEASE=6.1.0-50-amd64\n') and len(text) == 3278, len(text)
    prog = open_core()
    if 'VMCOREINFO' in prog:
        assert pagewalk.drgn.vmcoreinfo_of(prog) == text
    else:
        assert 'vmcoreinfo=' in str(fails(KeyError, lambda: pagewalk.drgn.kernel_mm(prog)))


def ready(path=CORE):
    """A program, and its kernel's memory: the oldest drgn does not find it, and 0.0.31 not while it walks."""
    prog = open_core(path)
    with Image(CORE) as image:
        pagewalk.drgn.image(prog, vmcoreinfo=image.vmcoreinfo())
    try:
        prog.read(0xffffffff9101aa40, 8)
        task = task_at(prog, tasks()[88][0])
        if hasattr(_drgn, '_linux_helper_follow_phys'):
            follow(prog, task, next(iter(pagewalk.drgn.mm(task))).va_first)
    except drgn.FaultError:
        pagewalk.drgn.add_kernel_memory(prog)
    return prog


@test
def kernel_tables():
    prog = ready()
    assert pagewalk.drgn.image(prog) is pagewalk.drgn.image(prog)
    root = pagewalk.drgn.image(prog).kernel_root()
    assert (root.pa, root.format, root.proof) == (0x6e10000, 'x86_64-la48', 'passed')
    with Image(CORE, zero_fill=True) as image:
        assert list(pagewalk.drgn.kernel_mm(prog)) == list(image.mm())
    # init_task by the System.map, what is there by the guest: the name of the idle task.
    assert b'swapper/0\0' in prog.read(0xffffffff9101aa40, 4096)


@test
def a_task_has_what_the_guest_says():
    prog = ready()
    for pid in (88, 89, 100):
        address, root = tasks()[pid]
        mm = pagewalk.drgn.mm(task_at(prog, address))
        assert (mm.root, mm.region) == (root, pagewalk.Region.USER)
        extents = list(mm)
        for (start, end), there in rss(pid).items():
            ours = sum(min(e.va_last + 1, end) - max(e.va_first, start) for e in extents
                       if e.va_first < end and e.va_last >= start)
            assert ours == there, (pid, hex(start), ours, there)
        assert list(pagewalk.drgn.mm(task_at(prog, address).mm)) == extents
        assert list(pagewalk.drgn.mm(task_at(prog, address).mm[0])) == extents


def drgn_walks_to_the_same_memory():
    prog = ready()
    task = task_at(prog, tasks()[88][0])
    for extent in pagewalk.drgn.mm(task):
        for va, pa in ((extent.va_first, extent.pa), (extent.va_last, extent.pa + extent.va_last - extent.va_first)):
            assert follow(prog, task, va) == pa, extent
    fails(drgn.FaultError, lambda: follow(prog, task, 0x1000))


if hasattr(_drgn, '_linux_helper_follow_phys'):  # drgn 0.0.23
    test(drgn_walks_to_the_same_memory)


@test
def drgn_reads_the_same_bytes():
    whole = pathlib.Path(os.environ.get('PGW_SHARED', '')) / 'images/linux/linux-6.1-amd64.elf.zst'
    if not whole.is_file():
        return 'SKIP the cut has no bytes of processes, and ../shared is not there'
    with tempfile.NamedTemporaryFile(dir=folder.name) as core:
        subprocess.run(['zstd', '-qdc', '--long=27', str(whole)], stdout=core, check=True)
        prog = ready(core.name)
        task, seen = task_at(prog, tasks()[88][0]), set()
        for extent in pagewalk.drgn.mm(task):
            theirs = helpers.access_remote_vm(task.mm, extent.va_first, 4096)
            assert theirs == prog.read(extent.pa, 4096, True), extent
            seen.add(theirs)
        fails(drgn.FaultError, lambda: helpers.access_remote_vm(task.mm, 0x1000, 8))
    assert len(seen) > 20, len(seen)
    return None


@test
def what_is_no_process():
    prog = ready()
    threads = {task.pid: task for task in Image(TASKS, symbols=NAMES).tasks()}
    assert 'kernel thread' in str(fails(ValueError, lambda: pagewalk.drgn.mm(task_at(prog, threads[2].address))))
    fails(TypeError, lambda: pagewalk.drgn.mm(drgn.Object(prog, prog.int_type('int', 4, True), value=1)))
    fails(ValueError, lambda: pagewalk.drgn.image(drgn.Program()))
    own = drgn.Program()
    own.set_pid(os.getpid())
    fails(ValueError, lambda: pagewalk.drgn.image(own))
    fails(pagewalk.Error, lambda: pagewalk.drgn.image(open_core(), vmcoreinfo=b'\0'))


@test
def ranges_let_it_look_through_memory():
    with Image(CORE) as image:
        ranges = image.ranges()
        ours = {root.pa for root in image.roots()}
    found = pagewalk.drgn.image(open_core(), ranges=ranges)
    assert {root.pa for root in found.roots()} == ours and len(ours) > 10
    named = pagewalk.drgn.image(open_core(), ranges=ranges, symbols=NAMES)
    assert {task.pid: (task.address, task.root) for task in named.tasks()} == tasks()


@test
def physical_memory_of_an_image():
    with Image(TASKS) as image:
        prog = drgn.Program(pagewalk.drgn.platform(image))
        pagewalk.drgn.add_memory(prog, image)
        for first, last in image.ranges():
            assert prog.read(first, last - first + 1, True) == image.read(first, last - first + 1)
        fault = fails(drgn.FaultError, lambda: prog.read(1 << 45, 8, True))
        assert fault.address == 1 << 45
        fails(drgn.FaultError, lambda: prog.read(image.ranges()[0][1], 2, True))


@test
def a_program_of_an_image():
    image = Image(TASKS, zero_fill=True)
    if not hasattr(drgn.Program, 'set_linux_kernel_custom'):
        assert '0.3' in str(fails(NotImplementedError, lambda: pagewalk.drgn.program(image)))
        return
    prog = pagewalk.drgn.program(image)
    assert prog.flags & drgn.ProgramFlags.IS_LINUX_KERNEL and not prog.flags & drgn.ProgramFlags.IS_LIVE
    assert prog['UTS_RELEASE'].string_() == b'6.1.0-50-amd64'
    assert b'swapper/0\0' in prog.read(0xffffffff9101aa40, 4096)  # by drgn's own walk
    address, root = tasks()[88]
    mm = pagewalk.drgn.mm(task_at(prog, address))  # and back again
    assert mm.root == root
    for extent in mm:
        assert follow(prog, task_at(prog, address), extent.va_first) == extent.pa
    fails(drgn.FaultError, lambda: prog.read(0x1000, 8))
    running = drgn.Program(pagewalk.drgn.platform(image))
    pagewalk.drgn.add_memory(running, image)
    running.set_linux_kernel_custom(image.vmcoreinfo(), True)
    assert pagewalk.drgn.image(running).is_live
    assert list(pagewalk.drgn.kernel_mm(running)) == list(image.mm())
    assert fails(pagewalk.Error, lambda: pagewalk.drgn.mm(task_at(running, address))).errno == 95
    fails(pagewalk.Error, lambda: pagewalk.drgn.program(Image(DATA / 'arch/loong64.elf.zst')))


@test
def types():
    if not importlib.util.find_spec('mypy'):
        return 'SKIP mypy is not there'
    with tempfile.TemporaryDirectory() as cache:
        run = subprocess.run([sys.executable, '-m', 'mypy', '--strict', '--cache-dir', cache,
                              str(ROOT / 'python/pagewalk/drgn.py')], stdout=subprocess.PIPE, check=False)
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
