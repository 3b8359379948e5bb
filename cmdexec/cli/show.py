"""`cmdexec show`: everything there is to know about one job."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cmdexec.cli.caller import ONE_JSON, Caller, calls_server, json_option
from cmdexec.cli.colour import DIM, in_colour
from cmdexec.cli.facts import Fact, fact_lines
from cmdexec.cli.printed import print_json, print_lines, width

if TYPE_CHECKING:
    from cmdexec.client import Client
    from cmdexec.clock import Millis
    from cmdexec.protocol.requests import AttemptView, JobView, StreamView


@click.command()
@click.argument("name", metavar="JOB")
@json_option(ONE_JSON)
@calls_server
def show(caller: Caller, name: str, as_json: bool) -> None:
    """Show all about a job: why it waits or how it ended, its attempts, its output, what happened.

    JOB is an id, as much of one as `cmdexec jobs` shows, its name, or `last` for the newest of yours.

    Example: `cmdexec show last`
    """
    names: dict[str, str] = {}

    async def shown(client: "Client") -> "JobView":
        from cmdexec.cli.naming import find_job

        job = await client.status(await find_job(client, name))
        if not as_json and job.attempts:
            names.update({one.worker_id: one.name for one in await client.workers()})
        return job

    job = caller.call(shown)
    if as_json:
        print_json(job)
        return
    facts = [*_facts(job, caller.runtime.clock.now(), names), *_attempts(job, names), *_history(job, names)]
    print_lines(fact_lines(facts, width(), colour=in_colour(sys.stdout)))


def _facts(job: "JobView", now: "Millis", names: dict[str, str]) -> Iterator[Fact]:
    from cmdexec.cli.described import STYLES, how_it_stands, spent
    from cmdexec.cli.worded import ago, as_typed, local, millis

    yield "Job", job.job_id, None
    if job.name:
        yield "Name", job.name, None
    yield "Command", as_typed(job.command), None
    said, _ = spent(job, now)
    yield "Status", f"{how_it_stands(job)}, {said}" if said else how_it_stands(job), STYLES.get(job.status)
    yield from _reasons(job)
    created = millis(job.created_at)
    yield "Submitted", f"{local(job.created_at)}{f', {ago(created, now)}' if created else ''}, by {job.owner}", None
    if job.rerun_of:
        yield "Rerun of", job.rerun_of, None
    if job.run_at:
        yield "Not before", local(job.run_at), None
    if job.started_at:
        worker = names.get(job.worker_id or "", job.worker_id or "")
        yield "Started", local(job.started_at) + (f", on {worker}" if worker else ""), None
    if job.finished_at:
        yield "Ended", local(job.finished_at), None
    for label, value in _wishes(job):
        yield label, value, None
    yield from _output(job)


def _reasons(job: "JobView") -> Iterator[Fact]:
    """Why it waits, or why it ended so."""
    from cmdexec.cli.outcome import as_sentence, outcome
    from cmdexec.cli.worded import said_here

    if job.waiting_for:
        yield "Waiting", said_here(job.waiting_for), None
        if job.waiting_mend:
            yield "", said_here(job.waiting_mend), None
    if job.phase:
        yield "Now", as_sentence(job.phase), None
    if job.status in ("completed", "failed", "cancelled"):
        said = list(outcome(job).says)
        known = job.reason in ("exit", "signal")  # the status has it already
        if job.message and not known and not any(job.message.rstrip(".").lower() in one.lower() for one in said):
            same = job.status != "failed" or job.reason == "timeout"  # in the words of `cmdexec run`
            said = [as_sentence(job.message), *(said[1:] if same else said)]
        for place, sentence in enumerate(said):
            yield "" if place else "Why", sentence, None
    if job.status == "unknown":
        again = f"`cmdexec requeue {job.job_id} --accept-duplicate` runs it again, and it may then run twice."
        yield "", again, DIM


def _wishes(job: "JobView") -> Iterator[tuple[str, str]]:
    """What it asks for beyond the defaults."""
    from cmdexec.cli.worded import counted, duration, size

    needs = [f"{key}={value}" for key, value in job.labels.items()]
    needs += [] if job.cpu is None else [counted(int(job.cpu), "core") if job.cpu % 1 == 0 else f"{job.cpu:g} cores"]
    needs += [] if job.ram_mb is None else [f"{size(job.ram_mb << 20)} of memory"]
    limits = [] if job.timeout_sec is None else [f"ended after {duration(job.timeout_sec)}"]
    limits += [] if job.ttl_sec is None else [f"given up if not started within {duration(job.ttl_sec)}"]
    limits += [] if job.on_lost == "hold" else ["runs elsewhere when its worker is lost"]
    retries = f"{job.retries_used} of {job.max_retries} used"
    for label, said in (
        ("Container", _container(job)), ("Needs", ", ".join(needs)), ("Limits", ", ".join(limits)),
        ("Priority", str(job.priority) if job.priority else ""), ("Retries", retries if job.max_retries else ""),
        ("Tags", ", ".join(job.tags)), ("Variables", " ".join(job.env)),
        ("Input", size(job.stdin_bytes) if job.stdin_bytes else ""),
    ):  # fmt: skip
        if said:
            yield label, said


def _container(job: "JobView") -> str:
    """`alpine:3.20, with a network, as 1000:1000`: what differs from any other job in a container."""
    if job.container_image is None:
        return ""
    said = [job.container_image]
    said += ["with a network"] if job.network == "bridge" else []
    said += [f"pulled {job.pull}"] if job.pull in ("always", "never") else []
    said += [f"as {job.user}"] if job.user is not None else []
    return ", ".join(said)


def _output(job: "JobView") -> Iterator[Fact]:
    from cmdexec.cli.worded import counted, size

    if not job.attempts:
        return
    streams: list[tuple[str, StreamView]] = [("stdout", job.output.stdout), ("stderr", job.output.stderr)]
    said = [
        f"{name} {size(view.bytes)}" + {True: "", False: ", incomplete", None: ""}[view.whole] for name, view in streams
    ]
    yield "Output", "; ".join(said), None
    if job.usage:
        memory = size(int(job.usage.peak_rss_mb * 2**20))
        yield "Used", f"{job.usage.cpu_sec:.2f} s of CPU, {memory} of memory at most", None
    proof = job.attempts[-1].proof
    if proof is not None:
        names, count = ", ".join(proof.survivors), counted(proof.left, "process", "processes")
        left = f"{count}: {names}" if names and job.container_image is None else names or count
        none = "none of its processes" if job.container_image is None else "neither process nor container"
        yield "Left over", left if proof.left else none, None


def _attempts(job: "JobView", names: dict[str, str]) -> Iterator[Fact]:
    for place, attempt in enumerate(job.attempts if len(job.attempts) > 1 else ()):
        yield "" if place else "Attempts", f"{attempt.attempt}: {_attempt(attempt, names)}", None


def _attempt(attempt: "AttemptView", names: dict[str, str]) -> str:
    from cmdexec.cli.described import why
    from cmdexec.cli.worded import duration, local, millis

    worker = names.get(attempt.worker_id, attempt.worker_id)
    began, ended = millis(attempt.started_at), millis(attempt.finished_at)
    if began is None or ended is None:
        return f"on {worker} since {local(attempt.started_at)}"
    end = "completed" if attempt.ok else why(attempt)
    said = f"{end}, on {worker}, {local(attempt.started_at)}, ran {duration((ended - began) / 1000)}"
    return f"{said}: {attempt.message}" if attempt.message and attempt.reason not in ("exit", "signal") else said


def _history(job: "JobView", names: dict[str, str]) -> Iterator[Fact]:
    from cmdexec.cli.worded import local

    for place, line in enumerate(job.history):
        beside = ", ".join(part for part in (names.get(line.who or "", line.who), line.note) if part)
        said = f"{local(line.at)} {line.event} → {line.status}"
        yield "" if place else "History", said + (f" ({beside})" if beside else ""), DIM
