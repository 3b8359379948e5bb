"""One test over many cases that all have to hold: it tries each of them, and names all that failed.

For tables that grow with the project, where a test for each cell would cost more to collect than to run."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest


def over(cases: Mapping[str, tuple[Any, ...]]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a test of a check whose first parameters are a case. The others are fixtures, the same for all cases."""
    assert cases, "a test over nothing cannot fail"
    of_case = len(next(iter(cases.values())))

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        def test(**fixtures: Any) -> None:
            failed = []
            for name, case in cases.items():
                try:
                    check(*case, **fixtures)
                except (Exception, pytest.fail.Exception) as wrong:
                    failed.append(f"{name}: {type(wrong).__name__}: {wrong}")
            assert not failed, f"{len(failed)} of {len(cases)} failed\n\n" + "\n\n".join(failed)

        test.__name__, test.__qualname__, test.__module__ = check.__name__, check.__qualname__, check.__module__
        test.__doc__ = check.__doc__
        signature = inspect.signature(check)
        of_test = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in [*signature.parameters.values()][of_case:]
        ]
        test.__signature__ = signature.replace(parameters=of_test)  # type: ignore[attr-defined]
        return test

    return decorate
