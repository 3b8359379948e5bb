"""Submit a command here, run it there, and lose nothing about it.

    import cmdexec

    with cmdexec.connect() as c:
        print(c.run("echo hello").text)

What stands here is imported when it is first asked for, so that `import cmdexec` loads nothing. Its types stand in
`__init__.pyi`.
"""

__all__ = [
    "Client", "CmdexecError", "Connection", "Ended", "Job", "JobCancelled", "JobFailed", "JobView", "JobsQuery",
    "NewAttempt", "NewJob", "Piece", "Result", "Start", "__version__", "connect", "connect_async", "new_job",
]  # fmt: skip

_ELSEWHERE = {"CmdexecError": "cmdexec.errors", "__version__": "cmdexec.version"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ELSEWHERE.get(name, "cmdexec.client")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
