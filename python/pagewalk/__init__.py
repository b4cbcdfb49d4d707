# SPDX-License-Identifier: BSD-2-Clause
"""Read page tables in memory dumps, in machines that run, and in memory that you read yourself.

>>> with Image(EXAMPLE) as image:
...     root = image.kernel_root()
...     print(root.format, hex(root.pa))
...     mm = image.mm(root)
...     print(mm.translate(0xffffffff88c00000))
x86_64-la48 0xda0a000
Translation(kind='leaf', va=18446744071708868608, pa=218103808, size=2097152, rights='r-x/---', level=1)

Everything that is listed comes in batches, which NumPy takes without a copy: numpy.asarray(batch).
Long calls let other threads run. What fails raises Error, an OSError with the library's number.

An image is opened read-only. Objects of one image may be used by several threads, but the first
call of roots(), tasks() and symbols() must not be made by two at once, as in the library.
"""
from __future__ import annotations

import enum
import os
from types import TracebackType
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple, Type, Union

from ._pagewalk import ffi, lib

__all__ = ['Area', 'Audit', 'Error', 'Extent', 'Extents', 'Finding', 'Image', 'Mm', 'Phys', 'Region', 'Root', 'Step',
           'Symbol', 'Task', 'Translation', 'formats', 'rights_text']

KINDS = ('empty', 'absent', 'table', 'leaf', 'malformed', 'unreadable', 'torn', 'noncanonical')
STATES = ('kernel', 'running', 'mapped', 'empty', 'trampoline', 'firmware', 'guest', 'unknown')
MAX_TABLES, MAX_FINDINGS = 1 << 22, 1000  # of an audit, as of the command
LEVELS = ('note', 'warning', 'error')
PROOFS = ('none', 'passed', 'failed', 'partial')
EXTENT_DTYPE = [('va_first', '<u8'), ('va_last', '<u8'), ('pa', '<u8'), ('entry', '<u8'),
                ('kind', '<u4'), ('level', 'u1'), ('leaf_lg2', 'u1'), ('rights', 'u1'), ('', '|V1')]
TRANSLATION_DTYPE = [('kind', '<u4'), ('level', 'u1'), ('leaf_lg2', 'u1'), ('rights', 'u1'), ('', '|V1'),
                     ('pa', '<u8'), ('entry', '<u8'), ('va_first', '<u8'), ('va_last', '<u8')]
_uncleared = ffi.new_allocator(should_clear_after_alloc=False)  # for what the library fills in
if ffi.sizeof('struct pgw_extent') != 40 or ffi.sizeof('struct pgw_translation') != 40:
    raise ImportError('pagewalk: the structs of the library are not what this module knows')


class Region(enum.IntEnum):
    """Whose tables: those of processes, of the kernel, or of an owner such as a hypervisor."""
    USER = 0
    KERNEL = 1
    FOREIGN = 2


class Error(OSError):
    """What the library answers, with its error number as errno.

    offset: of the byte in the file that is wrong, or None. level: of the table where a walk ended, if
    one did (0 is the last), or None.

    >>> Image('/nonexistent')
    Traceback (most recent call last):
    ...
    pagewalk.Error: [Errno 2] No such file or directory: '/nonexistent'
    """
    offset: Optional[int] = None
    level: Optional[int] = None


Error.__module__ = 'pagewalk'


def _fail(status: int, error: Any = None, name: Optional[str] = None) -> Error:
    text = ffi.string(lib.pgw_status_text(status)).decode()
    offset = None
    if error is not None and error.status:
        buffer = ffi.new('char[]', 1024)
        lib.pgw_error_format(error, buffer, 1024)
        text = ffi.string(buffer).decode(errors='replace') or text
        offset = error.offset if error.has_offset else None
    failed = Error(-status, text) if name is None else Error(-status, text, name)
    failed.offset = offset
    return failed


def formats() -> List[str]:
    """The names of all formats of page tables.

    >>> 'x86_64-la57' in formats()
    True
    """
    names: List[str] = []
    while (found := lib.pgw_format_at(len(names))) != ffi.NULL:
        names.append(ffi.string(lib.pgw_format_name(found)).decode())
    return names


def rights_text(rights: int) -> str:
    """Rights as the command prints them: the kernel's, then the user's.

    >>> rights_text(0b001_011)
    'rw-/r--'
    """
    letters = ''.join(c if rights >> i & 1 else '-' for i, c in enumerate('rwxrwx'))
    return letters[:3] + '/' + letters[3:]


class Extent(NamedTuple):
    """A run of neighbouring entries of one kind, of leaves that follow each other in va and pa."""
    va_first: int
    va_last: int  # inclusive
    pa: int
    kind: str
    level: int
    leaf_size: int
    rights: str
    entry: int


class Extents:
    """A batch of extents: a sequence, and a structured array for NumPy (numpy.asarray())."""

    def __init__(self, array: Any, nr: int):
        self._array, self._nr = array, nr

    def __len__(self) -> int:
        return self._nr

    def __getitem__(self, index: int) -> Extent:
        if index < 0:
            index += self._nr
        if not 0 <= index < self._nr:
            raise IndexError(index)
        e = self._array[index]
        return Extent(e.va_first, e.va_last, e.pa, KINDS[e.kind], e.level,
                      1 << e.leaf_lg2 if e.kind == 3 else 0, rights_text(e.rights), e.entry)

    def __iter__(self) -> Iterator[Extent]:
        return (self[i] for i in range(self._nr))

    def memoryview(self) -> memoryview:
        """The bytes, without a copy; EXTENT_DTYPE says what they are."""
        return memoryview(ffi.buffer(self._array, self._nr * ffi.sizeof('struct pgw_extent')))

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        return {'version': 3, 'shape': (self._nr,), 'typestr': '|V40', 'descr': EXTENT_DTYPE,
                'data': self.memoryview()}


class Translation(NamedTuple):
    """What one address means."""
    kind: str
    va: int
    pa: int
    size: int  # of the leaf, or of the hole's slot
    rights: str
    level: int


class Translations:
    """A batch of translations: a sequence, and a structured array for NumPy."""

    def __init__(self, addresses: Any, array: Any, nr: int):
        self._addresses, self._array, self._nr = addresses, array, nr

    def __len__(self) -> int:
        return self._nr

    def __getitem__(self, index: int) -> Translation:
        if index < 0:
            index += self._nr
        if not 0 <= index < self._nr:
            raise IndexError(index)
        return _translation(self._addresses[index], self._array[index])

    def __iter__(self) -> Iterator[Translation]:
        return (self[i] for i in range(self._nr))

    def memoryview(self) -> memoryview:
        """The bytes, without a copy; TRANSLATION_DTYPE says what they are."""
        return memoryview(ffi.buffer(self._array, self._nr * ffi.sizeof('struct pgw_translation')))

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        return {'version': 3, 'shape': (self._nr,), 'typestr': '|V40', 'descr': TRANSLATION_DTYPE,
                'data': self.memoryview()}


def _translation(va: int, t: Any) -> Translation:
    return Translation(KINDS[t.kind], va, t.pa, t.va_last - t.va_first + 1,
                       rights_text(t.rights), t.level)


class Step(NamedTuple):
    """One entry that a translation looked at, top first."""
    table: str  # the manual's name: "PML4"
    item_pa: int
    entry: int
    kind: str


class Root(NamedTuple):
    """A root of page tables, and what is known of it."""
    pa: int
    format: str
    state: str
    proof: str
    has_user: bool
    has_kernel: bool
    is_kpti_user: bool
    twin: Optional[int]  # the other root of a KPTI pair
    cpus: Tuple[int, ...]
    kernel: int  # the number of the kernel whose it is; 0 = not known
    missing_tables: int
    info: Any  # the library's own struct


def _root(info: Any) -> Root:
    kept = ffi.new('struct pgw_root_info *', info)
    return Root(info.root.pa, ffi.string(lib.pgw_format_name(info.format)).decode(), STATES[info.state],
                PROOFS[info.proof], info.has_user, info.has_kernel, info.is_kpti_user,
                info.twin.pa if info.has_twin else None,
                tuple(i for i in range(64) if info.cpus >> i & 1), info.kernel, info.nr_missing, kept)


class Phys:
    """Physical memory that a program reads itself: make a class of this one.

    read() returns length bytes at pa, or raises LookupError or OSError where there is no memory.
    ranges() lists the memory there is, as (first, last), both inclusive, ascending.

    >>> class Probe(Phys):
    ...     def __init__(self, path):
    ...         super().__init__()
    ...         self.image = Image(path)
    ...     def read(self, pa, length):
    ...         return self.image.read(pa, length)
    >>> mm = Mm(Probe(EXAMPLE), 'x86_64-la48', 0xda0a000, Region.KERNEL)
    >>> hex(mm.translate(0xffffffff88c00000).pa)
    '0xd000000'
    """

    def __init__(self) -> None:
        self._handle = ffi.new_handle(self)
        self._c = ffi.new('struct pgwpy_phys *')
        self._raised: Optional[BaseException] = None
        lib.pgwpy_phys_init(self._c, self._handle)

    def read(self, pa: int, length: int) -> bytes:
        raise NotImplementedError

    def ranges(self) -> List[Tuple[int, int]]:
        return [(0, (1 << 52) - 1)]

    def _check(self) -> None:
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised


@ffi.def_extern()  # type: ignore[misc]
def pgwpy_phys_read(handle: Any, pa: int, buf: Any, length: int) -> int:
    phys = ffi.from_handle(handle)
    try:
        data = phys.read(pa, length)
        if len(data) != length:
            return -5
        ffi.memmove(buf, data, length)
        return 0
    except (LookupError, OSError):
        return -5
    except BaseException as raised:  # pylint: disable=broad-except
        phys._raised = raised
        return -5


@ffi.def_extern()  # type: ignore[misc]
def pgwpy_phys_range(handle: Any, pa: int, ret_first: Any, ret_last: Any) -> bool:
    phys = ffi.from_handle(handle)
    try:
        for first, last in phys.ranges():
            if last >= pa:
                ret_first[0], ret_last[0] = first, last
                return True
    except BaseException as raised:  # pylint: disable=broad-except
        phys._raised = raised
    return False


class Mm:
    """The tables of one root, in one region of its addresses.

    Of a dump they do not change. Of a machine that runs, each call takes the lock that the rule asks
    for: for read of the kernel's region, and else for write, which stops the machine.
    """

    def __init__(self, source: Union['Image', Phys], format: str, root: int,
                 region: Region = Region.KERNEL, info: Any = None):
        self._mm = ffi.NULL
        self._source = source
        found = lib.pgw_format_by_name(format.encode())
        if found == ffi.NULL:
            raise Error(22, 'no such format', format)
        args = ffi.new('struct pgw_mm_attach_args *')
        args.platform = lib.pgw_hosted_platform()
        args.format = found
        args.region = int(region)
        args.root.pa = root
        if info is not None:
            args.root.nr_items = info.root.nr_items
            args.control = info.control
        if isinstance(source, Phys):
            args.phys = ffi.addressof(source._c, 'phys')
        else:
            args.phys = lib.pgw_image_phys(source._open())
            args.is_live = source.is_live
        self._is_live = args.is_live
        ret = ffi.new('struct pgw_mm **')
        status = lib.pgw_mm_attach(args, ret)
        if status:
            raise _fail(status)
        self._mm = ffi.gc(ret[0], lib.pgw_mm_free)
        self.format, self.root, self.region = format, root, region
        self._format = found
        limits = lib.pgw_format_region(found, int(region))
        self.first, self.last = limits.first, limits.last

    def _use(self) -> Any:
        if not isinstance(self._source, Phys):
            self._source._open()
        return self._mm

    def _locked(self) -> '_Lock':
        return _Lock(self._use(), self._is_live, self.region != Region.KERNEL)

    def _raise(self, status: int) -> None:
        phys = self._source if isinstance(self._source, Phys) else self._source._phys
        if phys is not None:
            phys._check()
        if status < 0:
            raise _fail(status)

    def __iter__(self) -> Iterator[Extent]:
        """All that is mapped, one by one. For speed, see extents().

        >>> image = Image(EXAMPLE)
        >>> next(extent for extent in image.mm() if extent.rights == 'rw-/---').leaf_size
        4096
        """
        return (extent for extents in self.extents() for extent in extents if extent.kind == 'leaf')

    def read(self, va: int, length: int) -> bytes:
        """Memory by its virtual addresses; where it is not mapped or not there, Error, with the level.

        Rights are not looked at. Of a machine that runs, each leaf is read by itself.

        >>> image = Image(EXAMPLE)
        >>> image.mm().read(0xffff969d0da0a000, 4096) == image.read(0xda0a000, 4096)
        True
        >>> try:
        ...     image.mm().read(0xffffffff00000000, 8)
        ... except Error as failed:
        ...     print(failed, failed.level)
        [Errno 14] not mapped: 0xffffffff00000000 is empty 2
        """
        parts = []
        while length:
            leaf = self.translate(va)
            if leaf.kind != 'leaf':
                failed = Error(14, f'not mapped: {va:#x} is {leaf.kind}')
                failed.level = leaf.level
                raise failed
            part = min(length, leaf.size - va % leaf.size)
            parts.append(self._read_leaf(leaf, part))
            va, length = va + part, length - part
        return b''.join(parts)

    def _read_leaf(self, leaf: Translation, length: int) -> bytes:
        try:
            return self._source.read(leaf.pa, length)
        except (LookupError, OSError) as lacking:
            failed = Error(5, f'{leaf.pa:#x} cannot be read')
            failed.level = leaf.level
            raise failed from lacking

    def extents(self, first: Optional[int] = None, last: Optional[int] = None,
                batch: int = 16384) -> Iterator[Extents]:
        """All that a range maps, inclusive, in ascending order; by default of the whole region.

        >>> image = Image(EXAMPLE)
        >>> mm = image.mm(image.kernel_root())
        >>> sum(e.kind == 'leaf' for extents in mm.extents() for e in extents)
        87
        """
        at = self.first if first is None else first
        end = self.last if last is None else last
        if batch < 1:
            raise ValueError('batch: at least 1')
        while True:
            array = _uncleared('struct pgw_extent[]', batch)
            made = ffi.new('struct pgwpy_batch *')
            made.extents, made.capacity = array, batch
            with self._locked() as mm:
                status = lib.pgwpy_scan(mm, at, end, made)
            if made.nr:
                yield Extents(array, made.nr)
            self._raise(status)
            if made.is_whole:
                return
            at = made.next

    def translate(self, va: int) -> Translation:
        """What one address maps to."""
        return self.walk(va)[0]

    def walk(self, va: int) -> Tuple[Translation, List[Step]]:
        """The same with each entry on the way.

        >>> image = Image(EXAMPLE)
        >>> [step.table for step in image.mm(image.kernel_root()).walk(0xffffffff88c00000)[1]]
        ['PML4', 'PDPT', 'PD']
        """
        found, path = ffi.new('struct pgw_translation *'), ffi.new('struct pgw_path *')
        with self._locked() as mm:
            status = lib.pgw_translate_path(mm, va, found, path)
        self._raise(status)
        steps = [Step(ffi.string(lib.pgw_format_table_name(self._format, step.level)).decode(),
                      step.item_pa, step.entry, KINDS[step.kind])
                 for step in path.step[0:path.nr_steps]]
        return _translation(va, found), steps

    def translate_many(self, addresses: Any) -> Translations:
        """Many addresses at once: a list, or any array of 64-bit unsigned integers."""
        try:
            view = memoryview(addresses)
        except TypeError:
            array = ffi.new('uint64_t[]', list(addresses))
        else:
            if view.itemsize != 8 or view.format.lstrip('@=<') not in ('Q', 'L'):
                raise TypeError(f'expected unsigned integers of 64 bits, not {view.format!r}')
            array = ffi.from_buffer('uint64_t[]', view)
        nr = len(array)
        ret = _uncleared('struct pgw_translation[]', nr)
        with self._locked() as mm:
            done = lib.pgw_translate_batch(mm, array, ret, nr)
        self._raise(0 if done == nr else -22)
        return Translations(array, ret, nr)


class _Lock:
    """The lock of an mm: of a snapshot it is always held."""

    def __init__(self, mm: Any, is_live: bool, for_write: bool):
        self._mm, self._is_live, self._for_write = mm, is_live, for_write

    def __enter__(self) -> Any:
        if self._is_live:
            lock = lib.pgw_mmap_write_lock if self._for_write else lib.pgw_mmap_read_lock
            status = lock(self._mm)
            if status:
                raise _fail(status)
        return self._mm

    def __exit__(self, *_: Any) -> None:
        if self._is_live:
            unlock = lib.pgw_mmap_write_unlock if self._for_write else lib.pgw_mmap_read_unlock
            unlock(self._mm)


class Area(NamedTuple):
    """An area of memory of a process (VMA)."""
    start: int
    end: int  # exclusive
    flags: int
    offset: int
    inode: int
    name: str  # undecodable bytes as os.fsdecode() has them
    rss: int
    swap: int


class Task(NamedTuple):
    """A thread; the first of a process stands for the process."""
    pid: int
    tgid: int
    ppid: int
    uid: int
    gid: int
    state: str
    is_kernel: bool
    is_leader: bool
    name: str
    root: int  # 0: not known, or a kernel thread
    address: int
    c: Any  # the library's own struct


class Finding(NamedTuple):
    """What a rule of an audit found; the manual of `pagewalk audit` has the rules."""
    rule: str
    level: str  # 'note', 'warning', 'error'
    root: int  # the first one that has it
    nr_roots: int
    region: Optional[str]  # None: it is about the root as a whole, and the next five are 0
    va_first: int
    va_last: int  # inclusive
    pa: int
    entry: int
    nr: int  # leaves, entries or frames from va_first to va_last that are so
    text: str
    detail: Optional[str]
    is_suspect: bool  # about tables that only look like a process's
    # None: of the host's own tables. Else ('vm', its number), or ('device', its bus, device and function, or
    # stream id), whose tables have it; addresses are those that it uses
    foreign: Optional[Tuple[str, int]]


class Audit(NamedTuple):
    """What an audit found, and what it could not look at."""
    findings: List[Finding]
    unchecked: List[Tuple[str, str]]  # rules, and why not
    is_whole: bool  # all is told, and no table was missing


class Symbol(NamedTuple):
    """A name of the kernel."""
    address: int
    name: str
    letter: str


@ffi.def_extern()  # type: ignore[misc]
def pgwpy_area(area: Any, handle: Any) -> int:
    ffi.from_handle(handle).append(
        Area(area.start, area.end, area.flags, area.offset, area.inode,
             os.fsdecode(ffi.string(area.name)), area.rss, area.swap))
    return 0


@ffi.def_extern()  # type: ignore[misc]
def pgwpy_finding(found: Any, handle: Any) -> int:
    info = lib.pgw_audit_rule_info(found.rule)
    ffi.from_handle(handle).findings.append(
        Finding(ffi.string(info.id).decode(), LEVELS[found.level], found.root.root.pa, found.nr_roots,
                ffi.string(found.region.name).decode() if found.region != ffi.NULL else None,
                found.va_first, found.va_last, found.pa, found.entry, found.count,
                ffi.string(info.text).decode(),
                ffi.string(found.detail).decode() if found.detail != ffi.NULL else None, found.is_suspect,
                ('vm' if found.foreign.is_guest else 'device', found.foreign.id)
                if found.foreign != ffi.NULL else None))
    return 0


@ffi.def_extern()  # type: ignore[misc]
def pgwpy_unchecked(rule: int, why: Any, handle: Any) -> int:
    ffi.from_handle(handle).unchecked.append(
        (ffi.string(lib.pgw_audit_rule_info(rule).id).decode(), ffi.string(why).decode()))
    return 0


class Image:
    """A memory dump, or a machine that runs: what `pagewalk` takes as IMAGE.

    >>> with Image(EXAMPLE) as image:
    ...     image.kind, image.machine, len(image.roots())
    ('elf-core', 'x86-64', 13)

    Instead of a path, a Phys: memory that you read yourself. Only what its ranges() list is looked
    through; where that is nothing, arch ('x86_64') and vmcoreinfo (that text, as bytes) lead to the
    kernel's root. is_live: it is the memory of a machine that runs.

    >>> class Lent(Phys):
    ...     image = Image(EXAMPLE)
    ...     def read(self, pa, length):
    ...         return self.image.read(pa, length)
    ...     def ranges(self):
    ...         return self.image.ranges()
    >>> Image(Lent()).kernel_root().format
    'x86_64-la48'
    """

    def __init__(self, path: Union[str, 'os.PathLike[str]', Phys], *, arch: Optional[str] = None,
                 kernel: Optional[str] = None, symbols: Optional[str] = None, zero_fill: bool = False,
                 vmcoreinfo: Optional[bytes] = None, is_live: bool = False):
        self._image = ffi.NULL
        self._phys = path if isinstance(path, Phys) else None
        self.path = os.fspath(path) if not isinstance(path, Phys) else repr(path)
        self._tasks: Any = None
        self._kept = [ffi.new('char[]', os.fsencode(text)) if text is not None else ffi.NULL
                      for text in (arch, kernel, symbols)]
        self._workers = ffi.new('struct pgw_scan_workers *', lib.pgw_hosted_workers(0))
        options = ffi.new('struct pgw_image_options *')
        options.arch, options.kernel, options.symbols = self._kept
        options.zero_fill = zero_fill
        if vmcoreinfo is not None:
            options.vmcoreinfo = self._keep_vmcoreinfo(vmcoreinfo)
        ret, error = ffi.new('struct pgw_image **'), ffi.new('struct pgw_error *')
        if self._phys is None:
            options.workers = self._workers  # what Python reads is read by one thread
            status = lib.pgw_image_open(os.fsencode(self.path), options, ret, error)
        else:
            phys = ffi.addressof(self._phys._c, 'phys')
            status = lib.pgw_image_open_phys(phys, is_live, options, ret, error)
        self._image = ret[0]
        self._raise(status, error)
        info = lib.pgw_image_get_info(self._image)
        self.kind = ffi.string(info.kind).decode()
        self.machine = ffi.string(info.machine).decode() if info.machine != ffi.NULL else None
        self.arch = ffi.string(info.arch).decode() if info.arch != ffi.NULL else None
        self.is_live = bool(info.is_live)
        self.truncated = bool(info.truncated)
        self.readable_bytes, self.unreadable_bytes = info.readable_bytes, info.unreadable_bytes
        self.nr_cpus = info.nr_cpus

    def _keep_vmcoreinfo(self, text: bytes) -> Any:
        kept, info = ffi.new('char[]', text), ffi.new('struct pgw_vmcoreinfo *')
        if lib.pgw_vmcoreinfo_read(kept, len(text), info):
            raise Error(22, 'not a VMCOREINFO')
        self._kept += [kept, info]
        return info

    def _raise(self, status: int, error: Any = None) -> None:
        if self._phys is not None:
            self._phys._check()
        if status:
            raise _fail(status, error, self.path)

    def __enter__(self) -> 'Image':
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """What was made of it cannot be used any more."""
        image, self._image = self._image, ffi.NULL
        if image != ffi.NULL:
            if self._tasks is not None:
                lib.pgw_tasks_close(self._tasks)
            lib.pgw_image_close(image)

    def _open(self) -> Any:
        if self._image == ffi.NULL:
            raise ValueError('the image is closed')
        return self._image

    def read(self, pa: int, length: int) -> bytes:
        """Physical memory; where it is not there, Error."""
        buffer = ffi.new('char[]', max(length, 1))
        status = lib.pgwpy_read(lib.pgw_image_phys(self._open()), pa, buffer, length) if length else 0
        self._raise(status)
        return bytes(ffi.buffer(buffer, length))

    def ranges(self) -> List[Tuple[int, int]]:
        """The physical memory that can be read, as (first, last), both inclusive, ascending.

        >>> [(hex(first), hex(last)) for first, last in Image(EXAMPLE).ranges()][:2]
        [('0x9c000', '0x9cfff'), ('0x100000', '0x140fff')]
        """
        first, last = ffi.new('uint64_t *'), ffi.new('uint64_t *')
        phys, ranges, pa = lib.pgw_image_phys(self._open()), [], 0
        while lib.pgwpy_next_range(phys, pa, first, last):
            ranges.append((first[0], last[0]))
            pa = last[0] + 1
        return ranges

    def vmcoreinfo(self) -> bytes:
        """What the kernel's VMCOREINFO says, KEY=VALUE lines; Error if there is none.

        >>> Image(EXAMPLE).vmcoreinfo().split(b'\\n')[0]
        b'OSRELEASE=6.1.192'
        """
        ret, nr = ffi.new('struct pgw_vmcoreinfo **'), ffi.new('size_t *')
        self.kernel_root()
        self._raise(lib.pgw_image_vmcoreinfo(self._open(), ffi.cast('const struct pgw_vmcoreinfo **', ret), nr))
        infos = [ffi.addressof(ret[0], i) for i in range(nr[0])]
        fits = [lib.pgw_image_vmcoreinfo_fit(self._image, info) for info in infos]
        for wanted in (lib.PGW_FIT_YES, lib.PGW_FIT_UNKNOWN):
            if wanted in fits:
                info = infos[fits.index(wanted)]
                return bytes(ffi.buffer(info.text, info.size))
        raise Error(2, 'no VMCOREINFO of this kernel', self.path)

    def roots(self) -> List[Root]:
        """All roots of page tables, ascending by address."""
        ret, nr = ffi.new('struct pgw_root_info **'), ffi.new('size_t *')
        status = lib.pgw_image_roots(self._open(), ffi.cast('const struct pgw_root_info **', ret), nr)
        self._raise(status)
        return [_root(ret[0][i]) for i in range(nr[0])]

    def kernel_root(self) -> Root:
        """The kernel's own root, without looking for all others."""
        ret, error = ffi.new('struct pgw_root_info *'), ffi.new('struct pgw_error *')
        status = lib.pgw_image_kernel_root(self._open(), ret, error)
        self._raise(status, error)
        return _root(ret[0])

    def cpu_root(self, cpu: int) -> Root:
        """The root that a CPU runs on."""
        ret = ffi.new('struct pgw_root_info *')
        status = lib.pgw_image_cpu_root(self._open(), cpu, ret)
        self._raise(status)
        return _root(ret[0])

    def mm(self, root: Union[Root, int, None] = None, region: Region = Region.KERNEL) -> Mm:
        """The tables of a root; without one, of the kernel's; of an address, in the kernel's format."""
        if root is None or isinstance(root, int):
            like = self.kernel_root()
            return Mm(self, like.format, like.pa if root is None else root, region, like.info)
        return Mm(self, root.format, root.pa, region, root.info)

    def tasks(self) -> List[Task]:
        """All threads of the Linux in the image, by pid."""
        if self._tasks is None:
            ret, error = ffi.new('struct pgw_tasks **'), ffi.new('struct pgw_error *')
            status = lib.pgw_tasks_open(self._open(), ret, error)
            self._raise(status, error)
            self._tasks = ret[0]
        self._open()
        nr = ffi.new('size_t *')
        tasks = lib.pgw_tasks_list(self._tasks, nr)
        return [Task(t.pid, t.tgid, t.ppid, t.uid, t.gid, t.state.decode(), t.is_kernel, t.is_leader,
                     os.fsdecode(ffi.string(t.name)), t.root_pa, t.va, ffi.addressof(tasks, i))
                for i, t in ((i, tasks[i]) for i in range(nr[0]))]

    def areas(self, task: Task) -> List[Area]:
        """The areas of a task's memory, ascending; none of a kernel thread."""
        self._open()
        areas: List[Area] = []
        handle = ffi.new_handle(areas)
        met = ffi.new('struct pgw_areas_met *')
        owner = lib.pgw_tasks_with_mm(self._tasks, task.c)
        status = lib.pgw_task_areas(self._tasks, owner, True, lib.pgwpy_area, handle, met)
        if status == -2:
            return []
        self._raise(status)
        if met.nr_torn or met.nr_unreadable or met.truncated:
            raise Error(5, f'{len(areas)} areas were read, others are torn or not in the image', self.path)
        return areas

    def audit(self, max_findings: int = MAX_FINDINGS) -> Audit:
        """What should not be in the tables of the image's roots. max_findings: of each rule.

        >>> audit = Image(EXAMPLE).audit()
        >>> [(finding.rule, finding.level) for finding in audit.findings][0]
        ('user-wx', 'note')
        >>> audit.unchecked[0]
        ('table-mark', 'nothing says where struct pages are')
        """
        if self.is_live:
            raise Error(95, 'an audit needs a machine that stands still: a dump, a snapshot', self.path)
        ret, nr = ffi.new('struct pgw_root_info **'), ffi.new('size_t *')
        self._raise(lib.pgw_image_roots(self._open(), ffi.cast('const struct pgw_root_info **', ret), nr))
        found = Audit([], [], True)
        handle, sums = ffi.new_handle(found), ffi.new('struct pgw_audit_sums *')
        args = ffi.new('struct pgw_audit_args *', {
            'platform': lib.pgw_hosted_platform(), 'image': self._image, 'roots': ret[0], 'nr_roots': nr[0],
            'max_tables': MAX_TABLES, 'max_findings': max_findings, 'finding': lib.pgwpy_finding,
            'unchecked': lib.pgwpy_unchecked, 'arg': handle})
        self._raise(lib.pgw_audit(args, sums))
        return found._replace(is_whole=not (sums.truncated or sums.full_rules or sums.nr_unreadable))

    def _symbols(self) -> Any:
        ret, error = ffi.new('struct pgw_symbols **'), ffi.new('struct pgw_error *')
        status = lib.pgw_image_symbols(self._open(), ffi.cast('const struct pgw_symbols **', ret), error)
        self._raise(status, error)
        return ret[0]

    def symbol(self, name: str) -> Symbol:
        """A name of the kernel; KeyError if it has none."""
        ret = ffi.new('struct pgw_symbol *')
        if not lib.pgw_symbols_find(self._symbols(), name.encode(), ret):
            raise KeyError(name)
        return Symbol(ret.va, name, ret.letter.decode())

    def symbol_at(self, address: int) -> Optional[Tuple[Symbol, int]]:
        """The name that an address belongs to, and how far behind it the address is."""
        ret, offset = ffi.new('struct pgw_symbol *'), ffi.new('uint64_t *')
        if not lib.pgw_symbols_at(self._symbols(), address, ret, offset):
            return None
        return Symbol(ret.va, ffi.string(ret.name).decode(errors='replace'), ret.letter.decode()), offset[0]

    def symbols(self) -> Iterator[Symbol]:
        """All names, in the order of /proc/kallsyms."""
        symbols, ret, index = self._symbols(), ffi.new('struct pgw_symbol *'), 0
        while lib.pgw_symbols_get(symbols, index, ret):
            yield Symbol(ret.va, ffi.string(ret.name).decode(errors='replace'), ret.letter.decode())
            index += 1
            self._open()


EXAMPLE = os.environ.get('PAGEWALK_EXAMPLE', '')  # an image, for the examples in this text
