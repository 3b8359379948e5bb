"""The version, as a constant: reading it from the package's metadata costs a third of the whole start."""

__version__ = "0.2.0.dev0"

PROTOCOL = "cmdexec.v1"
"""The WebSocket subprotocol that this version speaks."""
