"""The form of the table: what is sent at which door, and all that is answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as by_default
from typing import Any

JOB = "01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f"
"""No job has this id."""

CREATE, STATUS, CANCEL, LOGIN = "/api/jobs/create", "/api/jobs/status", "/api/jobs/cancel", "/api/auth/login"
REGISTER, OUTPUT = "/api/workers/register", f"/api/jobs/{JOB}/output"

COMMAND = "text of 1 to 131,072 characters without NUL characters, or a list of 1 to 10,000 items"
AN_ID = "an id of 36 characters, such as 01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f"


@dataclass(frozen=True)
class Bad:
    """One row. `message` and `mend` are the whole sentences; a field that is None is not there."""

    name: str
    method: str
    path: str
    body: bytes | None
    status: int
    code: str
    field: str | None
    message: str
    mend: str | None
    who: str = "operator"
    headers: Mapping[str, str] = by_default(default_factory=dict)

    @property
    def error(self) -> dict[str, str]:
        told = {"code": self.code, "message": self.message, "field": self.field, "mend": self.mend}
        return {name: value for name, value in told.items() if value is not None}


def post(name: str, path: str, body: bytes, *answer: Any, **more: Any) -> Bad:
    return Bad(name, "POST", path, body, *answer, **more)


def get(name: str, path: str, *answer: Any, **more: Any) -> Bad:
    return Bad(name, "GET", path, None, *answer, **more)
