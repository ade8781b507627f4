"""What the kernel lets a child be deprived of, asked for with the standard library alone.

Landlock (Linux 5.13) denies all files but those on a list, and to look into or signal processes
that are not confined alike. A seccomp filter denies sockets, other processes, namespaces and the
raising of limits. Both need no privilege and hold in containers too. Capabilities are dropped and
cannot come back. Namespaces would add little to that, and Ubuntu and container runtimes deny them
to ordinary users.

The launcher imports this before every child, so it knows the standard library alone, and little
of that.
"""

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence

# linux/prctl.h
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38

# What programs need of the system: themselves, their libraries, and what these look up.
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store"),
    *("/etc/ld.so.cache", "/dev/zero", "/dev/random", "/dev/urandom", "/sys/devices/system/cpu"),
)
_BIT_BUCKET = "/dev/null"


def confine(reads: Iterable[str], writes: Iterable[str]) -> None:
    """Take from this process what the kernel allows to be taken; what it starts inherits that.

    `reads` and `writes` are the files and folders that stay within reach; absent ones are none.

    Raises:
        OSError: the kernel refused what it says that it can do.
    """
    if sys.platform != "linux":
        return
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _drop_capabilities()
    if landlock_version():
        _restrict_files(reads, writes)
    if can_filter():
        _filter_calls()


def hide_from_equals() -> None:
    """Deny processes of the same user to look into this one, which its children are not.

    For a parent whose children cannot be kept from it by Landlock. It costs core dumps, and that
    nobody but root sees its environment: so it is not done where Landlock does.
    """
    if sys.platform == "linux":
        _prctl(_PR_SET_DUMPABLE, 0)


def lacking() -> list[str]:
    """What a child is not deprived of on this machine, in words; nothing where all is done."""
    if sys.platform != "linux":
        return [f"{sys.platform} has no confinement that is used here"]
    missing = []
    if not landlock_version():
        missing.append("without Landlock they can read our files")
    if not can_filter():
        missing.append(f"without a seccomp filter for {_machine()} they can use the network")
    return missing


def landlock_version() -> int:
    """The version of Landlock's interface, 0 where the kernel has none or has it disabled."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(_LANDLOCK_CREATE_RULESET, None, 0, 1)))


def can_filter() -> bool:
    """Whether system calls can be filtered: the kernel can, and we know the machine's numbers."""
    if sys.platform != "linux" or _machine() not in _MACHINES:
        return False
    _libc().prctl(_PR_SET_SECCOMP, 2, None, 0, 0)  # no filter at all is a bad address, if anything
    return ctypes.get_errno() == errno.EFAULT


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _machine() -> str:
    return os.uname().machine


def _prctl(option: int, argument: int, pointer: object = None) -> None:
    _checked(_libc().prctl(option, ctypes.c_ulong(argument), pointer, 0, 0))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _drop_capabilities() -> None:
    """A child of root stays root by name: it keeps root's own files and no power over others."""
    header = struct.pack("<Ii", 0x20080522, 0)  # the third version of the interface, ourselves
    _checked(_libc().capset(header, bytes(24)))


# --- Landlock (linux/landlock.h) -----------------------------------------------------------------

_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REMOVE, _MAKE, _REFER, _TRUNCATE, _IOCTL_DEV = 0x30, 0x1FC0, 0x2000, 0x4000, 0x8000
_MAKE_PLAIN = 0x180  # folders and regular files
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READING = _EXECUTE | _READ_FILE | _READ_DIR
_WRITING = _READING | _WRITE_FILE | _REMOVE | _MAKE_PLAIN | _REFER | _TRUNCATE
_SINCE = {1: _READING | _WRITE_FILE | _REMOVE | _MAKE, 2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEV}
_TCP = 3  # bind and connect, since version 4
_SCOPES = 3  # abstract Unix sockets and signals, since version 6
_TCP_VERSION, _SCOPES_VERSION = 4, 6


def _restrict_files(reads: Iterable[str], writes: Iterable[str]) -> None:
    version = landlock_version()
    handled = sum(rights for since, rights in _SINCE.items() if since <= version)
    attributes = struct.pack("<Q", handled)
    if version >= _TCP_VERSION:
        attributes += struct.pack("<Q", _TCP)
    if version >= _SCOPES_VERSION:
        attributes += struct.pack("<Q", _SCOPES)
    call = _libc().syscall
    ruleset = _checked(call(_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0))
    try:
        for path in (*_SYSTEM, *reads):
            _allow(ruleset, path, _READING & handled)
        for path in (_BIT_BUCKET, *writes):
            _allow(ruleset, path, _WRITING & handled)
        _checked(call(_LANDLOCK_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # it is not there, or nobody may go there
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        rule = struct.pack("<Qi", rights, place)
        _checked(_libc().syscall(_LANDLOCK_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    finally:
        os.close(place)


# --- seccomp (linux/seccomp.h, linux/filter.h) ---------------------------------------------------

_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # AUDIT_ARCH, column below
_X32 = 0x40000000  # the other calling convention of x86_64
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOWED = 0x7FFF0000
_REFUSED = 0x00050000 | errno.EPERM
_UNKNOWN = 0x00050000 | errno.ENOSYS
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET

_Call = tuple[int | None, int | None]  # its number on x86_64 and on aarch64

_DENIED: Sequence[_Call] = (
    *((41, 198), (425, 425)),  # socket; io_uring_setup, which opens sockets past this filter
    # ptrace, process_vm_readv, process_vm_writev, pidfd_getfd, kcmp, process_madvise
    *((101, 117), (310, 270), (311, 271), (438, 438), (312, 272), (440, 440)),
    # tkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal
    *((200, 130), (129, 138), (297, 240), (424, 424)),
    # Shared memory, semaphores and queues of System V, mq_open, mq_unlink: all of a user share them
    *((number, None) for number in (*range(29, 32), *range(64, 72), 220)),
    *((None, number) for number in range(186, 198)),
    *((240, 180), (241, 181)),
    # unshare, setns, mount, umount2, pivot_root, chroot
    *((272, 97), (308, 268), (165, 40), (166, 39), (155, 41), (161, 51)),
    # bpf, perf_event_open, userfaultfd, add_key, request_key, keyctl, syslog
    *((321, 280), (298, 241), (323, 282), (248, 217), (249, 218), (250, 219), (103, 116)),
    (160, 164),  # setrlimit
    # What Landlock does not know: chmod, fchmod, fchmodat, fchmodat2
    *((90, None), (91, 52), (268, 53), (452, 452)),
    # chown, fchown, lchown, fchownat
    *((92, None), (93, 55), (94, None), (260, 54)),
    # utime, utimes, futimesat, utimensat
    *((132, None), (235, None), (261, None), (280, 88)),
    # setxattr, lsetxattr, fsetxattr, removexattr, lremovexattr, fremovexattr
    *((188, 5), (189, 6), (190, 7), (197, 14), (198, 15), (199, 16)),
    *((463, 463), (466, 466), (469, 469)),  # setxattrat, removexattrat, file_setattr
)
_CLONE: _Call = (56, 220)
_CLONE3: _Call = (435, 435)  # its flags lie in memory; told that it is unknown, libc takes clone
_PRLIMIT: _Call = (302, 261)
_SIGNALS: Sequence[_Call] = ((62, 129), (234, 131))  # kill, tgkill

_Step = tuple[int, int, int, int]  # operation, steps to skip if true and if false, operand


def _filter_calls() -> None:
    steps = [struct.pack("<HBBI", *step) for step in _steps(*_MACHINES[_machine()])]
    code = ctypes.create_string_buffer(b"".join(steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    _prctl(_PR_SET_SECCOMP, 2, program)


def _steps(architecture: int, column: int) -> Iterator[_Step]:
    """The filter: each call that is not simply allowed has a block that ends in an answer."""
    yield (_LOAD, 0, 0, _ARCHITECTURE_AT)
    yield (_EQUAL, 1, 0, architecture)
    yield (_RETURN, 0, 0, _REFUSED)
    yield (_LOAD, 0, 0, _NUMBER_AT)
    yield (_AT_LEAST, 0, 1, _X32)
    yield (_RETURN, 0, 0, _REFUSED)
    refused, allowed = (_RETURN, 0, 0, _REFUSED), (_RETURN, 0, 0, _ALLOWED)
    for call in _DENIED:
        yield from _block(call[column], [refused])
    yield from _block(_CLONE3[column], [(_RETURN, 0, 0, _UNKNOWN)])
    yield from _block(
        _CLONE[column], [_argument(0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), refused, allowed]
    )
    to_look = [_argument(2), (_EQUAL, 0, 3, 0), _argument(2, 4), (_EQUAL, 0, 1, 0)]
    yield from _block(_PRLIMIT[column], [*to_look, allowed, refused])
    for call in _SIGNALS:  # of itself alone
        to_itself = [_argument(0), (_EQUAL, 0, 1, os.getpid())]
        yield from _block(call[column], [*to_itself, allowed, refused])
    yield allowed


def _block(number: int | None, answer: Sequence[_Step]) -> Iterator[_Step]:
    if number is not None:
        yield (_EQUAL, 0, len(answer), number)
        yield from answer


def _argument(index: int, offset: int = 0) -> _Step:
    """Load the lower or, with an offset of 4, the upper half of an argument."""
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * index + offset)
