"""Submit a command here, run it there, and lose nothing about it.

    import cmdexec

    with cmdexec.connect() as c:
        print(c.run("echo hello").text)

What stands here is imported when it is first asked for, so that `import cmdexec` loads nothing. Its types stand in
`__init__.pyi`.
"""

__all__ = [
    "Client", "CmdexecError", "Connection", "Ended", "Job", "JobCancelled", "JobFailed", "JobView", "JobsQuery",
    "NewAttempt", "NewJob", "Piece", "Result", "connect", "connect_async", "new_job",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("cmdexec.errors" if name == "CmdexecError" else "cmdexec.client"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
