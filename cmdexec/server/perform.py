"""Every operation goes through here, however it was asked: who is it, may they, what do they want, do it, answer.

It knows no HTTP server: the edge brings what it read, a simulation brings what it likes.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import GenericAlias
from typing import Annotated, Any

import msgspec
from msgspec import Meta, inspect

from cmdexec.errors import CmdexecError, Refused, Unavailable
from cmdexec.protocol.codec import encode, is_list
from cmdexec.protocol.faults import explain, takes_list, takes_number, unknown_field
from cmdexec.protocol.operations import BY_NAME, ROLES, Operation, Per, Permission
from cmdexec.protocol.repeats import refuse_repeats
from cmdexec.protocol.requests import Request
from cmdexec.runtime import Runtime, Threads
from cmdexec.server.api.handler import JSON, Call, Gone, Handler, Handlers, Reply, stays
from cmdexec.server.identity import NOBODY, Identity
from cmdexec.server.identity.counted import Counted
from cmdexec.server.identity.sessions import LiveSessions
from cmdexec.server.identity.workers import WorkerIdentities
from cmdexec.server.ratelimit import Spent, TooOften

_MANY_MAX = 10_000
"""What memory bears; how many an operation takes, it says itself."""

_LARGE_BYTES = 256 * 1024
"""From here on a body is decoded in a thread."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a user's token said, after its signature was found good."""

    user_id: str
    jti: str


@dataclass(frozen=True, slots=True)
class Presented:
    """The credentials of a request; `bad`: one was shown that cannot be good. `cookies`: a browser's, which count for
    what our own pages ask (`edge.browser`): more than one where another page of this host has put some beside ours."""

    claims: Claims | None = None
    worker_token: str | None = field(default=None, repr=False)
    bad: CmdexecError | None = None
    cookies: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_something(self) -> bool:
        """Whether any were shown, good or bad."""
        shown = (self.claims, self.worker_token, self.bad)
        return any(one is not None for one in shown) or bool(self.cookies)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says, apart from who says it. `fields`: of the path; `query` as it came, in its order; `head`: no
    body is wanted; `gone` returns when whoever asks is there no more."""

    fields: Mapping[str, str] = field(default_factory=dict)
    query: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    head: bool = False
    gone: Gone = stays


Read = Callable[[], Awaitable[Asked]]
"""Reads the rest of a request: called when it is known that the caller may."""


class Perform:
    """Carries out operations. Raises RuntimeError at its making if an operation has no handler, two, or no permission:
    then the server does not start."""

    def __init__(
        self, handlers: Iterable[Handlers], *, sessions: LiveSessions, workers: WorkerIdentities, counted: Counted,
        runtime: Runtime,
    ) -> None:  # fmt: skip
        self._handlers = _one_each(handlers)
        self._decoders = {name: _Decoder(operation) for name, operation in BY_NAME.items()}
        self._sessions = sessions
        self._workers = workers
        self._counted = counted
        self._runtime = runtime

    async def identify(self, shown: Presented) -> Identity:
        """Whose credentials these are. Raises Refused(`unauthorized`) for bad ones, Unavailable(`store_away`)."""
        if shown.bad is not None:
            raise shown.bad
        if shown.claims is not None:
            return await self._sessions.identity(shown.claims.jti, shown.claims.user_id)
        if shown.worker_token is not None:
            return await self._workers.identity(shown.worker_token)
        if shown.cookies:
            return await self._sessions.of_cookies(shown.cookies)
        return NOBODY

    async def perform(self, name: str, shown: Presented, read: Read) -> Reply:
        """Carry out the operation `name` and answer; failures are answers too. Only cancellation is raised."""
        spent: Spent | None = None
        try:
            operation = BY_NAME[name]
            who = await self._asking(shown, operation)
            permit(who, operation.permission)
            rate = operation.rate
            early = rate is not None and rate.per is Per.USER  # what is too often is not even read
            if rate is not None and early:
                spent = await self._counted.call(rate, who, None, "")
                _refuse(spent)
            asked = await read()
            request, listed = await self._decoders[name].decode(asked, self._runtime.threads)
            if rate is not None and not early:
                spent = await self._counted.call(rate, who, request, asked.source)
                if not rate.still:
                    _refuse(spent)
            over = spent is not None and spent.over
            call = Call(
                who, request, listed, asked.body or b"", asked.headers, asked.source, asked.head, over, asked.gone
            )
            reply = await self._handlers[name](call)
            if spent is not None and spent.over:
                reply = _too_often(spent, reply)
            if isinstance(reply.body, AsyncIterator) and who.jti is not None:
                reply = replace(reply, over=partial(self._sessions.ended, who))
        except Exception as wrong:
            reply = self.failed(wrong, name)
        return reply if spent is None else replace(reply, headers={**reply.headers, **spent.headers})

    async def _asking(self, shown: Presented, operation: Operation) -> Identity:
        """Browsers send the cookie of a login that has ended as well, and cannot be told not to: where anybody may ask,
        such a one is nobody."""
        try:
            return await self.identify(shown)
        except Refused:
            if not shown.cookies or operation.permission is not Permission.ANYONE:
                raise
            return NOBODY

    def failed(self, wrong: Exception, during: str) -> Reply:
        """The answer to a failure: its own code and sentences, or for a fault of ours an id that the log knows."""
        if not isinstance(wrong, CmdexecError):
            ticket = self._runtime.ids.new()
            self._runtime.log.error("an operation failed", exc=wrong, operation=during, ticket=ticket)
            wrong = CmdexecError(
                "internal", f"Something went wrong in the server; its log has the cause under {ticket}.",
                mend="Try again; if it stays so, give this id to whoever runs the server.",
            )  # fmt: skip
        return refusal(wrong)


def _refuse(spent: Spent | None) -> None:
    """Raises TooOften for one call too many."""
    if spent is not None and spent.over:
        raise spent.refusal()


def _too_often(spent: Spent, done: Reply) -> Reply:
    """The answer to one too many that was carried out: the refusal, and beside `error` all else that is answered."""
    wrong = spent.refusal()
    return replace(refusal(wrong), body=encode({**msgspec.to_builtins(done.body), "error": wrong.details()}))


def permit(who: Identity, permission: Permission) -> None:
    """Raises Refused: `unauthorized` if nobody is asking, `forbidden` if it is somebody who may not."""
    if who.may(permission):
        return
    if who.kind == "nobody":
        if permission is Permission.WORK:
            raise Refused("unauthorized", "This is for workers.", mend="Send the worker's token as `x-worker-token`.")
        raise Refused("unauthorized", "You are not logged in.", mend="Send a token as `Authorization: Bearer …`.")
    if permission is Permission.WORK:
        raise Refused(
            "forbidden", "This is for workers, and you are none.",
            mend="Send the worker's token as `x-worker-token`, and no `Authorization`.",
        )  # fmt: skip
    who_has, mend = "you do", _who_may(permission)
    if who.kind == "worker":
        who_has, mend = "a worker does", "Log in as a user: POST /api/auth/login."
    raise Refused("forbidden", f"This needs the permission to {permission.value}, which {who_has} not have.", mend=mend)


def _who_may(permission: Permission) -> str:
    """What to do for somebody who lacks it."""
    roles = [role for role, permissions in ROLES.items() if permission in permissions]
    if roles == ["admin"]:
        own = " Your own password you change yourself: `cmdexec users password`, or PATCH /api/auth/me."
        return f"Only an admin has it: ask one.{own if permission is Permission.MANAGE_USERS else ''}"
    named = [f"{'an' if role[0] in 'aeiou' else 'a'} {role}" for role in roles]
    several = f"{', '.join(named[:-1])} or {named[-1]}"
    return f"{several.capitalize()} has it: ask an admin for such a role."


def refusal(wrong: CmdexecError) -> Reply:
    """An error as an answer: its body holds `error` and nothing else."""
    headers: dict[str, str] = {}
    if isinstance(wrong, Unavailable):
        headers["Retry-After"] = str(max(1, math.ceil(wrong.retry_after)))
    if isinstance(wrong, TooOften):
        headers.update(wrong.headers)
    if wrong.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Reply(encode({"error": wrong.details()}), wrong.status, headers, JSON)


def _one_each(handlers: Iterable[Handlers]) -> Mapping[str, Handler]:
    found: dict[str, Handler] = {}
    for table in handlers:
        twice = found.keys() & table.keys()
        if twice:
            raise RuntimeError(f"two handlers for {', '.join(sorted(twice))}")
        found.update(table)
    if found.keys() != BY_NAME.keys():
        odd = ", ".join(sorted(found.keys() ^ BY_NAME.keys()))
        raise RuntimeError(f"not exactly one handler for {odd}")
    declared: dict[str, object] = {name: operation.permission for name, operation in BY_NAME.items()}
    undeclared = [name for name, permission in declared.items() if not isinstance(permission, Permission)]
    if undeclared:
        raise RuntimeError(f"no permission declared for {', '.join(sorted(undeclared))}")
    return found


class _Decoder:
    """Makes the request of one operation from what was sent."""

    def __init__(self, operation: Operation) -> None:
        self._kind = operation.request
        self._one = msgspec.json.Decoder(operation.request)
        self._many = operation.many
        several: Any = GenericAlias(tuple, (operation.request, ...))
        self._list_kind = Annotated[several, Meta(max_length=_MANY_MAX)]
        self._list = msgspec.json.Decoder(self._list_kind)
        self._items = msgspec.json.Decoder(Annotated[tuple[msgspec.Raw, ...], Meta(max_length=_MANY_MAX)])
        about = inspect.type_info(operation.request)
        fields = about.fields if isinstance(about, inspect.StructType) else ()
        self._known = [field.encode_name for field in fields]
        self._lists = {field.encode_name for field in fields if takes_list(field.type)}
        self._numbers = {field.encode_name for field in fields if takes_number(field.type)}
        self._required = sum(field.required for field in fields)
        self._asked_by_people = isinstance(operation.request, type) and issubclass(operation.request, Request)

    async def decode(self, asked: Asked, threads: Threads) -> tuple[Any, bool]:
        """The request, and whether a list was sent; what is large is decoded in a thread. Raises Refused."""
        if asked.body is None:
            return self._from_query(asked), False
        if asked.query:
            raise Refused("bad_request", "This operation takes no query.", mend="Send its fields in the body.")
        _must_be_json(asked.content_type if asked.body else JSON)
        body = asked.body or b"{}"  # no body at all, of whatever type, says nothing
        if asked.fields:
            return self._from_body_and_path(body, asked.fields), False
        if len(body) < _LARGE_BYTES:
            return self._from_body(body)
        return await threads.run(partial(self._from_large_body, body))

    def _from_query(self, asked: Asked) -> Any:
        values: dict[str, Any] = dict(asked.fields)
        for name, value in asked.query:
            if name not in self._known or name in asked.fields:
                raise unknown_field(name, "", [known for known in self._known if known not in asked.fields], job=False)
            if name in self._lists:
                values.setdefault(name, []).append(value)
            elif name in values:
                raise Refused("invalid_field", f"`{name}` is given more than once.", field=name)
            else:  # who means nothing leaves a field out: the conversion would take this word for it
                values[name] = "" if value.lower() == "null" and name in self._numbers else value
        try:
            return msgspec.convert(values, self._kind, strict=False)
        except msgspec.ValidationError as wrong:
            raise self._of_query(explain(wrong, self._kind), values) from wrong

    def _of_query(self, refused: Refused, values: Mapping[str, Any]) -> Refused:
        """A query has no lists: a field is given several times."""
        name, _, place = (refused.field or "").partition("[")
        if name not in self._lists:
            return refused
        given = len(values.get(name, ()))
        if not given:
            return Refused(refused.code, refused.message, field=name, mend="Give it once for each that you ask for.")
        if not place:
            message = f"`{name}` is given {given:,} times, and that is too often."
            return Refused(refused.code, message, field=name, mend="Ask for fewer at once.")
        which = f"; number {int(place[:-1]) + 1} of {given:,} is not" if given > 1 else ""
        message = f"{refused.message.replace(f'`{refused.field}`', f'`{name}`').removesuffix('.')}{which}."
        return Refused(refused.code, message, field=name)

    def _from_body(self, body: bytes) -> tuple[Any, bool]:
        listed = self._many and is_list(body)
        if listed and (alike := self._alike(body)) is not None:
            return alike, True
        try:
            said: Any = self._list.decode(body) if listed else self._one.decode(body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
            raise explain(wrong, self._list_kind if listed else self._kind, body) from wrong
        if self._asked_by_people:
            refuse_repeats(body, self._required * (len(said) if listed else 1))
        return ((said,) if self._many and not listed else said), listed

    def _alike(self, body: bytes) -> tuple[Any, ...] | None:
        """The items of a list most of which are there several times, letter by letter: each is decoded once. None where
        it is not so, or where something is wrong with it."""
        try:
            items = [bytes(item) for item in self._items.decode(body)]
            said = dict.fromkeys(items)
            if len(said) > len(items) // 2:
                return None
            for item in said:
                said[item] = self._one.decode(item)
                if self._asked_by_people:
                    refuse_repeats(item, self._required)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, Refused):
            return None
        return tuple([said[item] for item in items])

    def _from_body_and_path(self, body: bytes, fields: Mapping[str, str]) -> Any:
        """The path names some of the fields; then the body may not."""
        try:
            values = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
            raise explain(wrong, self._kind, body) from wrong
        for name in values.keys() & fields.keys():
            raise unknown_field(name, "", [known for known in self._known if known not in fields], job=False)
        refuse_repeats(body, 0)
        try:
            return msgspec.convert({**values, **fields}, self._kind)
        except msgspec.ValidationError as wrong:
            raise explain(wrong, self._kind, body) from wrong

    def _from_large_body(self, body: bytes) -> tuple[Any, bool]:
        """The items of a list one by one: the library lets no other thread run while it decodes."""
        if not self._many or not is_list(body):
            return self._from_body(body)
        try:
            items = self._items.decode(body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return self._from_body(body)
        said = []
        for place, item in enumerate(map(bytes, items)):
            try:
                said.append(self._one.decode(item))
            except msgspec.ValidationError as wrong:
                raise explain(wrong, self._kind, item, place=f"[{place}]") from wrong
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                return self._from_body(body)  # which says where in the whole it is
            if self._asked_by_people:
                refuse_repeats(item, self._required, place=f"[{place}]")
        return tuple(said), True


def _must_be_json(content_type: str) -> None:
    kind, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if kind.strip().lower() != JSON or charset not in ("", "charset=utf-8"):
        raise Refused(
            "unsupported_type", "The body must be JSON.", mend=f"Send it with `Content-Type: {JSON}`, in UTF-8."
        )
