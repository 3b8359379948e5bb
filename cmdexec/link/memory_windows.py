"""Its heap gives large blocks back by itself."""


def give_back_large_blocks() -> None:
    """Nothing is to be done for that."""
