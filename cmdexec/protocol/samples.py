"""A good request for each route, and what is answered, for the documents. A test holds that they are what they say."""

from typing import Any

_JOB = "01936f0e-4f2a-7001-9c3f-0a1b2c3d4e5f"
_USER = "01936f0e-0000-7001-9c3f-0a1b2c3d4e5f"
_MADE = "01936f0e-1111-7001-9c3f-0a1b2c3d4e5f"
_ATTEMPT = {"jobId": _JOB, "attempt": 1}
_STORED: dict[str, Any] = {"bytes": 18, "digest": None, "whole": None, "lost": []}
_NOTHING: dict[str, Any] = {"bytes": 0, "digest": None, "whole": None, "lost": []}
_NO_ANSWERS: dict[str, Any] = {"stop": [], "cancel": [], "held": [], "start": [], "released": []}
_TIME = "2025-01-31T12:00:00.000Z"
_NAMED: dict[str, Any] = {"jobId": _JOB, "name": "greeting", "command": "echo Hello from worker"}
_LIMITS: dict[str, Any] = {"timeoutSec": 60.0, "killGraceSec": None, "cpu": None, "ramMb": None}

JOB: dict[str, Any] = _NAMED | _LIMITS | {
    "status": "queued", "reason": None, "exitCode": None, "signal": None, "message": None,
    "waitingFor": "the one worker, desk, is busy; it is the first of its kind",
    "attempt": 0, "run": 0, "workerId": None, "createdAt": _TIME,
    "queuedAt": _TIME, "startedAt": None, "finishedAt": None, "cancelRequested": False, "confirmed": None,
    "labels": {}, "tags": ["demo"], "priority": 0, "maxRetries": 0, "retriesUsed": 0, "retryOn": [],
    "backoff": {"firstSec": 1.0, "maxSec": 300.0}, "onLost": "hold", "maxLost": 3, "lostUsed": 0, "runAt": None,
    "ttlSec": None, "stdinBytes": 0, "env": {}, "rerunOf": None,
    "containerImage": None, "network": None, "pull": None, "user": None,
    "owner": "ann@example.org", "usage": None,
    "output": {"stdout": _NOTHING, "stderr": _NOTHING}, "attempts": [],
    "history": [
        {"at": _TIME, "event": "submit", "status": "queued", "attempt": 0, "who": "ann@example.org", "note": None},
    ],
}  # fmt: skip

REQUESTS: dict[str, dict[str, Any]] = {
    "auth.login": {"email": "admin@localhost", "password": "the password"},
    "jobs.create": {"command": "echo Hello from worker", "name": "greeting", "timeoutSec": 60},
    "jobs.status": {"jobId": [_JOB]},
    "jobs.cancel": {"jobId": _JOB},
    "jobs.output": {"jobId": _JOB, "stream": "stdout"},
    "jobs.rerun": {"jobId": _JOB},
    "jobs.requeue": {"jobId": _JOB, "acceptDuplicate": True},
    "workers.get": {"workerId": "desk-1"},
    "workers.change": {"workerId": "desk-1", "draining": True},
    "workers.revoke": {"workerId": "desk-1"},
    "workers.join": {"token": f"cj_{'A' * 43}", "credentialHash": "0f" * 32, "name": "desk"},
    "join_tokens.create": {"name": "the lab", "uses": 10, "expiresSec": 86400, "labels": {"room": "lab"}},
    "join_tokens.revoke": {"joinTokenId": _MADE},
    "auth.password": {"oldPassword": "the one until now", "password": "the one from now on"},
    "users.create": {"email": "ben@example.org", "role": "operator"},
    "users.change": {"userId": _USER, "role": "viewer"},
    "workers.register": {"workerId": "desk-1", "name": "desk", "slots": 1},
    "workers.heartbeat": {"jobs": [_ATTEMPT]},
    "attempts.claim": {"wait": 30, "max": 1},
    "attempts.check": {"jobId": _JOB, "attempt": 1},
    "attempts.output": _ATTEMPT | {"chunks": [{"stream": "stdout", "offset": 0, "data": "SGVsbG8gZnJvbSB3b3JrZXIK"}]},
    "attempts.done": _ATTEMPT | {"exitCode": 0, "output": {"stdout": {"bytes": 18}, "stderr": {"bytes": 0}}},
}
"""Operation → its request: a body, or the fields of path and query."""

ANSWERS: dict[str, dict[str, Any]] = {
    "auth.login": {
        "token": "eyJhbGciOiJIUzI1NiIs…", "expiresAt": "2025-02-01T12:00:00.000Z",
        "user": {"userId": _USER, "email": "admin@localhost", "role": "admin"},
    },
    "health": {"status": "healthy", "uptime": 3600.0},
    "live": {"status": "healthy", "uptime": 3600.0},
    "ready": {"status": "healthy", "uptime": 3600.0},
    "jobs.create": JOB,
    "jobs.status": JOB,
    "jobs.cancel": {"jobId": _JOB, "outcome": "asked", "status": "running"},
    "workers.register": {
        "workerId": "desk-1", "session": "desk-1", "leaseSec": 60.0, "heartbeatSec": 10.0, "maxFrameBytes": 1048576,
        "outputLimitBytes": 1073741824,
    },
    "workers.heartbeat": {"leaseSec": 60.0, "heartbeatSec": 10.0, **_NO_ANSWERS},
    "attempts.claim": {
        "jobs": [
            _ATTEMPT | _LIMITS
            | {"command": "echo Hello from worker", "env": {}, "onLost": "hold", "stdin": None, "container": None}
        ],
        "stop": [], "cancel": [],
    },
    "attempts.check": {"stop": False, "reason": None},
    "attempts.output": {"acknowledged": {"stdout": 18, "stderr": 0}},
    "attempts.done": JOB | {
        "status": "completed", "exitCode": 0, "waitingFor": None, "attempt": 1, "run": 1, "workerId": "desk-1",
        "startedAt": _TIME, "finishedAt": _TIME, "output": {"stdout": _STORED | {"whole": True}, "stderr": _NOTHING},
    },
}  # fmt: skip
"""Operation → what it answers to that. Where one is missing the shape says enough."""
