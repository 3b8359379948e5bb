"""What holds for every test: how hypothesis searches, assertions that explain themselves in shared code too, and that
nothing is skipped where everything has to be there (`CMDEXEC_REQUIRE_ALL=1`, as CI sets it)."""

import os
import signal
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.support")

# No deadline: a slow machine is no fault of the property. No database: a run depends on its seed alone.
settings.register_profile("cmdexec", deadline=None, database=None, print_blob=True)
settings.load_profile("cmdexec")


_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """A worker's command ignores, once it has ended, what would end its process; in this one come other tests."""
    before = {which: signal.getsignal(which) for which in _ENDING}
    yield
    for which, handler in before.items():
        if signal.getsignal(which) is signal.SIG_IGN and handler is not signal.SIG_IGN:
            signal.signal(which, handler)


def _refuse_a_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """A skip is a failure where all is required. A test that is expected to fail is no skip."""
    if os.environ.get("CMDEXEC_REQUIRE_ALL") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and CMDEXEC_REQUIRE_ALL=1 allows no skips. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_a_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_a_skip(report)
    return report
