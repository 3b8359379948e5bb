"""What waits at many sockets together is bounded, and whoever reads slowly pays for it."""

from dataclasses import replace

from cmdexec.link.pool import Pool
from cmdexec.link.socket import Close, Socket
from cmdexec.protocol.messages import OutputHeader
from tests.support.waiting import becomes
from tests.unit.link.test_socket import JOB, LIMITS, pair

PIECE = bytes(50_000)


def put(socket: Socket, pieces: int) -> None:
    for number in range(pieces):
        header = OutputHeader(job_id=JOB, attempt=1, stream="stdout", offset=number * len(PIECE))
        socket.put_output(header, PIECE)


async def test_beyond_what_may_wait_at_all_the_slowest_is_cut_and_no_other() -> None:
    pool = Pool(300_000)
    async with pair(pool=pool) as slow, pair(pool=pool) as quick:
        put(slow.here, 4)
        put(quick.here, 2)
        assert pool.total <= 300_000
        assert (slow.here.ended, quick.here.ended) == (True, False)
        assert slow.here.waiting_bytes == 0
        await quick.heard_there.until(lambda: len(quick.heard_there.output) == 2)
        put(quick.here, 5)
        await quick.heard_there.until(lambda: len(quick.heard_there.output) == 7)
        here, _ = await slow.ended()
        assert here.code == Close.TOO_SLOW
    await becomes(lambda: pool.total == 0, "nothing waits any more")


async def test_what_is_being_sent_counts_until_it_is_sent() -> None:
    pool = Pool(64_000_000)
    limits = replace(LIMITS, send_timeout_sec=0.3, queue_bytes=64_000_000, queue_items=1000)
    async with pair(limits, pool=pool, read_there=False) as slow:
        put(slow.here, 480)
        await becomes(lambda: 0 < slow.here.waiting_bytes < pool.total, "some of it is being sent")
        await slow.ended()
    assert pool.total == 0
