"""The calls about workers, and about the tokens that machines join with."""

from cmdexec.client.caller import Caller
from cmdexec.protocol import accounts, fleet, requests
from cmdexec.protocol.accounts import JoinTokenView, NewJoinToken
from cmdexec.protocol.fleet import ChangeWorker
from cmdexec.protocol.requests import WorkerView


class FleetCalls(Caller):
    """Who works, and who may."""

    async def workers(self) -> tuple[WorkerView, ...]:
        """All workers that the server knows."""
        answer = await self._call("workers.list", requests.Nothing(), requests.WorkersView)
        return answer.workers

    async def worker(self, worker_id: str) -> WorkerView:
        """One of them. Raises Refused("not_found")."""
        return await self._call("workers.get", fleet.WorkerId(worker_id=worker_id), WorkerView)

    async def change_worker(self, change: ChangeWorker) -> WorkerView:
        """Drain a worker, let it take jobs again, name it, label it. Raises Refused("not_found")."""
        return await self._call("workers.change", change, WorkerView)

    async def revoke_worker(self, worker_id: str) -> WorkerView:
        """Shut a worker out for good. Its jobs count as if its lease were over."""
        return await self._call("workers.revoke", fleet.WorkerId(worker_id=worker_id), WorkerView)

    async def join_tokens(self) -> tuple[JoinTokenView, ...]:
        """All join tokens, without what is secret of them."""
        answer = await self._call("join_tokens.list", requests.Nothing(), accounts.JoinTokensView)
        return answer.join_tokens

    async def create_join_token(self, new: NewJoinToken | None = None) -> JoinTokenView:
        """Make one; only here `token` is told. Without `new`: for one machine, within an hour."""
        return await self._call("join_tokens.create", new or NewJoinToken(), JoinTokenView)

    async def revoke_join_token(self, join_token_id: str) -> JoinTokenView:
        """Nobody joins with it any more; who has joined stays."""
        request = accounts.JoinTokenId(join_token_id=join_token_id)
        return await self._call("join_tokens.revoke", request, JoinTokenView)
