"""Simulate seeds: `PYTHONHASHSEED=0 python -m tests.sim.whole --first 1 --seeds 500 [--step 2]`.

Prints what was seen as its last line (JSON), and before that the story of the first seed that goes wrong, if one does.
Resumable by the first seed: it tells now and then how far it has come. Sets go by the hash of strings, so that a seed
is the same again only with the same PYTHONHASHSEED.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter

from tests.sim.whole.run import simulate, story_of

_TELL_SEC = 30.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.whole")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--within-sec", type=float, default=float("inf"))
    asked = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {"PYTHONHASHSEED": "0"})
    seen: Counter[str] = Counter()
    began = told_at = time.monotonic()
    done = 0
    for seed in range(asked.first, asked.first + asked.seeds * asked.step, asked.step):
        outcome = simulate(seed)
        if outcome.violation is not None:
            sys.stdout.write(f"{story_of(outcome)}\n")
            return 1
        seen.update(outcome.seen)
        done += 1
        now = time.monotonic()
        if now - told_at > _TELL_SEC:
            told_at = now
            sys.stderr.write(f"{done} seeds in {now - began:.0f} s; go on with --first {seed + asked.step}\n")
        if now - began > asked.within_sec:
            break
    sys.stdout.write(f"{json.dumps({'seeds': done} | seen)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
