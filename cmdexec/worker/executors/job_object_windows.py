"""Job Objects of Windows: all processes of a tree, which end when the last handle is closed, also by the death of who
holds it (JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE). Names and numbers are those of winnt.h."""

import ctypes
from ctypes import wintypes

_EXTENDED_LIMITS = 9
_CPU_RATE = 15
_ACCOUNTING = 1
_PROCESS_IDS = 3
_KILL_ON_CLOSE = 0x2000
_JOB_MEMORY = 0x200
_CPU_ENABLE, _CPU_HARD_CAP = 0x1, 0x4
_SET_QUOTA_AND_TERMINATE = 0x0100 | 0x0001
_TICKS_PER_SEC = 10_000_000
_MOST_IDS = 1024
_KILLED = 1


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64), ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", wintypes.DWORD), ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t), ("ActiveProcessLimit", wintypes.DWORD),
        ("Affinity", ctypes.c_size_t), ("PriorityClass", wintypes.DWORD), ("SchedulingClass", wintypes.DWORD),
    )  # fmt: skip


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("Basic", _BasicLimits), ("IoInfo", ctypes.c_uint64 * 6), ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t), ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )  # fmt: skip


class _CpuRate(ctypes.Structure):
    _fields_ = (("ControlFlags", wintypes.DWORD), ("CpuRate", wintypes.DWORD))


class _Accounting(ctypes.Structure):
    _fields_ = (
        ("TotalUserTime", ctypes.c_int64), ("TotalKernelTime", ctypes.c_int64),
        ("ThisPeriodTotalUserTime", ctypes.c_int64), ("ThisPeriodTotalKernelTime", ctypes.c_int64),
        ("TotalPageFaultCount", wintypes.DWORD), ("TotalProcesses", wintypes.DWORD),
        ("ActiveProcesses", wintypes.DWORD), ("TotalTerminatedProcesses", wintypes.DWORD),
    )  # fmt: skip


class _ProcessIds(ctypes.Structure):
    _fields_ = (
        ("NumberOfAssignedProcesses", wintypes.DWORD), ("NumberOfProcessIdsInList", wintypes.DWORD),
        ("ProcessIdList", ctypes.c_size_t * _MOST_IDS),
    )  # fmt: skip


def _kernel() -> ctypes.WinDLL:
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = kernel.OpenProcess.restype = wintypes.HANDLE
    kernel.CreateJobObjectW.argtypes = (ctypes.c_void_p, wintypes.LPCWSTR)
    kernel.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
    kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
    kernel.TerminateJobObject.argtypes = (wintypes.HANDLE, wintypes.UINT)
    kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
    kernel.SetInformationJobObject.argtypes = (wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD)
    kernel.QueryInformationJobObject.argtypes = (
        wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p,
    )  # fmt: skip
    return kernel


class JobObject:
    """One of them, held to `ram_bytes` and to `share` of all cores (0 to 1), each None for no bound. Raises OSError."""

    def __init__(self, ram_bytes: int | None, share: float | None) -> None:
        self._kernel = _kernel()
        self._handle: int | None = self._kernel.CreateJobObjectW(None, None)
        if not self._handle:
            raise ctypes.WinError(ctypes.get_last_error())
        limits = _ExtendedLimits()
        limits.Basic.LimitFlags = _KILL_ON_CLOSE | (_JOB_MEMORY if ram_bytes else 0)
        limits.JobMemoryLimit = ram_bytes or 0
        self._set(_EXTENDED_LIMITS, limits)
        if share is not None and share < 1:
            self._set(_CPU_RATE, _CpuRate(_CPU_ENABLE | _CPU_HARD_CAP, max(1, int(share * 10_000))))

    def take(self, pid: int) -> None:
        """Its processes are of this tree from now on; it is suspended, so it has made none yet. Raises OSError."""
        process = self._kernel.OpenProcess(_SET_QUOTA_AND_TERMINATE, False, pid)
        if not process:
            raise ctypes.WinError(ctypes.get_last_error())
        try:
            if not self._kernel.AssignProcessToJobObject(self._handle, process):
                raise ctypes.WinError(ctypes.get_last_error())
        finally:
            self._kernel.CloseHandle(process)

    def kill(self) -> None:
        """All of it at once: nothing forks away from that."""
        self._kernel.TerminateJobObject(self._handle, _KILLED)

    def pids(self) -> list[int]:
        """Those that live."""
        found = _ProcessIds()
        self._get(_PROCESS_IDS, found)
        return list(found.ProcessIdList[: found.NumberOfProcessIdsInList])

    def used(self) -> tuple[float, int]:
        """CPU seconds, and the most memory in bytes, of all that ever were of it."""
        times, memory = _Accounting(), _ExtendedLimits()
        self._get(_ACCOUNTING, times)
        self._get(_EXTENDED_LIMITS, memory)
        return (times.TotalUserTime + times.TotalKernelTime) / _TICKS_PER_SEC, memory.PeakJobMemoryUsed

    def close(self) -> None:
        """What still lives of it is killed. Twice is fine."""
        if self._handle:
            self._kernel.CloseHandle(self._handle)
            self._handle = None

    def _set(self, what: int, value: ctypes.Structure) -> None:
        size = ctypes.sizeof(value)
        if not self._kernel.SetInformationJobObject(self._handle, what, ctypes.byref(value), size):
            raise ctypes.WinError(ctypes.get_last_error())

    def _get(self, what: int, value: ctypes.Structure) -> None:
        self._kernel.QueryInformationJobObject(
            self._handle, what, ctypes.byref(value), ctypes.sizeof(value), None
        )  # fmt: skip
