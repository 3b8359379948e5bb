"""Everything that can go wrong in a way that a caller is told of.

    CmdexecError              code, message, field, mend
    ├── Refused               the caller's fault: the request cannot be met as it is (4xx)
    ├── Conflict              the state does not allow it; `expected` says what it is (409)
    └── Unavailable           not now: try again after `retry_after` seconds (429, 503, 507)

`CODES` is the one list of codes, each with the HTTP status it becomes. A message is one or two sentences for a person;
a mend says what to do. Neither ever holds a secret, a traceback or a library's own text.
"""

from typing import Any

CODES: dict[str, int] = {
    # malformed, unknown or out of bounds
    "bad_request": 400,
    "bad_json": 400,
    "bad_host": 421,
    "unauthorized": 401,
    "bad_credentials": 401,
    "bad_join_token": 401,
    "forbidden": 403,
    "bad_origin": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "timeout": 408,
    "too_large": 413,
    "unsupported_type": 415,
    "range_not_satisfiable": 416,
    "invalid_field": 422,
    "unknown_field": 422,
    "not_provided": 422,
    "key_reused": 422,
    "headers_too_large": 431,
    # the state does not allow it
    "conflict": 409,
    "stale_attempt": 409,
    "resume_first": 409,
    "not_started": 409,
    "not_registered": 409,
    "output_missing": 409,
    "output_gap": 409,
    "output_differs": 409,
    "replaced": 409,
    "cloned": 409,
    # not now
    "too_many": 429,
    "queue_full": 429,
    "overloaded": 503,
    "store_away": 503,
    "draining": 503,
    "disk_full": 507,
    "output_limit": 507,
    # our own fault; the cause is in the log under the id that the message names
    "internal": 500,
    # never sent over HTTP: told by the command line
    "bad_settings": 500,
    "bad_data_dir": 500,
    "in_use": 500,
    "no_executor": 500,
    "no_window": 500,
    "server_away": 503,
    "protocol_mismatch": 426,
    "bench_failed": 500,
    "bad_history": 500,
}
"""Code → HTTP status."""


class CmdexecError(Exception):
    """A failure that the caller is told of: `code` for programs, `message` and `mend` for people, `field` for both."""

    def __init__(self, code: str, message: str, *, field: str | None = None, mend: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.mend = mend

    @property
    def status(self) -> int:
        """The HTTP status of this code; 500 for one that only a newer version knows."""
        return CODES.get(self.code, 500)

    def details(self) -> dict[str, Any]:
        """The value of `error` in an answer's body; it holds no key whose value is None."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.field is not None:
            body["field"] = self.field
        if self.mend is not None:
            body["mend"] = self.mend
        return body

    def __str__(self) -> str:
        return f"{self.message} {self.mend}" if self.mend else self.message


class Refused(CmdexecError):
    """The request cannot be met as it is; sending it again changes nothing."""


class Conflict(CmdexecError):
    """The state does not allow it. `expected` says, for programs, how things stand here, which is what the request has
    to go by; beside it may be a field of the request that would have to be so."""

    def __init__(
        self, code: str, message: str, *, expected: dict[str, Any] | None = None, field: str | None = None,
        mend: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(code, message, field=field, mend=mend)
        self.expected = expected

    def details(self) -> dict[str, Any]:
        body = super().details()
        if self.expected is not None:
            body["expected"] = {key: value for key, value in self.expected.items() if value is not None}
        return body


class Unavailable(CmdexecError):
    """Not now; the same request may succeed after `retry_after` seconds."""

    def __init__(
        self, code: str, message: str, *, retry_after: float = 1.0, field: str | None = None, mend: str | None = None
    ) -> None:
        super().__init__(code, message, field=field, mend=mend)
        self.retry_after = retry_after
