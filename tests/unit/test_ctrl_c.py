"""Ctrl-C that waits until something is whole."""

import signal
import threading

import pytest

from cmdexec.system.ctrl_c import interrupted_later


def pressed_while_making(made: list[str], fault: Exception | None = None) -> None:
    with interrupted_later():
        signal.raise_signal(signal.SIGINT)
        made.append("folder")
        signal.raise_signal(signal.SIGINT)
        made.append("server")
        if fault is not None:
            raise fault


def test_what_is_begun_is_made_before_ctrl_c_counts() -> None:
    made: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        pressed_while_making(made)
    assert made == ["folder", "server"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_fault_of_the_block_is_what_counts() -> None:
    with pytest.raises(ZeroDivisionError):
        pressed_while_making([], ZeroDivisionError())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_it_nothing_happens() -> None:
    with interrupted_later():
        before = signal.getsignal(signal.SIGINT)
    assert before is not signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_there_is_nothing_to_wait_for() -> None:
    done: list[str] = []

    def work() -> None:
        with interrupted_later():
            done.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["done"]


def test_where_it_is_ignored_it_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupted_later():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
