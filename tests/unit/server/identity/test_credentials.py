"""Keys in files, and workers that prove who they are."""

import asyncio
import stat
from pathlib import Path

import pytest

from cmdexec.errors import CmdexecError, Refused
from cmdexec.notify.contract import Revoked
from cmdexec.server.folder import write_private
from cmdexec.server.identity.keys import key_ring
from cmdexec.server.identity.workers import WorkerIdentities, hash_of
from cmdexec.store.contract.identity import CredentialRow
from cmdexec.store.contract.workers import WorkerRow
from tests.support.server import mint
from tests.unit.server.identity.conftest import Around

SHARED = "a-secret-that-all-workers-share-4b1d9e"


def identities(around: Around, shared: str | None = SHARED, cache_sec: float = 5) -> WorkerIdentities:
    reads = around.store.reads
    return WorkerIdentities(
        reads.credentials, reads.workers, around.notify, around.runtime, shared_secret=shared, cache_sec=cache_sec
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_made_once_kept_for_its_owner_alone_and_overridden_by_the_settings(tmp_path: Path) -> None:
    made = key_ring(tmp_path, None, lambda count: bytes(range(count)))
    again = key_ring(tmp_path, None, lambda count: b"\xff" * count)
    assert made == again
    assert len(made.secrets[made.newest]) == 64
    assert mode(tmp_path / "jwt_secret") == 0o600
    configured = key_ring(tmp_path, "configured" * 4, lambda count: b"")
    assert configured.secrets[configured.newest] == "configured" * 4
    assert configured.newest != made.newest
    assert made.secrets[made.newest] not in repr(made)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe" * 40, b" \n" * 40])
def test_a_file_that_holds_no_key_is_told_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "jwt_secret").write_bytes(content)
    with pytest.raises(CmdexecError) as wrong:
        key_ring(tmp_path, None, bytes)
    assert (wrong.value.code, "jwt_secret" in wrong.value.message) == ("bad_data_dir", True)
    assert (tmp_path / "jwt_secret").read_bytes() == content


def test_a_secret_replaces_an_older_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("older and readable by all")
    path.chmod(0o644)
    (tmp_path / ".secret.new").write_text("left by a crash")
    write_private(path, "newer")
    assert (path.read_text(), mode(path)) == ("newer\n", 0o600)
    assert [one.name for one in tmp_path.iterdir()] == ["secret"]


async def test_the_local_workers_credential_is_made_once_and_anew_when_it_is_no_good(around: Around) -> None:
    path, who = around.folder / "credential", identities(around)
    await who.ensure_credential(path)
    first = path.read_text()
    assert mode(path) == 0o600
    await who.ensure_credential(path)
    assert path.read_text() == first
    identity = await who.identity(first.strip())
    assert identity.kind == "worker"
    path.write_text(f"wc_{'A' * 43}\n")
    await who.ensure_credential(path)
    assert path.read_text() not in (first, f"wc_{'A' * 43}\n")
    identity = await who.identity(path.read_text().strip())
    await around.store.reads.workers.register(WorkerRow(identity.id, "w", "s", "i", "0", "p", "t", 1))
    await around.store.reads.workers.revoke(identity.id)
    await who.ensure_credential(path)
    assert (await who.identity(path.read_text().strip())).id != identity.id, "one that was revoked is made up for"


async def test_only_hashes_of_credentials_are_stored(around: Around) -> None:
    path = around.folder / "credential"
    await identities(around).ensure_credential(path)
    secret = path.read_text().strip().encode()
    await around.store.close()
    for file in around.folder.glob("jobs.sqlite*"):
        assert secret not in file.read_bytes()


async def test_a_revoked_worker_is_refused_at_once_when_told_and_soon_when_not(around: Around) -> None:
    reads, who = around.store.reads, identities(around)
    credential = f"wc_{'b' * 43}"
    await reads.credentials.insert(CredentialRow(hash_of(credential), "w1", 1))
    now = around.clock.now() // 1000
    signed = mint(SHARED, {"workerId": "w1", "iat": now, "exp": now + 60})
    for token in (credential, signed):
        assert (await who.identity(token)).id == "w1"
    await reads.workers.register(WorkerRow("w1", "w", "s", "i", "0", "p", "t", 1))
    await reads.workers.revoke("w1")
    assert (await who.identity(credential)).id == "w1"
    around.notify.publish(Revoked(worker_id="w1"))
    for token in (credential, signed):
        with pytest.raises(Refused) as refused:
            await who.identity(token)
        assert refused.value.code == "forbidden"


async def test_a_worker_that_is_revoked_while_it_is_looked_up_is_not_taken_for_good_later(
    around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, who = around.store.reads, identities(around, cache_sec=1000)
    await reads.workers.register(WorkerRow("w1", "w", "s", "i", "0", "p", "t", 1))
    now = around.clock.now() // 1000
    signed = mint(SHARED, {"workerId": "w1", "iat": now, "exp": now + 60})
    get, reading, read = reads.workers.get, asyncio.Event(), asyncio.Event()

    async def slow(worker_ids: list[str]) -> list[WorkerRow | None]:
        rows = await get(worker_ids)
        reading.set()
        await read.wait()
        return rows

    monkeypatch.setattr(reads.workers, "get", slow)
    looked_up = asyncio.create_task(who.identity(signed))
    await asyncio.wait_for(reading.wait(), 10)
    await reads.workers.revoke("w1")
    around.notify.publish(Revoked(worker_id="w1"))
    read.set()
    await asyncio.gather(looked_up, return_exceptions=True)
    with pytest.raises(Refused, match="revoked"):
        await who.identity(signed)


async def test_a_revoked_credential_ends_within_the_cache_time(around: Around) -> None:
    reads, who = around.store.reads, identities(around)
    credential = f"wc_{'b' * 43}"
    await reads.credentials.insert(CredentialRow(hash_of(credential), "w1", 1))
    await who.identity(credential)
    await reads.credentials.revoke_of("w1")
    around.clock.seconds += 5.1
    with pytest.raises(Refused):
        await who.identity(credential)


async def test_without_a_shared_secret_no_worker_signs_for_itself(around: Around) -> None:
    now = around.clock.now() // 1000
    signed = mint(SHARED, {"workerId": "w1", "iat": now, "exp": now + 60})
    assert (await identities(around).identity(signed)).id == "w1"
    with pytest.raises(Refused):
        await identities(around, shared=None).identity(signed)
