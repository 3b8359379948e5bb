"""The warden's loop: requests in, children reaped, deadlines kept, answers out; at the end of the lifeline, the end.

One thread, which waits only in `poll`. Deadlines are kept here and not in the worker, so that they hold while the
worker is stopped.
"""

import os
import select
import socket
import time
from collections import deque

from cmdexec.worker.warden import proc, wire
from cmdexec.worker.warden.command import Durations
from cmdexec.worker.warden.containment import Containment
from cmdexec.worker.warden.holds import Holds
from cmdexec.worker.warden.inside import spawn_held
from cmdexec.worker.warden.job import NEVER, Job, Timeouts
from cmdexec.worker.warden.leases import Leases
from cmdexec.worker.warden.limits import Part
from cmdexec.worker.warden.spawn import NO_FILES, CannotStartError, FilesLimit, input_file, spawn

_END_STEP_MS = 2
_LOOK_COST = 100
"""Noting who is whose may take a hundredth of the time."""
_LONGEST_PAUSE_MS = 3_600_000
"""poll(2) takes no more than 24 days."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Warden:
    """All jobs of one worker."""

    def __init__(
        self, lifeline: socket.socket, child_signals: int, containment: Containment, holds: Holds, files: FilesLimit,
        durations: Durations, why_watched: str,
    ) -> None:  # fmt: skip
        """`child_signals` is readable when a child has ended."""
        self._lifeline = lifeline
        self._child_signals = child_signals
        self._containment = containment
        self._holds = holds
        self._why_watched = why_watched
        self._files = files
        self._durations = durations
        self._jobs: dict[int, Job] = {}
        self._by_pid: dict[int, Job] = {}
        self._watched: dict[int, Job] = {}
        self._timeouts = Timeouts()
        self._poll = select.poll()
        self._leases = Leases(self._poll)
        self._answers: deque[wire.Message] = deque()
        self._urgent = True
        self._blocked = False
        self._held_since = 0.0
        self._look_at = 0.0
        self._cut = False

    def serve(self) -> None:
        """Run until the worker is gone; then nothing of any job is left, as far as KILL can do it."""
        told = (self._containment.mode, self._containment.place, self._holds.limits.kind, self._why_watched)
        self._answers.append((wire.HELLO, *told))
        self._poll.register(self._child_signals, select.POLLIN)
        self._poll.register(self._lifeline, select.POLLIN)
        self._poll.register(self._leases.descriptor, select.POLLIN)
        self._flush()
        try:
            while not self._cut:
                self._wait(self._pause_ms())
                now = time.monotonic()
                if self._timeouts.due <= now:
                    self._end_overdue()
                if self._leases.removals.due <= now:
                    self._leases.removals.go_on()
                if self._watched:
                    self._keep_deadlines()
                if self._look_at <= now and len(self._jobs) > 1:
                    self._note()
                if self._holds.due <= now:
                    self._hold_to_limits()
                if self._answers and (self._urgent or self._answers_due() <= now):
                    self._flush()
        finally:
            self._end()

    def _answers_due(self) -> float:
        return 0.0 if self._urgent else self._held_since + self._durations.hold

    def _pause_ms(self) -> int | None:
        due = min(self._timeouts.due, self._holds.due, self._leases.removals.due)
        if self._watched:
            due = min(due, min(job.due for job in self._watched.values()))
        if len(self._jobs) > 1:  # who hides can be taken for another job's only while there is one
            due = min(due, self._look_at)
        if self._answers and not self._blocked:
            due = min(due, self._answers_due())
        return None if due == NEVER else max(0, min(int((due - time.monotonic()) * 1000) + 1, _LONGEST_PAUSE_MS))

    def _wait(self, timeout_ms: int | None) -> None:
        ready = self._poll.poll(timeout_ms)
        if self._leases.over:  # before anything else: this process, or the machine, may have slept until now
            self._end_leased()
        for descriptor, events in ready:
            if descriptor == self._child_signals:
                os.read(self._child_signals, 4096)
                self._reap()
            elif descriptor == self._lifeline.fileno() and events & ~select.POLLOUT:
                self._take_requests()
            else:
                self._leases.removals.answered(descriptor)

    # Requests

    def _take_requests(self) -> bool:
        """Carry out what a message asks for. False when none waits."""
        try:
            data, descriptors = wire.receive(self._lifeline, wire.DESCRIPTORS_PER_MESSAGE)
        except BlockingIOError:
            return False
        except OSError:
            data, descriptors = b"", []
        if not data:
            self._cut = True
            return False
        try:
            self._carry_out(wire.unpack(data), iter(descriptors))
        finally:
            if descriptors:
                self._containment.leave()
                os.chdir("/")
        return True

    def _carry_out(self, requests: list[wire.Message], given: "Iterator[int]") -> None:
        for request in requests:
            match request:
                case (
                    wire.SPAWN, int(number), tuple(argv), dict(env), str(cwd), timeout, float(grace), float(cpu),
                    int(ram), lease, bytes(stdin),
                ):  # fmt: skip
                    ends = next(given, -1), next(given, -1)
                    leased = lease if isinstance(lease, tuple) else None
                    job = self._spawn(number, list(argv), env, cwd, ends, Part(cpu, ram), leased, stdin)
                    if job is not None and isinstance(timeout, float):
                        self._timeouts.add(job, time.monotonic() + timeout, grace)
                case (wire.LEASE, int(renewal), float(until)):
                    self._leases.renew(renewal, until)
                case (wire.KEEP, str(name), str(url), int(renewal), float(until)):
                    self._leases.keep(name, url, renewal, until)
                case (wire.LET_GO, str(name)):
                    self._leases.let_go(name)
                case (wire.STOP, int(number), float(grace)):
                    self._stop(number, grace)
                case (wire.DRAINED, int(number)):
                    self._drained(number)
                case (wire.LARGE, int(number)):
                    if (large := next(given, -1)) < 0:
                        self._answer((wire.FAILED, number, NO_FILES, True))
                    else:
                        self._carry_out(wire.unpack(wire.take_memory_file(large)), given)

    def _spawn(
        self, number: int, argv: list[str], env: dict[str, str], cwd: str, ends: tuple[int, ...], part: Part,
        lease: tuple[int, float] | None, stdin: bytes,
    ) -> Job | None:  # fmt: skip
        job = tree = share = None
        words = -1
        try:
            if ends[1] < 0:
                raise CannotStartError(NO_FILES, machine=True)
            if lease is not None:
                self._leases.check(*lease)
            if stdin:
                ends = (*ends, input_file(stdin))
            held = self._holds.limits.holds(part)
            tree = self._containment.take(alone=held and self._holds.limits.alone, spared=part.ram > 0)
            if held:
                share = self._holds.take(part, tree)
            if share is not None and share.inside:
                self._containment.leave()  # a copy of this process would be where this one is
                tree.prepare()
                pid, words = spawn_held(argv, env, cwd, ends, self._files, share, tree.joins)
            else:
                tree.enter()
                pid = spawn(argv, env, cwd, ends, self._files)
        except CannotStartError as error:
            self._answer((wire.FAILED, number, str(error), error.machine))
        except OSError as error:
            sentence = f"no place for its processes: {os.strerror(error.errno or 0)}"
            self._answer((wire.FAILED, number, sentence, True))
        else:
            tree.born(pid, env)
            job = self._jobs[number] = self._by_pid[pid] = Job(number, tree, pid)
            if lease is not None:
                self._leases.add(job)
            if share is not None:
                job.words = words
                self._holds.add(job, share, time.monotonic())
            if not self._answers:
                self._held_since = time.monotonic()
            self._answers.append((wire.STARTED, number, pid))
            tree = share = None
        finally:
            for end in ends:
                if end >= 0:
                    os.close(end)
        if share is not None:
            self._holds.limits.give_back(share)
        if tree is not None:
            self._containment.give_back(tree, clean=True)
        if self._answers and time.monotonic() - self._held_since > self._durations.hold:
            self._flush()
        return job

    def _stop(self, number: int, grace: float) -> None:
        job = self._jobs.get(number)
        if job is None or job.killed_at != NEVER:
            return
        self._watched[number] = job
        job.kill_at = min(job.kill_at, time.monotonic() + grace)
        if grace > 0:
            job.tree.terminate()

    def _end_overdue(self) -> None:
        """Tell those to end whose time is over; not those that have ended meanwhile, or were told before."""
        self._reap()
        for job, grace_sec in self._timeouts.over(time.monotonic()):
            if job.kill_at == job.killed_at == NEVER:
                job.timed_out = True
                self._stop(job.number, grace_sec)

    def _end_leased(self) -> None:
        """Kill those whose lease is over, unless a renewal waits to be heard."""
        while self._take_requests():
            continue
        if self._cut or not self._leases.over:
            return
        self._reap()
        self._leases.remove_containers()
        for job in self._leases.take_over():
            job.lease_over = job.code is None
            self._stop(job.number, 0)
        self._keep_deadlines()

    def _drained(self, number: int) -> None:
        job = self._jobs.get(number)
        if job is None:
            return
        job.drained = True
        if job.killed_at == NEVER:
            job.tree.terminate()

    def _hold_to_limits(self) -> None:
        """End those that are over a limit."""
        began = time.process_time()
        for job, sentence in self._holds.over():
            job.oom = sentence
            self._stop(job.number, 0)
        self._holds.looked(time.process_time() - began, time.monotonic())

    def _note(self) -> None:
        began = time.process_time()  # not the time that a busy machine kept it waiting, when looking matters most
        self._containment.note()
        cost = time.process_time() - began
        self._look_at = time.monotonic() + max(self._durations.look, _LOOK_COST * cost)

    # Ends

    def _reap(self) -> None:
        """Reap whoever has ended: main processes, and orphans that came to the warden."""
        orphans = False
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if ended is None:
                break
            job = self._by_pid.get(ended.si_pid)
            if job is None:
                self._reap_orphan(ended.si_pid)
                orphans = True
            else:
                _, status, usage = os.wait4(job.pid, 0)
                job.charge(usage)
                self._main_ended(job, os.waitstatus_to_exitcode(status))
        if orphans:
            for watched in list(self._watched.values()):
                self._look(watched)

    def _reap_orphan(self, pid: int) -> None:
        orphan = proc.read(pid)  # not reaped yet, so its number and its session still stand
        _, _, usage = os.wait4(pid, 0)
        tree = self._containment.reaped(pid)
        main = tree.pid if tree is not None else orphan.session if orphan is not None else 0
        if (job := self._by_pid.get(main)) is not None:
            job.charge(usage)

    def _main_ended(self, job: Job, code: int) -> None:
        job.code = code
        self._timeouts.drop(job)
        job.tree.main_reaped()
        if self._look(job):
            return
        if job.killed_at == NEVER:
            now = time.monotonic()
            job.drain_at = now + self._durations.drain
            job.look_again(now)
            self._watched[job.number] = job
            self._answer((wire.LINGERS, job.number))

    def _look(self, job: Job) -> bool:
        """Whether the tree of a job whose main process has ended is gone; then the job has ended."""
        if job.code is None or not job.tree.is_empty():
            return False
        self._finish(job, [f"{process}, of this job or another" for process in job.tree.doubtful()], clean=True)
        return True

    def _finish(self, job: Job, survivors: list[str], clean: bool) -> None:
        sentence, machine = job.last_words()
        self._answer((wire.UNBORN, job.number, sentence, machine) if sentence else job.ended(survivors))
        if job.share is not None:
            self._holds.drop(job)
            if clean:
                self._holds.limits.give_back(job.share)
        del self._jobs[job.number]
        del self._by_pid[job.pid]
        self._watched.pop(job.number, None)
        self._leases.drop(job)
        self._containment.give_back(job.tree, clean)

    def _keep_deadlines(self) -> None:
        now = time.monotonic()
        for job in [job for job in self._watched.values() if job.due <= now]:
            if self._look(job):
                continue
            if now - job.killed_at >= self._durations.kill and (survivors := job.tree.processes()):
                self._finish(job, [str(process) for process in survivors], clean=False)
            elif job.killed_at != NEVER or min(job.kill_at, job.drain_at) <= now:
                job.kill(now)
            else:
                job.look_again(now)

    # Answers

    def _answer(self, answer: wire.Message) -> None:
        """Send it when this turn ends."""
        if not self._answers:
            self._held_since = time.monotonic()
        self._answers.append(answer)
        self._urgent = True

    def _flush(self) -> None:
        while self._answers:
            count = min(len(self._answers), wire.ANSWERS_PER_MESSAGE)
            data = wire.pack([self._answers[index] for index in range(count)])
            try:
                wire.send(self._lifeline, data, [])
            except BlockingIOError:
                self._blocked = True
                self._poll.modify(self._lifeline, select.POLLIN | select.POLLOUT)
                return
            except OSError:
                self._cut = True
                return
            for _ in range(count):
                self._answers.popleft()
        self._urgent = False
        if self._blocked:
            self._blocked = False
            self._poll.modify(self._lifeline, select.POLLIN)

    # The end

    def _end(self) -> None:
        """Kill every tree and whatever else descends from this process."""
        deadline = time.monotonic() + self._durations.kill
        self._poll.unregister(self._lifeline)
        self._poll.unregister(self._leases.descriptor)
        self._leases.remove_containers()
        for job in self._jobs.values():
            job.loosen()
        while time.monotonic() < deadline:
            self._reap()
            for job in list(self._jobs.values()):
                if not self._look(job):
                    job.tree.kill()
            if not self._jobs:
                proc.stop_then_kill(self._containment.all)
                if not self._containment.all() and not self._leases.removals.pending:
                    break
            for descriptor, _ in self._poll.poll(_END_STEP_MS):
                self._leases.removals.answered(descriptor)
            if self._leases.removals.due <= time.monotonic():
                self._leases.removals.go_on()
        self._containment.close()
        self._holds.limits.close()
