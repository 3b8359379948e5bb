"""What `MONGODB_URI` may say: what is wrong with it is named, without a value of it, and what is away is waited for."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import dns.message
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest
from pymongo.errors import OperationFailure

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.runtime import Inline
from cmdexec.store.mongo import open_mongo
from cmdexec.store.mongo.address import read
from cmdexec.store.mongo.faults import Away, Denied, translated
from tests.contract.engines import HandClock, runtime_with
from tests.contract.mongo import client
from tests.contract.test_mongo_start import a_member, opened
from tests.services.mongo import NAME
from tests.support.ports import free_port
from tests.support.waiting import becomes

SECRET = "u8kqZt4w0xPb"
ADDRESS = f"mongodb://me:{SECRET}@host/x?"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (f"mongodb://user:{SECRET}@ss@host/x", "This is no address of MongoDB."),
        (f"mongodb://user:{SECRET}/ss@host/x", "This is no address of MongoDB."),
        ("mongodb://host:port/x", "This is no address of MongoDB."),
        ("http://host/", "This is no address of MongoDB."),
        ("mongodb:/", "This is no address of MongoDB."),
        ("mongodb://host/a%20b", "The database that this address names cannot be."),
        ("mongodb://host/x.jobs", "The database that this address names cannot be."),
        (f"mongodb://host/{'x' * 70}", "The database that this address names cannot be."),
        (f"{ADDRESS}foo=bar", "MongoDB's driver does not take its option foo: Unknown option."),
        (f"mongodb://me:pa?{SECRET}=1@host/x", "This is no address of MongoDB."),
        (f"mongodb://me:1?{SECRET}=1@host/x", "MongoDB's driver does not take its options"),
        (f"{ADDRESS}{SECRET}", "MongoDB's driver does not take its options"),
        (f"{ADDRESS}maxPoolSize={SECRET}", "its option maxPoolSize: The value of maxpoolsize must be an integer."),
        (f"{ADDRESS}tls=true&tlsCAFile=/{SECRET}.pem", "its option tlsCAFile: The tlscafile file is not readable."),
        (f"{ADDRESS}tlsInsecure=true&tlsAllowInvalidCertificates=true", "together: URI options tlsInsecure and"),
        (f"{ADDRESS}minPoolSize=50", "this address: minPoolSize must be smaller or equal to maxPoolSize."),
        (f"{ADDRESS}directConnection=true&srvMaxHosts=3", "The srvMaxHosts option is only allowed with"),
        (f"{ADDRESS}tls=true&tlsCAFile={__file__}", "this address: "),
        (f"{ADDRESS}timeoutMS=1", "The option timeoutMS would cut off what other settings allow."),
        (f"mongodb+srv://me:{SECRET}@a.b.c:27017/x", "must not include a port number."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_address_is_named_and_no_value_of_it_is_repeated(wrong: str, said: str) -> None:
    with pytest.raises(CmdexecError) as caught:
        open_mongo(wrong, runtime_with(HandClock(), Inline()))
    assert (caught.value.code, caught.value.field) == ("bad_settings", "MONGODB_URI")
    assert said in caught.value.message
    assert not caught.value.message.startswith("MONGODB_URI"), "that stands before it"
    assert SECRET not in f"{caught.value} {caught.value.details()}"


async def test_what_the_driver_cannot_do_when_it_is_asked_is_for_a_person_to_mend() -> None:
    host, port = a_member()
    for options, said in (("loadBalanced=true", "load balanc"), ("authMechanism=MONGODB-AWS", "pymongo-auth-aws")):
        async with opened(f"mongodb://me:{SECRET}@{host}:{port}/x?{options}") as store:
            with pytest.raises(CmdexecError, match=said) as caught:
                await store.reach()
            assert caught.value.code == "bad_settings"
            assert SECRET not in f"{caught.value}"


async def test_a_database_in_which_nothing_can_be_made_is_for_a_person_to_mend() -> None:
    host, port = a_member()
    async with opened(f"mongodb://{host}:{port}/local?replicaSet={NAME}") as store:
        with pytest.raises(CmdexecError, match="refused a command: error 20") as caught:
            await store.reach()
        assert caught.value.code == "bad_settings"


class Names(asyncio.DatagramProtocol):
    """A name server that knows one thing: where MongoDB is that is called `cmdexec.0.0.1`."""

    def __init__(self, port: int) -> None:
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = dns.message.from_wire(data)
        answer = dns.message.make_response(asked)
        (question,) = asked.question
        if str(question.name) == "_mongodb._tcp.cmdexec.0.0.1." and question.rdtype == dns.rdatatype.SRV:
            where = dns.rrset.from_text(question.name, 60, "IN", "SRV", f"0 0 {self._port} 127.0.0.1.")
            answer.answer.append(where)
        self._transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def name_server(port: int) -> AsyncIterator[None]:
    host, there = a_member()
    assert host == "127.0.0.1"
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Names(there), local_addr=("127.0.0.1", port))
    try:
        yield
    finally:
        transport.close()


async def test_a_name_that_cannot_be_looked_up_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The DNS may be away at the start as MongoDB may."""
    port, name, clock = free_port(), "test-looked-up", HandClock()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], port
    monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
    where = f"mongodb+srv://cmdexec.0.0.1/{name}?replicaSet={NAME}&tls=false"
    client().drop_database(name)
    try:
        async with opened(where, clock=clock) as store:
            for ask in (store.reach, store.reads.users.any):
                with pytest.raises(Unavailable, match=r"The DNS does not say which hosts cmdexec\.0\.0\.1 is\."):
                    await ask()
            async with name_server(port):
                clock.go_on(1)
                await store.reach()
                assert await store.reads.users.any() is False
    finally:
        client().drop_database(name)


async def test_a_name_that_can_never_be_looked_up_is_for_a_person_to_mend() -> None:
    async with opened(f"mongodb+srv://me:{SECRET}@10.0.0.1/x") as store:
        with pytest.raises(CmdexecError, match="an IP address is not a valid hostname") as caught:
            await store.reach()
    assert caught.value.code == "bad_settings"


@asynccontextmanager
async def speaking_tls(folder: Path) -> AsyncIterator[int]:
    """The port of something with a certificate that nobody trusts."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    port = free_port()
    command = ["openssl", "s_server", "-quiet", "-accept", f"127.0.0.1:{port}", "-key", key, "-cert", certificate]
    # A program of its own: of a connection that breaks off in the midst of its handshake nothing is left on this loop.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:  # fmt: skip
        try:
            await becomes(lambda: _listens(port), "it listens")
            yield port
        finally:
            server.kill()


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


async def test_who_speaks_no_tls_or_has_a_certificate_that_is_not_trusted_is_said_to(folder: Path) -> None:
    host, port = a_member()
    async with opened(f"mongodb://{host}:{port}/?tls=true") as store:
        with pytest.raises(Away, match=rf"MongoDB at {host}:{port} speaks no TLS as we do\."):
            await store.reach()
    async with speaking_tls(folder) as other:
        async with opened(f"mongodb://127.0.0.1:{other}/?tls=true") as store:
            with pytest.raises(Away, match=r"The certificate of MongoDB at 127\.0\.0\.1:\d+ is not trusted\."):
                await store.reach()


NOT_ALLOWED = "not authorized on here to execute command { createIndexes: \"jobs\", password: 'x' }"


@pytest.mark.parametrize(
    ("code", "words", "said"),
    [
        (13, NOT_ALLOWED, "The user of MONGODB_URI may not createIndexes in the database here of MongoDB at"),
        (8000, "user is not allowed to do action [insert] on [here.jobs]", "may not insert in the database here of"),
        (13, "command find requires authentication", "MongoDB at host:27017 wants a user, and MONGODB_URI names none."),
        (18, "Authentication failed.", "MongoDB at host:27017 refuses the user or the password of MONGODB_URI."),
        (8000, "bad auth : authentication failed", "refuses the user or the password of MONGODB_URI."),
        (73, "Invalid namespace: x", "MongoDB at host:27017 refused a command: error 73: Invalid namespace: x."),
    ],
)  # fmt: skip
def test_a_missing_right_is_told_from_a_wrong_password(code: int, words: str, said: str) -> None:
    told = translated(OperationFailure(words, code, {"errmsg": words}), read("mongodb://host/"))
    assert isinstance(told, Denied)
    assert said in told.message
    assert "password: " not in f"{told}"
