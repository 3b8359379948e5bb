"""What ends a server: a signal lets it end, another hurries it, and a closed terminal never does the latter."""

import asyncio
import os
import signal

from cmdexec.server.signals import ending


async def told(which: signal.Signals) -> None:
    os.kill(os.getpid(), which)
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_closed_terminal_lets_it_end_and_hurries_nothing(hang_up: None) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()
    with ending(stop, hurry):
        await told(signal.SIGHUP)
        assert stop.is_set()
        await told(signal.SIGHUP)
        assert not hurry.is_set()
        await told(signal.SIGTERM)
        assert hurry.is_set()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


async def test_below_nohup_a_closed_terminal_means_nothing(hang_up: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop, hurry = asyncio.Event(), asyncio.Event()
    with ending(stop, hurry):
        await told(signal.SIGHUP)
        assert not stop.is_set()
        await told(signal.SIGTERM)
        assert stop.is_set()
        assert not hurry.is_set()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
