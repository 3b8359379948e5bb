"""What a turn of a worker needs besides its asks, however it came: over a socket or call by call."""

from cmdexec.errors import CmdexecError, Unavailable
from cmdexec.protocol.messages import Failure, Heartbeat
from cmdexec.server.workers.desk import Desk
from cmdexec.server.workers.member import Member
from cmdexec.server.workers.turn import Turn


async def listen(desk: Desk, member: Member, beat: Heartbeat) -> list[tuple[str, int]]:
    """What a heartbeat says of the worker itself; returns the attempts that its list lacks.

    One that only asks to start, or gives back, says nothing of whether the worker drains; one that a newer one overtook
    says nothing of that either, nor of what the worker lacks. Once it drains it is given nothing: no job is on its way
    when this heartbeat is answered, but those that were sent before.
    """
    news = member.process.is_news(beat.seq)
    if beat.stats is not None:
        member.stats = beat.stats
    if news and (beat.draining or beat.jobs is not None or not (beat.start or beat.released)):
        member.stirs |= member.draining is not beat.draining
        if beat.draining and not member.draining:
            desk.takes_no_more(member)
        member.draining = beat.draining
    if beat.start:
        member.wants_start(beat.start)
    missing: list[tuple[str, int]] = []
    if beat.jobs is not None and news:
        try:
            await desk.look_up(member)
            lost, missing = member.absent(beat.jobs, desk.now(), desk.lease.lease_sec)
            desk.give_again(member, lost)
        except Unavailable:
            missing = []  # the next list lacks it as well
        await desk.let_others()
    return missing


async def carry_out(desk: Desk, member: Member, turn: Turn) -> CmdexecError | None:
    """Carry out what a turn asks. What it could not is to be asked again: returns why."""
    asks = turn.next_asks()
    if not asks and not turn.beats:
        return None
    try:
        if turn.beats:
            await desk.renew(member.worker_id)
        if turn.declines:
            await desk.offers.look()
        if turn.roomless:  # or all that others are too busy for would go to it, over and over
            member.paused_until = desk.now() + desk.lease.heartbeat_sec
        while asks:
            turn.answered(await desk.jobs.turn(asks), desk.now())
            asks = turn.next_asks()
            if asks:
                await desk.let_others()
    except CmdexecError as away:
        turn.postponed(Failure(away.code, away.message, retry_after_sec=getattr(away, "retry_after", None)))
        return away
    for reply, index, parts in turn.beats:
        reply.set(index, parts.beat(desk.asked()))
    if turn.changed or member.stirs:
        member.stirs = not member.ready  # who is not ready yet is so when this has been answered
        desk.capacity.set()
    return None
