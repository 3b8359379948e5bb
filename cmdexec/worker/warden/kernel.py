"""Linux calls that Python 3.11 does not offer: subreaper, signals as a descriptor, memory that others cannot read."""

import ctypes
import math
import os
import signal
import time

PR_SET_CHILD_SUBREAPER = 36
"""linux/prctl.h"""
PR_SET_DUMPABLE = 4
_SFD_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK
"""SFD_CLOEXEC and SFD_NONBLOCK have these values (signalfd(2))."""
_TFD_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK
"""TFD_CLOEXEC and TFD_NONBLOCK have these values (timerfd_create(2))."""
_TFD_TIMER_ABSTIME = 1
_TFD_SOON = 1e-3
"""A time of 0 would be none at all."""
_MASK_BYTES = 128
"""sizeof(sigset_t) in glibc and musl."""


def set_subreaper(on: bool) -> None:
    """Orphans among the descendants of this process become its children, not those of process 1."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def hide_memory() -> None:
    """From now on other processes of this user cannot read this one's memory, environment or open files.

    These files of /proc belong to root then (PR_SET_DUMPABLE, prctl(2)); what this process makes is as readable as
    ever, from its exec on. Root is kept out of nothing. Elsewhere than on Linux this does nothing.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def child_signal_descriptor() -> int:
    """A descriptor that is readable when a child has ended. SIGCHLD is blocked from here on."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    mask = ctypes.create_string_buffer(_MASK_BYTES)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.sigemptyset(mask)
    libc.sigaddset(mask, int(signal.SIGCHLD))
    descriptor: int = libc.signalfd(-1, mask, _SFD_FLAGS)
    if descriptor < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return descriptor


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class WakingTimer:
    """A timer on CLOCK_BOOTTIME: `descriptor` is readable from the moment set on, also when the machine was suspended
    at that moment, as soon as it wakes (timerfd_create(2)); poll(2) itself counts no suspended time."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor: int = self._libc.timerfd_create(time.CLOCK_BOOTTIME, _TFD_FLAGS)
        if self.descriptor < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))

    def set(self, at: float) -> None:
        """Fire at that moment (seconds of that clock) and not before; infinity: never."""
        seconds = 0.0 if at == math.inf else max(at, _TFD_SOON)
        value = (_Timespec * 2)(_Timespec(0, 0), _Timespec(int(seconds), int(seconds % 1 * 1e9)))
        self._libc.timerfd_settime(self.descriptor, _TFD_TIMER_ABSTIME, value, None)


class OomScore:
    """How gladly the kernel kills this process when memory runs out, 0–1000. Children inherit it."""

    def __init__(self) -> None:
        self._descriptor = -1
        self._own = self._now = b"0"
        try:
            self._descriptor = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
            self._own = self._now = os.pread(self._descriptor, 16, 0).strip()
        except OSError:
            self._descriptor = -1

    def set(self, score: int) -> bool:
        """Whether children made from now on have this score."""
        return self._write(b"%d" % score)

    def restore(self) -> None:
        """Back to what this process started with."""
        self._write(self._own)

    def _write(self, score: bytes) -> bool:
        if score == self._now:
            return True
        if self._descriptor < 0:
            return False
        try:
            os.pwrite(self._descriptor, score, 0)
        except OSError:
            return False
        self._now = score
        return True
