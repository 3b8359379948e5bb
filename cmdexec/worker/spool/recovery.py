"""Opening a spool, and what a new process makes of what the old one left in it."""

from dataclasses import dataclass
from pathlib import Path

from cmdexec.errors import CmdexecError
from cmdexec.model.attempt import Do, Record, Release, State, recover
from cmdexec.protocol.messages import Assignment, Done
from cmdexec.runtime import Runtime
from cmdexec.settings.worker import WorkerSettings
from cmdexec.worker.spool.journal import Journal, Remembered, Replay
from cmdexec.worker.spool.mark import SUFFIX
from cmdexec.worker.spool.output import AttemptOutput
from cmdexec.worker.spool.records import SessionBegins
from cmdexec.worker.spool.segments import left_behind, remove_all
from cmdexec.worker.spool.spool import Spool


@dataclass(slots=True)
class Found:
    """An attempt of an earlier process: its record as it stands now, and what is to be done about it."""

    record: Record
    do: tuple[Do, ...]
    output: AttemptOutput
    assignment: Assignment | None = None
    done: Done | None = None
    same_boot: bool = True

    @property
    def lives_on(self) -> bool:
        """What was started of it may still run, so it is to be taken up."""
        return self.record.state is State.RUNNING

    @property
    def wanted(self) -> bool:
        """Whether that may go on. Not what others may run by now; nor a job with an input: how much of it was handed
        over before its worker died nobody knows."""
        return not self.record.requeue and (self.assignment is None or not self.assignment.stdin)


def open_spool(
    folder: Path, boot: bytes, *, settings: WorkerSettings, runtime: Runtime
) -> tuple[Spool, list[Found]]:  # fmt: skip
    """Blocking: the spool in `folder` (made with mode 0700), and the attempts that are still to be told of.

    `boot` names the machine's run since its last start. Raises CmdexecError when the folder cannot be used.
    """
    try:
        out = folder / "output"
        for each in (folder, out):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        journal, replay = Journal.open(folder / "journal", boot)
        session = replay.session
        if session is None:
            session = runtime.ids.new()
            journal.append([SessionBegins(session)])
        spool = Spool(out, journal, session, settings=settings, runtime=runtime)
        files = left_behind(out)
        found = [_found(spool, key, known, replay, files.pop(key, {})) for key, known in replay.attempts.items()]
        for streams in files.values():
            remove_all(path for stream in streams.values() for path, _, _ in stream)
        remove_all(mark for mark in out.glob(f"*{SUFFIX}") if mark.name.removesuffix(SUFFIX) not in replay.attempts)
    except OSError as wrong:
        raise CmdexecError(
            "bad_data_dir",
            f"The spool in {folder} cannot be read or written: {wrong.strerror}.",
            field="DATA_DIR",
            mend="Make room on that disk or give the folder to this user, or name another with --data-dir.",
        ) from wrong
    return spool, found


def _found(
    spool: Spool, key: str, known: Remembered, replay: Replay, files: dict[str, list[tuple[Path, int, int]]]
) -> Found:
    same_boot = known.same_boot and not replay.torn
    outlives = known.assignment is not None and known.assignment.container is not None
    step = recover(_record(key, known), same_boot=same_boot, outlives=outlives)
    output = spool.begin(key, outlives=outlives)
    for stream in (output.stdout, output.stderr):
        name = "stdout" if stream is output.stdout else "stderr"
        for path, offset, size in files.get(name, []):
            stream.disk.adopt(path, offset, size)
    if known.done is not None:
        output.restore(known.done.output, known.done.inline)
    else:
        output.load()
        output.restore_unended()
    spool.adopt(output)
    return Found(step.record, step.do, output, known.assignment, known.done, same_boot)


def _record(key: str, known: Remembered) -> Record:
    """The model's record of what the journal says."""
    job_id, _, number = key.partition(".")
    record = Record(job_id, int(number), State.JOURNALED)
    if known.assignment is not None and known.assignment.on_lost == "requeue":
        record = Record(job_id, int(number), State.JOURNALED, requeue=True)
    if known.released is not None:
        release = Release(known.released.why)
        return Record(job_id, int(number), State.RELEASED, release=release, message=known.released.message)
    if known.done is not None:
        return Record(job_id, int(number), State.ENDED)
    return Record(job_id, int(number), State.RUNNING, record.requeue) if known.spawned else record
