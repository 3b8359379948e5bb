"""How often somebody may do what: counters of calls in windows, and what they allow."""

from cmdexec.server.ratelimit.counters import Counters, MemoryCounters
from cmdexec.server.ratelimit.rates import Rates, Spent, TooOften

__all__ = ["Counters", "MemoryCounters", "Rates", "Spent", "TooOften"]
