"""Windows needs no warden: it ends a job's processes itself when the handle of their Job Object closes, which the death
of the worker does."""


def main(arguments: list[str]) -> int:
    """Nothing is started as one."""
    return 2
