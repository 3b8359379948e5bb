"""Join tokens, and the machines that become workers with them."""

from collections.abc import Sequence

from cmdexec.clock import rfc3339
from cmdexec.protocol.accounts import Join, Joined, JoinTokenId, JoinTokensView, JoinTokenView, NewJoinToken
from cmdexec.server.api.handler import Call, Handlers, Reply
from cmdexec.server.identity.joining import Joining
from cmdexec.store.contract.identity import JoinTokenRow

_SHOWN_WORKERS = 1000


class JoiningApi:
    """`join_tokens.*`, `workers.join`. A token is told in the answer that made it, and nowhere else."""

    def __init__(self, joining: Joining) -> None:
        self._joining = joining

    def handlers(self) -> Handlers:
        return {
            "join_tokens.create": self.create,
            "join_tokens.list": self.list,
            "join_tokens.revoke": self.revoke,
            "workers.join": self.join,
        }

    async def create(self, call: Call) -> Reply:
        asked: NewJoinToken = call.request
        row, secret = await self._joining.make(asked, call.who.email or "")
        return Reply(self._view(row, (), secret))

    async def revoke(self, call: Call) -> Reply:
        asked: JoinTokenId = call.request
        (view,) = await self._views([await self._joining.revoke(asked.join_token_id)])
        return Reply(view)

    async def join(self, call: Call) -> Reply:
        asked: Join = call.request
        kept = await self._joining.join(asked, call.source)
        return Reply(Joined(worker_id=kept.worker_id, labels=kept.labels))

    async def list(self, _call: Call) -> Reply:
        return Reply(JoinTokensView(join_tokens=await self._views(await self._joining.all())))

    async def _views(self, rows: Sequence[JoinTokenRow]) -> tuple[JoinTokenView, ...]:
        workers = await self._joining.workers(rows, _SHOWN_WORKERS)
        return tuple(self._view(row, its, None) for row, its in zip(rows, workers, strict=True))

    def _view(self, row: JoinTokenRow, workers: tuple[str, ...], secret: str | None) -> JoinTokenView:
        return JoinTokenView(
            join_token_id=row.join_token_id,
            name=row.name,
            token=secret,
            state=self._joining.state(row),
            uses=row.uses,
            used=row.used,
            labels=row.labels,
            created_at=rfc3339(row.created_at) or "",
            created_by=row.created_by,
            expires_at=rfc3339(row.expires_at) or "",
            workers=workers,
        )
