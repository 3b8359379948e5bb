"""How much a connection reads at once."""

import asyncio

READ_BYTES = 64 * 1024
"""asyncio has room made for 256 KiB before each read, whatever there is to be read. The C library takes so much from
the kernel and gives it back each time, which costs ten times what the reading of a small message does."""


def read_less(transport: asyncio.BaseTransport | None) -> None:
    """Have it read READ_BYTES at once, if it is one that says how much it does."""
    if transport is not None and hasattr(transport, "max_size"):
        transport.max_size = READ_BYTES
