"""The queries: named in `sql/*.sql`, loaded once.

A file is a list of `-- name: what it is for` followed by the statement.
"""

import re
from pathlib import Path

_HEAD = re.compile(r"^-- ([a-z_]+): .+$", re.MULTILINE)
_FOLDER = Path(__file__).parent / "sql"


def load(file: str) -> dict[str, str]:
    """The statements of `sql/<file>.sql` by name."""
    _, *parts = _HEAD.split((_FOLDER / f"{file}.sql").read_text("utf-8"))
    return {name: sql.strip() for name, sql in zip(parts[::2], parts[1::2], strict=True)}
