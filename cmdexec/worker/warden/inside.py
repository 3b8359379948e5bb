"""Making a process that is held from before its first instruction on.

`spawn` steps into a cgroup itself for a moment; where a cgroup has limits that would be dangerous: this process might
be killed for the memory of a job, or would wait until a job's group has CPU time again. So a copy of it is made, which
goes in and becomes the job's program there.
"""

import os
import signal

from cmdexec.worker.warden import cgroup, spawn
from cmdexec.worker.warden.limits import Share

_SENTENCE_BYTES = 4000
"""Below PIPE_BUF, which a pipe takes at once (pipe(7))."""


def spawn_held(
    argv: list[str], env: dict[str, str], cwd: str, ends: tuple[int, ...], files: spawn.FilesLimit, share: Share,
    joins: tuple[str, ...],
) -> tuple[int, int]:  # fmt: skip
    """As `spawn.spawn`, in the cgroups of `joins` and `share`: the number of the new process, and a pipe that tells
    `last_words` why it could not become the program, if so; that is not waited for here."""
    spawn.enter(cwd)
    program = spawn.program(argv, env)
    try:
        words, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise spawn.CannotStartError(spawn.NO_FILES, machine=True) from error
    # What is sent to the copy while it ignores it as this process does would be lost: blocked, it waits.
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, spawn.IGNORED)
    try:
        pid = os.fork()
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        os.close(words)
        os.close(theirs)
        raise spawn.CannotStartError(spawn.NO_ROOM, machine=True) from error
    if pid == 0:
        _become(program, argv, env, ends, files, share, joins, theirs)
    signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
    os.close(theirs)
    return pid, words


def _become(
    program: str, argv: list[str], env: dict[str, str], ends: tuple[int, ...], files: spawn.FilesLimit, share: Share,
    joins: tuple[str, ...], words: int,
) -> None:  # fmt: skip
    """The job's program, in this process; it does not return."""
    said = spawn.CannotStartError("this machine could not make it ready", machine=True)
    try:
        os.setsid()
        _hold(share, joins)
        for end, number in zip(ends, spawn.NUMBERS, strict=False):
            os.dup2(end, number)
        for ignored in spawn.IGNORED:
            signal.signal(ignored, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        files.for_good()
        spawn.execute(program, argv, env)
    except spawn.CannotStartError as error:
        said = error
    finally:
        os.write(words, b"%d" % said.machine + str(said).encode("utf-8", "replace")[:_SENTENCE_BYTES])
        os._exit(127)


def _hold(share: Share, joins: tuple[str, ...]) -> None:
    try:
        if share.cores is not None:
            os.sched_setaffinity(0, share.cores)
        if share.nice:
            os.nice(share.nice)
        for path in (*joins, *share.joins):
            cgroup.write(path, b"0")
    except OSError as error:
        raise cannot_hold(error) from error


def cannot_hold(error: OSError) -> spawn.CannotStartError:
    """What is said when the kernel refuses limits. Mostly it is this job's limits that it refuses, and others start."""
    sentence = f"it cannot be held to its part of the machine: {os.strerror(error.errno or 0)}"
    return spawn.CannotStartError(sentence, spawn.is_of_the_machine(error))


def last_words(pipe: int) -> tuple[str, bool]:
    """Why the process could not become its program (empty: it could), and whether for want of room on this machine."""
    try:
        words = os.read(pipe, 2 * _SENTENCE_BYTES)
    except BlockingIOError:
        words = b""
    return words[1:].decode("utf-8", "replace"), words[:1] == b"1"
