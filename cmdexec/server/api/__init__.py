"""What each operation does: one file a resource, each a table from operation names to handlers (`handler.py`)."""
