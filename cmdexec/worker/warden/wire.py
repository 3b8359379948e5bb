"""What worker and warden say to each other: lists of tuples over a SEQPACKET socket, marshalled, descriptors beside.

Requests (n names an order in the life of a warden):

    SPAWN n argv env cwd timeout grace cpu ram lease stdin
                               `cpu` cores and `ram` bytes are its part of the machine, 0 for no bound;
                               takes the message's next 2 descriptors: the write ends for stdout and stderr; TERM to the
                               tree `timeout` seconds (or None) later if the main process still runs, KILL after
                               `grace`; `lease` (or None): it is leased, and this is the newest renewal so far, as
                               (which, until when) of LEASE; `stdin`: the bytes of its standard input
    STOP n grace               TERM to the tree, KILL after `grace` seconds
    DRAINED n                  nobody holds the job's pipes any more
    LEASE which until          KILL to the trees of all leased jobs then, in seconds of CLOCK_BOOTTIME, unless another
                               moment is said before, by a renewal with a higher number
    KEEP name url which until  the container of that name, of the engine at `url`, is leased as an order of SPAWN is: it
                               is removed when that is over, or the worker is gone
    LET_GO name                it is removed already
    LARGE n                    SPAWN n fits no message: it is in a memory file, the message's first descriptor

Answers:

    HELLO mode place limits why
                               "cgroup2", "cgroup1" or "session"; the folder of its cgroups, or ""; what holds jobs to
                               limits: "cgroup2", "cgroup1" or "watched"; why no cgroups do, or ""
    STARTED n pid
    FAILED n sentence machine  no process could be made; whether only for want of room on this machine
    LINGERS n                  the main process ended, others of its tree live on
    ENDED n code cpu rss left survivors cut timed_out oom lease_over
                               code as `os.waitstatus_to_exitcode` gives it; seconds; bytes; count; names; flags; why it
                               was killed for memory, or ""; whether for its lease
    UNBORN n sentence machine  as FAILED, after STARTED: the process could not become its program

Marshal is the quickest there is, and fits: both ends are the same interpreter, and nobody else holds the socket.
"""

import array
import marshal
import os
import socket

MESSAGE_BYTES = 64 * 1024
"""The largest message. The system's default send buffer takes three of these."""
ORDERS_PER_MESSAGE = 120
ANSWERS_PER_MESSAGE = 20
"""Each is short but for its survivors (20 names of at most 15 bytes and a number): so the message keeps its bound."""
DESCRIPTORS_PER_MESSAGE = 2 * ORDERS_PER_MESSAGE
"""Below SCM_MAX_FD, which is 253 (unix(7))."""

SPAWN, STOP, DRAINED, LARGE, LEASE, KEEP, LET_GO = range(7)
HELLO, STARTED, FAILED, LINGERS, ENDED, UNBORN = range(10, 16)

Message = tuple[object, ...]

_SEND_FLAGS = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
_RECEIVE_FLAGS = int(socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC)  # joined once: as enumerations they are slow
_MARSHAL_VERSION = 2  # later versions look for shared objects, which costs more than it saves here


def pack(messages: list[Message]) -> bytes:
    """The bytes of `messages`; the caller splits them when they are more than MESSAGE_BYTES."""
    return marshal.dumps(messages, _MARSHAL_VERSION)


def unpack(data: bytes) -> list[Message]:
    """The other way round."""
    messages: list[Message] = marshal.loads(data)  # noqa: S302 - the peer is our own process, see above
    return messages


def send(sock: socket.socket, data: bytes, descriptors: list[int]) -> None:
    """Send one message whole. Raises BlockingIOError when there is no room, another OSError when the peer is gone."""
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    sock.sendmsg([data], ancillary, _SEND_FLAGS)


def receive(sock: socket.socket, descriptors: int = 0) -> tuple[bytes, list[int]]:
    """One message and its at most `descriptors` descriptors, closed on exec; no bytes when the peer is gone.

    Where this process may open no more files, the last descriptors are missing (MSG_CTRUNC, unix(7)). Raises
    BlockingIOError when no message waits.
    """
    room = socket.CMSG_SPACE(4 * descriptors) if descriptors else 0
    data, ancillary, _, _ = sock.recvmsg(MESSAGE_BYTES, room, _RECEIVE_FLAGS)
    received = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received.frombytes(content[: len(content) - len(content) % received.itemsize])
    return data, received.tolist()


def to_memory_file(data: bytes) -> int:
    """A descriptor of an unnamed file that holds `data`, for an order that fits no message."""
    descriptor = os.memfd_create("cmdexec-order")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(data)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def take_memory_file(descriptor: int) -> bytes:
    """What such a file holds; it is closed."""
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return file.read()
