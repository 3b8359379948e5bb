"""The calls of an engine that are short: made with the library `docker`, which is loaded by the first of them."""

import threading
from dataclasses import dataclass
from typing import Any

from cmdexec.worker.executors.engine_found import Engine
from cmdexec.worker.executors.engine_stream import EngineRefusedError

BAD_REQUEST, NOT_FOUND = 400, 404
_GONE = frozenset({NOT_FOUND, 409})
"""It is not there, or (of a removal) another one removes it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """How a container is. `status` as the engine names it; `started_at`: the engine's clock, as it writes it."""

    container_id: str
    status: str
    running: bool
    exit_code: int
    oom: bool
    error: str
    started_at: str


class EngineCalls:
    """Blocking. Each call raises OSError when the engine cannot be reached, and EngineRefusedError when it says no."""

    def __init__(self, engine: Engine, timeout_sec: float) -> None:
        self.engine = engine
        self._timeout_sec = timeout_sec
        self._lock = threading.Lock()
        self._client: Any = None

    def _api(self) -> Any:
        with self._lock:
            if self._client is None:
                import docker

                self._client = docker.APIClient(
                    base_url=self.engine.place.url, version=self.engine.api, timeout=self._timeout_sec,
                )  # fmt: skip
            return self._client

    def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        import docker
        import requests

        try:
            return getattr(self._api(), method)(*arguments, **named)
        except docker.errors.APIError as wrong:
            status = wrong.status_code or 500
            raise EngineRefusedError(int(status), str(wrong.explanation or wrong.response.reason or wrong)) from wrong
        except requests.Timeout as wrong:
            raise TimeoutError("it did not answer in time") from wrong
        except (docker.errors.DockerException, requests.RequestException) as wrong:
            raise _broken(wrong) from wrong

    def create(self, name: str, config: dict[str, Any]) -> None:
        """A container of that name."""
        self._call("create_container_from_config", config, name=name)

    def start(self, container: str) -> None:
        """Make its process."""
        self._call("start", container)

    def kill(self, container: str, signal: str) -> None:
        """Send its main process a signal; nothing happens where it does not run."""
        try:
            self._call("kill", container, signal)
        except EngineRefusedError as refused:
            if refused.status not in _GONE:
                raise

    def inspect(self, container: str) -> Facts | None:
        """How it is; None: there is none."""
        try:
            said = self._call("inspect_container", container)
        except EngineRefusedError as refused:
            if refused.status == NOT_FOUND:
                return None
            raise
        state = said.get("State") if isinstance(said, dict) else None
        if not isinstance(state, dict):
            raise ConnectionError("it does not say how a container is")
        running = bool(state.get("Running")) or state.get("Status") in ("restarting", "removing", "paused")
        return Facts(
            str(said.get("Id")), str(state.get("Status")), running, int(state.get("ExitCode") or 0),
            bool(state.get("OOMKilled")), str(state.get("Error") or ""), str(state.get("StartedAt") or ""),
        )  # fmt: skip

    def remove(self, container: str) -> bool:
        """Kill and remove it, with the volumes that are its alone. False: there is none, or another removes it."""
        try:
            self._call("remove_container", container, v=True, force=True)
        except EngineRefusedError as refused:
            if refused.status in _GONE:
                return False
            raise
        return True

    def registry_credentials(self, image: str) -> str | None:
        """The header that shows an image's registry the credentials that this user keeps for Docker now, if any: they
        are renewed by others. Raises EngineRefusedError also where the name, or what keeps them, is no good."""
        import docker

        repository, _ = docker.utils.parse_repository_tag(image)
        try:
            registry, _ = docker.auth.resolve_repository_name(repository)
            found = docker.auth.load_config().resolve_authconfig(registry)
        except docker.errors.DockerException as wrong:
            raise EngineRefusedError(BAD_REQUEST, str(wrong)) from wrong
        return docker.auth.encode_header(found).decode() if found else None

    def close(self) -> None:
        """Let go of its connections."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()


def _broken(wrong: BaseException) -> ConnectionError:
    """What the system said, below what a library made of it."""
    cause: BaseException | None = wrong
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return ConnectionError(cause.strerror)
        cause = cause.__context__
    return ConnectionError("its connection broke")
