"""Windows lets every process of a user read those of the same user; macOS lets its debuggers do so."""


def hide_memory() -> None:
    """Nothing can be done about it."""
