# SPDX-License-Identifier: BSD-2-Clause
"""drgn and pagewalk over the same memory, either way.

The tables of what drgn has open: mm() of a task, kernel_mm(), or image() for all that an Image knows.

    prog = drgn.program_from_core_dump('vmcore')
    for extent in pagewalk.drgn.mm(find_task(prog, 1234)):
        print(hex(extent.va_first), extent.rights)

drgn over what pagewalk opens, of whatever kind it is: program(). That takes drgn 0.3.

    prog = pagewalk.drgn.program(pagewalk.Image('memory.lime'))

drgn lists no memory, only reads it. So what looks through memory (Image.roots(), names, processes)
finds nothing unless image() is told its ranges; tables are found without. And where a core has fewer
bytes than it says it has memory (p_filesz), drgn reads zeroes: such tables are empty, not missing.
"""
from __future__ import annotations

from typing import Any, List, Optional, Sequence, Tuple

import drgn

from . import Error, Image, Mm, Phys, Region

__all__ = ['Memory', 'add_kernel_memory', 'add_memory', 'image', 'kernel_mm', 'mm', 'platform', 'program', 'vmcoreinfo_of']

# drgn's machine, as we call it, and what drgn says of it besides.
_LITTLE = drgn.PlatformFlags.IS_LITTLE_ENDIAN
_MACHINES = {
    'X86_64': ('x86_64', drgn.PlatformFlags.IS_64_BIT | _LITTLE),
    'AARCH64': ('arm64', drgn.PlatformFlags.IS_64_BIT | _LITTLE),
    'RISCV64': ('riscv64', drgn.PlatformFlags.IS_64_BIT | _LITTLE),
    'I386': ('i386', _LITTLE),
    'ARM': ('arm', _LITTLE),
}


class Memory(Phys):
    """The physical memory of a drgn program. ranges: what is known of where it is."""

    def __init__(self, prog: drgn.Program, ranges: Sequence[Tuple[int, int]] = ()):
        super().__init__()
        self.prog = prog
        self._ranges: List[Tuple[int, int]] = sorted(ranges)

    def __repr__(self) -> str:
        return 'the memory of a drgn program'

    def read(self, pa: int, length: int) -> bytes:
        try:
            data: bytes = self.prog.read(pa, length, True)
            return data
        except drgn.FaultError as fault:
            raise LookupError(pa) from fault

    def ranges(self) -> List[Tuple[int, int]]:
        return self._ranges


def vmcoreinfo_of(prog: drgn.Program) -> bytes:
    """The VMCOREINFO of a program's kernel.

    By drgn 0.0.31 or later; by an older one only with the kernel's debugging symbols, else KeyError.
    """
    text: bytes
    if 'VMCOREINFO' in prog:
        text = prog['VMCOREINFO'].string_()
    elif 'vmcoreinfo_data' in prog:
        text = prog.read(prog['vmcoreinfo_data'].value_(), prog['vmcoreinfo_size'].value_())
    else:
        raise KeyError('this drgn does not tell VMCOREINFO without debugging symbols: '
                       'image(prog, vmcoreinfo=...)')
    return text


def image(prog: drgn.Program, *, vmcoreinfo: Optional[bytes] = None,
          ranges: Sequence[Tuple[int, int]] = (), symbols: Optional[str] = None) -> Image:
    """What drgn has open, as an Image. It is kept with the program: what mm() and kernel_mm() use.

    vmcoreinfo: where vmcoreinfo_of() does not find it and no ranges are given, in which it would be
    found. ranges: of memory, as Phys.ranges() has them. symbols: as of Image. With any of these, one is
    made that takes the place of the one before.
    """
    kept: Optional[Image] = prog.cache.get('pagewalk')
    if kept is not None and vmcoreinfo is None and not ranges and symbols is None:
        return kept
    if prog.platform is None or not prog.flags & drgn.ProgramFlags.IS_LINUX_KERNEL:
        raise ValueError('the program is not a Linux kernel')
    name = prog.platform.arch.name
    if name not in _MACHINES:
        raise Error(95, f'{name}: no tables of this machine are known here')
    text = vmcoreinfo
    if text is None and ('VMCOREINFO' in prog or not ranges):
        text = vmcoreinfo_of(prog)
    made = Image(Memory(prog, ranges), arch=_MACHINES[name][0], vmcoreinfo=text, symbols=symbols,
                 is_live=bool(prog.flags & drgn.ProgramFlags.IS_LIVE))
    prog.cache['pagewalk'] = made
    return made


def kernel_mm(prog: drgn.Program) -> Mm:
    """The kernel's own tables."""
    return image(prog).mm()


def mm(task: drgn.Object) -> Mm:
    """The user memory of a struct task_struct * or struct mm_struct *, by its tables.

    A kernel thread has none: ValueError. The running kernel (drgn -k) is refused: the rule asks that
    nothing frees a process's tables meanwhile, and nothing here can see to that; kernel_mm() works.
    """
    space: Any = task
    if _tag(task) == 'task_struct':
        space = task.mm
        if not space:
            raise ValueError('a kernel thread has no memory of its own: kernel_mm()')
    elif _tag(task) != 'mm_struct':
        raise TypeError(f'a struct task_struct * or struct mm_struct *, not {task.type_.type_name()}')
    opened = image(task.prog_)
    if opened.is_live:
        raise Error(95, 'the kernel runs, and frees tables of processes at any time')
    pgd = opened.mm().translate(space.pgd.value_())
    if pgd.kind != 'leaf':
        raise Error(5, f'the root at {space.pgd.value_():#x} is not mapped: {pgd.kind}')
    return opened.mm(pgd.pa, Region.USER)


def add_kernel_memory(prog: drgn.Program) -> None:
    """Let a program read the kernel's virtual memory through its tables as they are walked here.

    For where drgn does not find that way: drgn 0.0.22 does not in QEMU's cores, of any machine, and
    0.0.31 not while it walks a process's tables there ("recursive address translation").
    """
    tables = kernel_mm(prog)

    def read(address: int, count: int, offset: int, physical: bool) -> bytes:
        try:
            return tables.read(address, count)
        except Error as failed:
            raise drgn.FaultError(str(failed), address) from failed
    prog.add_memory_segment(tables.first, tables.last - tables.first + 1, read, False)


def _tag(thing: drgn.Object) -> Optional[str]:
    """The name of the struct that an object is, or points to."""
    kind = thing.type_
    while kind.kind in (drgn.TypeKind.POINTER, drgn.TypeKind.TYPEDEF):
        kind = kind.type
    return kind.tag if kind.kind == drgn.TypeKind.STRUCT else None


def platform(image: Image) -> drgn.Platform:
    """What drgn calls the machine of an image."""
    for name, (arch, flags) in _MACHINES.items():
        if arch == image.arch and hasattr(drgn.Architecture, name):
            return drgn.Platform(getattr(drgn.Architecture, name), flags)
    raise Error(95, f'{image.arch}: drgn is not told of this machine here', image.path)


def add_memory(prog: drgn.Program, image: Image) -> None:
    """Let a program read an image's physical memory; of what is not there drgn raises FaultError."""
    def read(address: int, count: int, offset: int, physical: bool) -> bytes:
        try:
            return image.read(address, count)
        except Error as failed:
            raise drgn.FaultError(str(failed), address) from failed
    prog.add_memory_segment(0, (1 << 64) - 1, read, True)


def program(image: Image) -> drgn.Program:
    """A program of an image's kernel: for drgn, a Linux kernel like any other.

    drgn walks its tables itself. Names and types are drgn's to find: load_default_debug_info().
    An older drgn than 0.3: NotImplementedError. add_memory() works there, too.
    """
    if not hasattr(drgn.Program, 'set_linux_kernel_custom'):
        raise NotImplementedError('Program.set_linux_kernel_custom(): drgn 0.3 or later has it')
    prog = drgn.Program(platform(image))
    add_memory(prog, image)
    prog.set_linux_kernel_custom(image.vmcoreinfo(), image.is_live)
    return prog
