"""Redis between servers: away, frozen, back again, wrongly addressed; and the counters that servers share."""

import asyncio
import logging
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cmdexec.clock import SystemClock
from cmdexec.log import Log
from cmdexec.notify.contract import Hint, JobsComing, JobsWaiting, OutputGrew, WorkerChanged
from cmdexec.notify.redis import RedisLink
from cmdexec.notify.shared import SharedNotify
from cmdexec.notify.wire import Waiting, decode, encode
from cmdexec.server.ratelimit.shared import SharedCounters
from tests.contract.notifiers import link_to, running, standard
from tests.services.packages import Missing
from tests.services.redis import RedisServer
from tests.support.waiting import becomes
from tests.support.worker import inline_runtime

LOG = Log("cmdexec.test")


def notify_on(url: str, server: str, name: str = "", *, answer_sec: float = 0.5) -> SharedNotify:
    return SharedNotify(link_to(url, name, answer_sec=answer_sec), LOG, server=server, queue_bytes=1 << 20)


def alone_on(link: RedisLink) -> SharedNotify:
    return SharedNotify(link, LOG, server=os.urandom(4).hex(), queue_bytes=1 << 20)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """One that may be killed."""
    server = RedisServer(tmp_path / "redis")
    try:
        yield server.start()
    except Missing as missing:
        pytest.skip(f"there is no Redis here: {missing}")
    finally:
        server.kill()


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_while_redis_is_away_hints_stay_here_and_afterwards_all_is_looked_at(
    redis: RedisServer, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = notify_on(redis.url, "a", "one"), notify_on(redis.url, "b", "one")
    mine: list[Hint] = []
    theirs: list[Hint] = []
    here.listen(WorkerChanged, mine.append)
    there.listen(WorkerChanged, theirs.append)
    there.listen(JobsWaiting, theirs.append)
    with caplog.at_level(logging.INFO, logger="cmdexec.test"):
        async with running(here, there):
            await becomes(lambda: here.reaches_others and there.reaches_others, "both are there")
            theirs.clear()
            if how == "killed":
                redis.kill()
            else:
                redis.send(signal.SIGSTOP)
            await becomes(lambda: not (here.reaches_others or there.reaches_others), "both know that it is away")
            here.publish(WorkerChanged("unheard"))
            assert mine == [WorkerChanged("unheard")]
            if how == "killed":
                await asyncio.to_thread(redis.start)
            else:
                redis.send(signal.SIGCONT)
            await becomes(lambda: here.reaches_others and there.reaches_others, "both are there again")
            here.publish(WorkerChanged("heard"))
            await becomes(lambda: WorkerChanged("heard") in theirs, "the others hear again")
    assert theirs == [JobsWaiting(), WorkerChanged("heard")], "anything may have been missed"
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert 2 <= len(said) <= 6, said
    assert not any("TLS" in getattr(record, "about", {}).get("why", "") for record in caplog.records)


class Clock(SystemClock):
    """The machine's, which can be put ahead; it remembers how long was slept."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0
        self.slept: list[float] = []

    def elapsed(self) -> float:
        return super().elapsed() + self.ahead

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await super().sleep(seconds)


async def test_a_channel_that_breaks_each_time_is_told_of_once_and_tried_with_growing_pauses(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    link = link_to(redis.url, runtime=replace(inline_runtime(), clock=clock, log=LOG))
    notify = alone_on(link)
    came: list[Hint] = []
    notify.listen(JobsWaiting, came.append)

    def said(what: str) -> int:
        return sum(record.getMessage().startswith(what) for record in caplog.records)

    with caplog.at_level(logging.INFO, logger="cmdexec.test"):
        async with running(notify):
            for times in range(1, 6):
                await becomes(lambda n=times: len(came) == n and link.here, f"it came, {times} times")
                await asyncio.to_thread(redis.cut_channels)
            await becomes(lambda: len(came) == 6 and link.here, "it is there again")
            assert clock.slept[0] <= 0.05 < 0.1 <= min(clock.slept[3:]), f"ever longer: {clock.slept}"
            assert (said("Redis is there"), said("Redis is away")) == (1, 1)
            clock.ahead += 6
            await becomes(lambda: said("Redis is there") == 2, "now it has held")
            redis.kill()
            await becomes(lambda: said("Redis is away") > 1, "what is wrong later is told again")


async def test_two_installations_on_one_redis_do_not_hear_each_other() -> None:
    url = standard().url
    here, there = notify_on(url, "a", "one"), notify_on(url, "b", "another")
    heard: list[Hint] = []
    there.listen(WorkerChanged, heard.append)
    other = notify_on(url, "c", "one")
    others: list[Hint] = []
    other.listen(WorkerChanged, others.append)
    async with running(here, there, other):
        await becomes(lambda: all(one.reaches_others for one in (here, there, other)), "all are there")
        here.publish(WorkerChanged("w1"))
        await becomes(lambda: others, "its own hear it")
    assert heard == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace("//", "//:wrong@"), "refuses the user or the password of REDIS_URL"),
        (lambda url: url.replace("127.0.0.1", "no-such-host.invalid"), "The host of no-such-host.invalid:"),
        (lambda url: url.replace("redis://", "rediss://"), "whether it speaks TLS as REDIS_URL says"),
        (lambda url: url.rpartition(":")[0] + ":1/0", "does not answer"),
        (lambda url: url.removesuffix("/0") + "/9999", "refused a command"),
    ],
    ids=["password", "host", "tls", "port", "number"],
)
async def test_a_redis_that_cannot_be_used_is_told_of_once_in_a_sentence(
    redis: RedisServer, change: object, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    if said.startswith("refuses"):
        redis.kill()
        redis.password = "right"
        redis.start()
    url = redis.url.replace(":right@", "")
    link = link_to(change(url))  # type: ignore[operator]
    notify = alone_on(link)
    with caplog.at_level(logging.INFO, logger="cmdexec.test"):
        async with running(notify):
            await becomes(lambda: said in link.state, f"it says so: {link.state}")
            await becomes(lambda: len(caplog.records) > 0, "it is logged")
            assert await SharedCounters(link, SystemClock()).add("x", 5) == (1, pytest.approx(5, abs=0.1))
    assert len([record for record in caplog.records if record.getMessage().startswith("Redis is away")]) == 1
    assert "wrong" not in link.state


async def test_a_server_with_tls_is_used_with_its_certificate_and_refused_without(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    more = (f"tls-cert-file {certificate}", f"tls-key-file {key}", "tls-auth-clients no")
    redis = RedisServer(tmp_path / "redis", password="secret-9", more=more, tls=True)
    try:
        redis.start()
        good, bad = link_to(f"{redis.url}?ssl_ca_certs={certificate}"), link_to(redis.url)
        plain = link_to(redis.url.replace("rediss", "redis"))
        links = [good, bad, plain]
        async with running(*map(alone_on, links)):
            await becomes(lambda: good.here, f"it is used: {good.state}")
            await becomes(lambda: "certificate" in bad.state, f"it is not trusted: {bad.state}")
            await becomes(lambda: "rediss://" in plain.state, f"TLS is asked for: {plain.state}")
    finally:
        redis.kill()


async def test_servers_count_together_and_each_alone_while_redis_is_away(redis: RedisServer) -> None:
    links = [link_to(redis.url, "one") for _ in range(2)]
    a, b = (SharedCounters(link, SystemClock()) for link in links)
    async with running(*map(alone_on, links)):
        await becomes(lambda: all(link.here for link in links), "both are there")
        counted = await asyncio.gather(*(one.add("k", 30) for _ in range(50) for one in (a, b)))
        assert sorted(count for count, _ in counted) == list(range(1, 101))
        assert all(0 < left <= 30 for _, left in counted)
        assert (await a.add("another", 30))[0] == 1
        async with asyncio.timeout(5):
            while (await a.add("short", 0.05))[0] != 2:
                continue
            while (await b.add("short", 0.05))[0] != 1:
                continue  # until its window is over
        redis.kill()
        assert [(await one.add("k", 30))[0] for one in (a, b, a)] == [1, 1, 2]
        await asyncio.to_thread(redis.start)
        await becomes(lambda: all(link.here for link in links), "both are there again")
        assert [(await one.add("k", 30))[0] for one in (a, b, a)] == [1, 2, 3]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"",
        b"\xff\x00\xfe" * 50,
        b"$-9\r\n",
        b"*3\r\n:1\r\n",
        b">x\r\n",
        b"%1\r\n+a\r\n",
    ],
)
async def test_what_is_no_redis_is_told_of_and_ends_nothing(answer: bytes) -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as other:
        link = link_to(f"redis://127.0.0.1:{other.sockets[0].getsockname()[1]}/0", answer_sec=0.2)
        notify = alone_on(link)
        async with running(notify):
            await becomes(
                lambda: link.state.endswith(("to REDIS_URL.", "in REDIS_URL.", "says how long.")),
                f"it says so: {link.state}",
            )
            assert not await notify._link.publish(b"x")
            heard: list[Hint] = []
            notify.listen(WorkerChanged, heard.append)
            notify.publish(WorkerChanged("w1"))
            assert heard == [WorkerChanged("w1")]


def test_what_waits_is_bounded_and_the_oldest_is_dropped() -> None:
    waiting = Waiting(1000)
    for number in range(100):
        waiting.add(WorkerChanged(f"w{number}"))
    left = waiting.take(1 << 20)
    assert left == [WorkerChanged(f"w{number}") for number in range(100 - len(left), 100)]
    assert 5 < len(left) < 20
    assert waiting.dropped == 100 - len(left)
    assert (len(waiting), waiting.take(10)) == (0, [])


def test_of_output_that_grew_only_the_newest_end_waits() -> None:
    waiting = Waiting(1000)
    for end in range(1, 500):
        waiting.add(OutputGrew("j", 1, "stdout", end))
    waiting.add(OutputGrew("j", 1, "stderr", 7))
    assert waiting.take(1 << 20) == [OutputGrew("j", 1, "stdout", 499), OutputGrew("j", 1, "stderr", 7)]
    assert waiting.dropped == 0


async def test_what_concerns_one_server_alone_and_bytes_of_jobs_do_not_cross() -> None:
    url, name = standard().url, os.urandom(8).hex()
    here, there = notify_on(url, "a", name), notify_on(url, "b", name)
    heard: list[Hint] = []
    for kind in (JobsComing, OutputGrew):
        there.listen(kind, heard.append)
    async with running(here, there):
        await becomes(lambda: here.reaches_others and there.reaches_others, "both are there")
        here.publish(JobsComing(("",), "list"))
        here.publish(OutputGrew("j", 1, "stdout", 3, b"abc"))
        await becomes(lambda: heard, "the growth is heard")
    assert heard == [OutputGrew("j", 1, "stdout", 3)]


def test_messages_of_another_version_or_of_others_are_not_read() -> None:
    good = encode("a", [WorkerChanged("w1")])
    assert decode(good) == ("a", [WorkerChanged("w1")])
    for data in (b"", b"hello", good[:-1], good + b"x", good.replace(b"\x01", b"\x02", 1), b"\x93\x01\xa1a\x91\x81"):
        assert decode(data) is None
