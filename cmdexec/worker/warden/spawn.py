"""Making a process, and the sentence that says why it could not be made."""

import errno
import fcntl
import os
import resource
import signal

NOTHING = ()
NUMBERS = (1, 2, 0)
"""What standard output, error and input are numbered, in the order in which they are handed on."""

NO_ROOM = "this machine has no room for another process"
NO_FILES = "the worker has too many files open to start another process"
_OF_THE_MACHINE = frozenset(
    {
        errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOBUFS,
        errno.ESTALE,
    }
)  # fmt: skip
"""Another machine, or this one later, may do what failed for one of these."""
_SEALED = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
"""A job that writes to its own input would write into memory that is counted for nobody."""


class CannotStartError(Exception):
    """No process was made; the text says why, for a person. `machine`: nothing is wrong with the order itself."""

    def __init__(self, sentence: str, machine: bool = False) -> None:
        super().__init__(sentence)
        self.machine = machine


def is_of_the_machine(error: OSError) -> bool:
    """Whether the machine was at its limits, not the order wrong."""
    return error.errno in _OF_THE_MACHINE


class FilesLimit:
    """The soft limit on open files: this process takes all it may, what it makes gets the limit of before.

    A program that closes or selects over all it may open breaks with a high one. `own`: so many this process may have.
    """

    def __init__(self, for_jobs: int) -> None:
        self.own = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self._for_jobs = for_jobs
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._low = tuple(os.dup(self._null) for _ in range(3))
        self._set(self.own)

    def lower(self, *ends: int) -> tuple[int, ...]:
        """What is made from now on has the jobs' limit, until `restore`; nothing can be opened meanwhile.

        Returns the same files by numbers within that limit: the C library hands on no others
        (posix_spawn_file_actions_adddup2(3)).
        """
        if self._for_jobs == self.own:
            return ends
        if 0 <= self._for_jobs <= max(ends):
            for end, low in zip(ends, self._low, strict=False):
                os.dup2(end, low, inheritable=False)
            ends = self._low[: len(ends)]
        self._set(self._for_jobs)
        return ends

    def restore(self, ends: tuple[int, ...]) -> None:
        """The other way round; `ends` is what `lower` returned."""
        if self._for_jobs == self.own:
            return
        self._set(self.own)
        if ends[0] == self._low[0]:
            for number in self._low:
                os.dup2(self._null, number, inheritable=False)

    def for_good(self) -> None:
        """This process has the jobs' limit from now on."""
        self._set(self._for_jobs)

    def _set(self, soft: int) -> None:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, self.own))
        except (ValueError, OSError):  # somebody has lowered what this process may have
            return


def spawn(argv: list[str], env: dict[str, str], cwd: str, ends: tuple[int, ...], files: FilesLimit) -> int:
    """The number of a new process: own session, `ends` as its output, all signals as the system has them.

    `ends` are its standard output and error and, if it is given one, its input; else that is the null device, as this
    process has it. This process moves to `cwd` for it; everything else it has open is closed on exec.
    """
    enter(cwd)
    path = program(argv, env)
    try:
        ends = files.lower(*ends)
        try:
            return os.posix_spawn(
                path,
                argv,
                env,
                file_actions=[(os.POSIX_SPAWN_DUP2, end, number) for end, number in zip(ends, NUMBERS, strict=False)],
                setsid=True,
                setsigmask=NOTHING,
                setsigdef=IGNORED,
            )
        finally:
            files.restore(ends)
    except OSError as error:
        raise CannotStartError(_sentence(error, argv[0]), is_of_the_machine(error)) from error
    except ValueError as error:
        raise CannotStartError(_bad_text(argv, env)) from error


def input_file(data: bytes) -> int:
    """A descriptor of an unnamed file of `data` alone, to be read from its beginning. Raises CannotStartError."""
    try:
        descriptor = os.memfd_create("cmdexec-stdin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(descriptor, data[written:], written)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALED)
        except BaseException:
            os.close(descriptor)
            raise
    except OSError as error:
        raise CannotStartError("this machine has no room for its standard input", machine=True) from error
    return descriptor


def program(argv: list[str], env: dict[str, str]) -> str:
    """The program that an order names. Raises CannotStartError."""
    try:
        return find(argv[0], env.get("PATH", os.defpath))
    except ValueError as error:
        raise CannotStartError(_bad_text(argv, env)) from error


def execute(path: str, argv: list[str], env: dict[str, str]) -> None:
    """Become the program. Raises CannotStartError when that does not go."""
    try:
        os.execve(path, argv, env)  # noqa: S606 - a job is whatever program its owner names
    except OSError as error:
        raise CannotStartError(_sentence(error, argv[0]), is_of_the_machine(error)) from error
    except ValueError as error:
        raise CannotStartError(_bad_text(argv, env)) from error


def _ignored_signals() -> tuple[int, ...]:
    """What a child would go on ignoring: Python ignores SIGPIPE, `nohup` SIGHUP, the warden what would end it."""
    return tuple(int(number) for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN)


IGNORED = _ignored_signals()


def ignore(numbers: tuple[int, ...]) -> None:
    """Ignore these signals from now on, in this process but not in those it makes."""
    global IGNORED
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    IGNORED = _ignored_signals()


def enter(folder: str) -> None:
    """This process moves there. Raises CannotStartError."""
    try:
        os.chdir(folder)
    except FileNotFoundError:
        raise CannotStartError(f"no such folder: {folder}") from None
    except NotADirectoryError:
        raise CannotStartError(f"not a folder: {folder}") from None
    except PermissionError:
        raise CannotStartError(f"no right to enter the folder: {folder}") from None
    except OSError as error:
        sentence = f"cannot enter the folder {folder}: {os.strerror(error.errno or 0)}"
        raise CannotStartError(sentence, is_of_the_machine(error)) from error
    except ValueError as error:
        raise CannotStartError("the folder's name holds a character that no name can hold") from error


def find(name: str, path: str) -> str:
    """The program, looked up as execvp(3) does. A name with a slash is taken as it is, from the folder entered.

    Raises CannotStartError."""
    if "/" in name:
        return name
    candidates = [f"{folder or '.'}/{name}" for folder in path.split(":")] if name else []
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    exists = any(os.path.isfile(candidate) for candidate in candidates)
    raise CannotStartError(f"not executable: {name}" if exists else f"no such program: {name}")


def _sentence(error: OSError, name: str) -> str:
    match error.errno:
        case errno.ENOENT if os.path.exists(name) or "/" not in name:
            return f"the interpreter that {name} names in its first line is missing"
        case errno.ENOENT | errno.ENOTDIR:
            return f"no such program: {name}"
        case errno.EACCES | errno.EPERM:
            return f"not executable: {name}"
        case errno.ENOEXEC:
            return f"not a program that this machine can run: {name}"
        case errno.E2BIG:
            return "arguments and environment together are longer than this machine allows"
        case errno.ETXTBSY:
            return f"the program is being written: {name}"
        case errno.EAGAIN | errno.ENOMEM:
            return NO_ROOM
        case number:
            return f"cannot start {name}: {os.strerror(number or 0)}"


def _bad_text(argv: list[str], env: dict[str, str]) -> str:
    if any("\0" in argument for argument in argv):
        return "an argument holds a NUL character"
    for key, value in env.items():
        if not key or "=" in key or "\0" in key:
            return f"not a name for an environment variable: {key!r}"
        if "\0" in value:
            return f"the environment variable {key} holds a NUL character"
    return "an argument or the environment holds a character that cannot be encoded"
