"""What people ask, each for things of its own."""

import hashlib
from typing import Any

from tests.support.cases.again.calls import begun
from tests.support.cases.again.scene import Scene, waits_for

_PASSWORD, _NEW = "correct horse battery", "staple correct horse"


def _user(scene: Scene) -> tuple[str, str]:
    """The address and the id of a new one, who is an operator."""
    email = f"{scene.name('user')}@test"
    status, user = scene.looks("POST", "/api/users", {"email": email, "password": _PASSWORD})
    assert status == 200, user
    return email, user["userId"]


def _log_in(scene: Scene, email: str, password: str) -> tuple[int, str]:
    status, told = scene.looks("POST", "/api/auth/login", {"email": email, "password": password})
    return status, told.get("token", "")


def login(scene: Scene) -> None:
    """Each is a login of its own; nobody knows the token of one that was not answered."""
    email, user_id = _user(scene)

    def look() -> int:
        lines = scene.world.server.log.read_text().splitlines()
        return sum("a user logged in" in line and user_id in line for line in lines)

    body = {"email": email, "password": _PASSWORD}
    status, told = scene.again("auth.login", lambda: scene.asks("POST", "/api/auth/login", body), look, anew=True)
    assert status == 200, told
    assert scene.looks("GET", "/api/auth/me", token=told["token"])[0] == 200


def logout(scene: Scene) -> None:
    email, _ = _user(scene)
    _, token = _log_in(scene, email, _PASSWORD)
    _, other = _log_in(scene, email, _PASSWORD)

    def look() -> int:
        return scene.looks("GET", "/api/auth/me", token=token)[0]

    status, told = scene.again("auth.logout", lambda: scene.asks("POST", "/api/auth/logout", {}, token), look)
    assert (status, told["error"]["code"]) == (401, "unauthorized")
    assert scene.looks("GET", "/api/auth/me", token=other)[0] == 200


def password(scene: Scene) -> None:
    email, _ = _user(scene)
    _, token = _log_in(scene, email, _PASSWORD)
    body = {"oldPassword": _PASSWORD, "password": _NEW}

    def look() -> tuple[int, int]:
        return _log_in(scene, email, _NEW)[0], scene.looks("GET", "/api/auth/me", token=token)[0]

    status, told = scene.again("auth.password", lambda: scene.asks("PATCH", "/api/auth/me", body, token), look)
    assert (status, told["error"]["field"]) == (403, "oldPassword")
    assert look() == (200, 200)


def create(scene: Scene) -> None:
    key, count = scene.name("create"), scene.rng.choice((1, 3))
    jobs = [waits_for("nobody") for _ in range(count)]

    def look() -> list[str]:
        _, page = scene.looks("GET", f"/api/jobs?q={key[:12]}/")
        return sorted(job["jobId"] for job in page["jobs"])

    caller = scene.caller()
    ids = scene.again("jobs.create", lambda: caller.create_many(jobs, key), look)
    assert (sorted(ids), len(ids)) == (look(), count)


def cancel(scene: Scene) -> None:
    job_id, caller = scene.for_nobody(), scene.caller()
    told = scene.again("jobs.cancel", lambda: caller.cancel(job_id), lambda: scene.stands(job_id))
    assert (told["jobId"], told["status"]) == (job_id, "cancelled"), told


def rerun(scene: Scene) -> None:
    job_id, caller = scene.for_nobody(), scene.caller()
    scene.admin.cancel(job_id)
    name = scene.admin.job(job_id)["name"]
    key = {"Idempotency-Key": scene.name("rerun")}

    def look() -> set[str]:
        _, page = scene.looks("GET", f"/api/jobs?q={name}")
        return {job["jobId"] for job in page["jobs"]} - {job_id}

    told = scene.again("jobs.rerun", lambda: caller.ask("POST", f"/api/jobs/{job_id}/rerun", {}, key), look)
    assert ({told["jobId"]}, told["rerunOf"]) == (look(), job_id)


def requeue(scene: Scene) -> None:
    """Of a job whose worker was revoked while it ran. It waits then: nobody else is as its worker was."""
    voice, job = begun(scene)
    scene.looks("DELETE", f"/api/workers/{voice.worker_id}")
    job_id, caller = job["jobId"], scene.caller()
    assert scene.stands(job_id)[0] == "unknown"

    def ask() -> tuple[int, str]:
        status, _, _ = caller.call("POST", f"/api/jobs/{job_id}/requeue", {"acceptDuplicate": True})
        return status, scene.stands(job_id)[0]

    assert scene.again("jobs.requeue", ask, lambda: scene.stands(job_id)) == (409, "queued")


def _worker(scene: Scene, worker_id: str) -> dict[str, Any]:
    """What people may change of it, and whether it is connected."""
    _, view = scene.looks("GET", f"/api/workers/{worker_id}")
    return {field: view[field] for field in ("name", "state", "draining", "labels", "givenLabels", "jobs")}


def change_worker(scene: Scene) -> None:
    voice, job = begun(scene)
    path, body = f"/api/workers/{voice.worker_id}", {"draining": True, "name": "renamed", "labels": {"room": "4"}}
    token = scene.world.token
    status, told = scene.again(
        "workers.change", lambda: scene.asks("PATCH", path, body, token), lambda: _worker(scene, voice.worker_id)
    )
    assert (status, told["name"], told["draining"], told["givenLabels"]) == (200, "renamed", True, {"room": "4"})
    voice.end(job)


def revoke_worker(scene: Scene) -> None:
    voice, job = begun(scene)
    path, token = f"/api/workers/{voice.worker_id}", scene.world.token

    def look() -> tuple[dict[str, Any], object]:
        return _worker(scene, voice.worker_id), scene.stands(job["jobId"])

    status, told = scene.again("workers.revoke", lambda: scene.asks("DELETE", path, None, token), look)
    assert (status, told["state"]) == (200, "revoked")


def _token(scene: Scene, **fields: Any) -> dict[str, Any]:
    status, made = scene.looks("POST", "/api/join-tokens", {"name": scene.name("token")} | fields)
    assert status == 200, made
    return dict(made)


def _token_stands(scene: Scene, token_id: str) -> tuple[str, int, tuple[str, ...]]:
    _, told = scene.looks("GET", "/api/join-tokens")
    (found,) = (one for one in told["joinTokens"] if one["joinTokenId"] == token_id)
    return found["state"], found["used"], tuple(found["workers"])


def join(scene: Scene) -> None:
    token = _token(scene, uses=3)
    hashed = hashlib.sha256(scene.name("credential").encode()).hexdigest()
    body = {"token": token["token"], "credentialHash": hashed, "name": scene.name("joined")}

    def look() -> tuple[str, int, tuple[str, ...]]:
        return _token_stands(scene, token["joinTokenId"])

    status, told = scene.again("workers.join", lambda: scene.asks("POST", "/api/workers/join", body), look)
    assert status == 200, told
    assert look() == ("good", 1, (told["workerId"],))


def create_token(scene: Scene) -> None:
    """Each is one of its own, told once; one that was not answered is listed, and nobody can join with it."""
    name = scene.name("token")

    def look() -> set[tuple[str, int]]:
        _, told = scene.looks("GET", "/api/join-tokens")
        return {(one["joinTokenId"], one["used"]) for one in told["joinTokens"] if one["name"] == name}

    token = scene.world.token
    status, told = scene.again(
        "join_tokens.create", lambda: scene.asks("POST", "/api/join-tokens", {"name": name}, token), look, anew=True
    )
    assert (status, (told["joinTokenId"], 0) in look()) == (200, True)
    for lost, _ in look() - {(told["joinTokenId"], 0)}:
        assert scene.looks("DELETE", f"/api/join-tokens/{lost}")[0] == 200


def revoke_token(scene: Scene) -> None:
    token_id, token = _token(scene)["joinTokenId"], scene.world.token
    status, told = scene.again(
        "join_tokens.revoke", lambda: scene.asks("DELETE", f"/api/join-tokens/{token_id}", None, token),
        lambda: _token_stands(scene, token_id),
    )  # fmt: skip
    assert (status, told["state"]) == (200, "revoked")


def create_user(scene: Scene) -> None:
    email, token = f"{scene.name('user')}@test", scene.world.token
    body = {"email": email, "password": _PASSWORD, "role": "viewer"}

    def look() -> list[dict[str, Any]]:
        _, told = scene.looks("GET", "/api/users")
        return [one for one in told["users"] if one["email"] == email]

    status, told = scene.again("users.create", lambda: scene.asks("POST", "/api/users", body, token), look)
    assert (status, told["error"]["code"], len(look())) == (409, "conflict", 1)
    assert _log_in(scene, email, _PASSWORD)[0] == 200


def change_user(scene: Scene) -> None:
    """Who logged in with the new password, before it was asked for again, goes on."""
    email, user_id = _user(scene)
    token, path, body = scene.world.token, f"/api/users/{user_id}", {"password": _NEW, "role": "viewer"}
    login: list[str] = []

    def look() -> tuple[str, int]:
        _, told = scene.looks("GET", "/api/users")
        (role,) = (one["role"] for one in told["users"] if one["userId"] == user_id)
        if role == "viewer" and not login:
            login.append(_log_in(scene, email, _NEW)[1])
        return role, scene.looks("GET", "/api/auth/me", token=login[0])[0] if login else 0

    status, told = scene.again("users.change", lambda: scene.asks("PATCH", path, body, token), look)
    assert (status, told["role"], look()) == (200, "viewer", ("viewer", 200))
