"""Who gets how many of what, when there may not be enough for all."""

from collections.abc import Sequence

import msgspec

from cmdexec.model.parts import Free, Part
from cmdexec.server.workers.classes import Classes
from cmdexec.server.workers.given import Claiming
from cmdexec.server.workers.groups import Waiting
from cmdexec.server.workers.member import Member


class Want(msgspec.Struct, frozen=True):
    """A worker that has room for so many, and the classes that it may take them from, the best first if `ahead`: that
    one's part is not free yet."""

    member: Member
    room: int
    choices: list[Waiting]
    ahead: bool = False


class Share(msgspec.Struct, frozen=True):
    """What a worker is to claim: up to `limit` jobs of these classes."""

    member: Member
    limit: int
    choices: Sequence[Waiting]
    ahead: bool = False

    def claiming(self, claim_id: str) -> Claiming:
        """The claim of that name."""
        parts = {one.klass: one.part for one in self.choices if one.part is not None}
        klasses = tuple(one.klass for one in self.choices)
        if not parts:
            return Claiming(claim_id, self.limit, klasses)
        free = self.member.free
        return Claiming(claim_id, self.limit, klasses, parts, Part(free.cpu, free.ram_mb), self.ahead)


async def share(classes: Classes, wanting: Sequence[Want]) -> list[Share]:
    """Who shall claim how many of what. One alone takes what there is; several are counted for first: as long as one
    has a free slot for a job, no other gets it in advance. Raises Unavailable."""
    if len(wanting) == 1:
        (only,) = wanting
        return [Share(only.member, only.room, only.choices, only.ahead)]
    asked = {one.klass: one for want in wanting for one in want.choices}
    unknown = [klass for klass, one in asked.items() if one.jobs is None]
    if unknown:
        await classes.count(unknown)
    return _Sharing(wanting, sorted(asked.values(), key=lambda one: one.rank)).shares()


class _Sharing:
    """Class by class, the best first; those that match the fewest classes first, so that the others stay free for what
    only they match."""

    def __init__(self, wanting: Sequence[Want], classes: Sequence[Waiting]) -> None:
        self._wanting = sorted(wanting, key=lambda want: (len(want.choices), -want.member.open_slots))
        self._left = {one.klass: one.jobs or 0 for one in classes}
        self._classes = classes
        self._takers: dict[str, list[int]] = {one.klass: [] for one in classes}
        parted = any(one.part is not None for one in classes)
        self._free = [Free(Part(want.member.free.cpu, want.member.free.ram_mb)) for want in self._wanting if parted]
        self._got: list[dict[str, int]] = [{} for _ in self._wanting]
        self._waits: set[int] = set()
        for index, want in enumerate(self._wanting):
            for one in want.choices[int(want.ahead) :]:
                self._takers[one.klass].append(index)

    def shares(self) -> list[Share]:
        """What each is to claim."""
        now = [min(want.member.open_slots, want.room) for want in self._wanting]
        self._hand_out(now)
        self._hand_out([want.room - sum(got.values()) for want, got in zip(self._wanting, self._got, strict=True)])
        for index, want in enumerate(self._wanting):
            first = want.choices[0] if want.ahead else None
            if first is not None and self._left[first.klass] and sum(self._got[index].values()) < want.room:
                self._left[first.klass] -= 1
                self._got[index][first.klass] = 1
                self._waits.add(index)
        return [
            Share(
                want.member, sum(got.values()), [one for one in want.choices if one.klass in got], index in self._waits
            )
            for index, (want, got) in enumerate(zip(self._wanting, self._got, strict=True))
            if got or want.member.claiming is not None
        ]

    def _hand_out(self, wants: list[int]) -> None:
        """Among those that have slots for it, at most so many each."""
        for one in self._classes:
            left, takers = self._left[one.klass], self._takers[one.klass]
            if not left or not takers:
                continue
            bounds = [
                wants[index] if one.part is None else self._free[index].times(one.part, wants[index])
                for index in takers
            ]  # fmt: skip
            for index, count in zip(takers, split(left, bounds), strict=True):
                if not count:
                    continue
                wants[index] -= count
                self._left[one.klass] -= count
                self._got[index][one.klass] = self._got[index].get(one.klass, 0) + count
                if one.part is not None:
                    self._free[index].take(Part(one.part.cpu * count, one.part.ram_mb * count))


def split(items: int, wants: Sequence[int]) -> list[int]:
    """`items` shared out as evenly as the wants allow, those who come first getting what does not divide.

    >>> split(5, [4, 1, 4])
    [2, 1, 2]
    """
    shares = [0] * len(wants)
    left = min(items, sum(wants))
    hungry = [index for index, want in enumerate(wants) if want > 0]
    while left > 0:
        each = max(1, left // len(hungry))
        for index in hungry:
            more = min(each, wants[index] - shares[index], left)
            shares[index] += more
            left -= more
        hungry = [index for index in hungry if shares[index] < wants[index]]
    return shares
