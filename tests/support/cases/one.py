"""One case: run, recorded, judged. In a process of its own, so that cases run side by side and one that hangs is ended:
`python -m tests.support.cases.one NAME NUMBER SEED FOLDER STORE [LEASE_SEC]`; its last line is its outcome."""

import lzma
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

import msgspec

from cmdexec.admin.doctor.recorded.verify import Judged, judge
from cmdexec.errors import CmdexecError
from tests.support.cases.homes import HOMES
from tests.support.cases.kinds import KINDS, Kind
from tests.support.cases.world import bound_sec
from tests.support.recorder import Recorder

COUNTS_AS = {
    "C1": "lost", "C2": "wrong", "C3": "wrong", "C4": "wrong", "C5": "doubled", "C6": "wrong", "C7": "wrong",
    "C8": "wrong", "C9": "doubled", "C10": "wrong", "C11": "wrong", "C12": "lost", "C13": "doubled",
}  # fmt: skip
"""As what a finding of each rule is counted."""


class Outcome(msgspec.Struct, frozen=True):
    """How a case went: the line of a report. `found`: what the rules found, each with its rule's name; `failed`: what
    else went otherwise than it must."""

    case: str
    number: int
    seed: int
    seconds: float
    jobs: int
    faults: int
    lost: int
    doubled: int
    wrong: int
    history: str
    found: tuple[str, ...] = ()
    failed: str | None = None

    @property
    def well(self) -> bool:
        """Whether nothing was lost, doubled or wrong."""
        return not (self.lost or self.doubled or self.wrong or self.failed)


def run_one(
    kind: Kind, number: int, seed: int, folder: Path, lease_sec: float | None = None, store: str = "sqlite"
) -> Outcome:
    """Run it, on that store unless it can be on one alone; its history is in `folder` then, packed. What its servers
    and workers wrote is kept there too if anything went wrong. `lease_sec`: another lease than its own."""
    lease_sec = lease_sec or kind.lease_sec
    name = f"{kind.name.replace(chr(39), '-')}-{number:05}"
    plain, packed = folder / f"{name}.jsonl", folder / f"{name}.jsonl.xz"
    began = time.monotonic()
    recorder = Recorder(plain, kind.name, number, seed, bound_sec(lease_sec))
    place = Path(tempfile.mkdtemp(prefix=f"campaign-{name}-"))
    home = (kind.home or HOMES[store])(place)
    world, failed = kind.world(place, recorder, seed, lease_sec, home, **kind.settings), None
    try:
        with world:
            kind.run(world)
    except Exception:
        failed = traceback.format_exc()
    except BaseException:  # interrupted: as if it had never begun
        shutil.rmtree(place, ignore_errors=True)
        plain.unlink()
        raise
    finally:
        recorder.close()
    seconds = round(time.monotonic() - began, 1)
    judged, unread = _judged(plain)
    failed = failed or unread
    packed.write_bytes(lzma.compress(plain.read_bytes()))
    plain.unlink()
    counts = dict.fromkeys(("lost", "doubled", "wrong"), 0)
    found = []
    for one in judged.found if judged else ():
        counts[COUNTS_AS[one.name]] += one.wrong
        found += [f"{one.name} {job}: {said}" for job, said in one.told]
    outcome = Outcome(
        kind.name, number, seed, seconds, judged.jobs if judged else 0, world.faults, **counts, history=packed.name,
        found=tuple(found), failed=failed,
    )  # fmt: skip
    if outcome.well:
        shutil.rmtree(place)
    else:
        shutil.copytree(place, folder / name, dirs_exist_ok=True)
        shutil.rmtree(place)
    return outcome


def _judged(history: Path) -> tuple[Judged | None, str | None]:
    try:
        return judge([history]), None
    except CmdexecError as wrong:
        return None, wrong.message


def main() -> None:
    name, number, seed, folder, store, *lease = sys.argv[1:]
    outcome = run_one(KINDS[name], int(number), int(seed), Path(folder), float(lease[0]) if lease else None, store)
    print(msgspec.json.encode(outcome).decode())


if __name__ == "__main__":
    main()
