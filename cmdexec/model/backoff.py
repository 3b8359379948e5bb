"""How long to wait before trying again. Randomness is handed in as `jitter`, a float in [0, 1)."""

from cmdexec.model.job import Backoff

_EXPONENT_MAX = 60
"""2^60 times any first wait is beyond any bound; more would overflow a float."""


def retry_wait(backoff: Backoff, used: int, jitter: float) -> float:
    """Seconds before the next attempt, `used` retries having been granted before it.

    Full jitter: a random part of min(max_sec, first_sec × 2^used), but at least half of `first_sec`.
    """
    reach = min(backoff.max_sec, backoff.first_sec * 2.0 ** min(used, _EXPONENT_MAX))
    return min(max(reach * jitter, backoff.first_sec / 2), backoff.max_sec)


def reconnect_wait(failures: int, jitter: float, first: float, longest: float, bound: float | None = None) -> float:
    """Seconds before a worker connects again after so many failures in a row (0: the connection was lost just now).

    Full jitter, 0 … min(longest, first × 2^failures), and never over `bound`: while it holds jobs a quarter of the
    lease (promise 8).
    """
    reach = min(longest, first * 2.0 ** min(failures, _EXPONENT_MAX))
    if bound is not None:
        reach = min(reach, bound)
    return reach * jitter
