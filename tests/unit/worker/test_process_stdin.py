"""A job's standard input: a file of its own that holds what it was given, or nothing at all."""

import pytest

from tests.support.executor import begin, files_limit, held_by, opened, run

LARGE = bytes(range(256)) * 1024
"""256 KiB: more than a message between worker and warden, and more than a pipe takes."""


async def test_it_reads_what_it_was_given_to_the_end() -> None:
    async with opened() as executor:
        for data in (b"one line\n", LARGE):
            job = begin(executor, "cat", stdin=data)
            assert (await job.end()).exit_code == 0
            assert job.stdout == data


async def test_without_any_it_is_the_null_device() -> None:
    async with opened() as executor:
        job = await run(executor, "readlink", "/proc/self/fd/0")
        assert job.stdout == b"/dev/null\n"


async def test_each_has_its_own_and_none_is_seen_by_the_next() -> None:
    async with opened() as executor:
        jobs = [begin(executor, "cat", stdin=b"%d" % number) for number in range(20)] + [begin(executor, "cat")]
        for job in jobs:
            await job.end()
        assert [job.stdout for job in jobs] == [*(b"%d" % number for number in range(20)), b""]


async def test_who_never_reads_it_is_not_held_up() -> None:
    async with opened() as executor:
        assert (await begin(executor, "true", stdin=LARGE).end()).exit_code == 0


async def test_it_cannot_be_written_to() -> None:
    async with opened() as executor:
        job = begin(executor, "sh", "-c", "echo more >&0; cat", stdin=b"given")
        await job.end()
        assert job.stdout == b"given"
        assert job.stderr, "the shell is told so"


async def test_it_stands_in_no_argument_and_no_variable() -> None:
    async with opened() as executor:
        job = begin(executor, "sh", "-c", "cat /proc/$$/cmdline /proc/$$/environ | grep -c hush", stdin=b"hush")
        await job.end()
        assert job.stdout == b"1\n", "the command's own word alone"


@pytest.mark.parametrize("limits", ["cgroup", "watched"])
async def test_a_job_that_is_held_to_limits_gets_it_too(limits: str) -> None:
    async with held_by(limits) as executor:
        job = begin(executor, "cat", stdin=LARGE, cpu=1, ram_mb=200)
        await job.end()
        assert job.stdout == LARGE


async def test_where_many_files_are_open_it_is_handed_on_all_the_same() -> None:
    """Above the limit that jobs get, the C library hands on no descriptor."""
    with files_limit(24):
        async with opened(slots=40) as executor:
            jobs = [begin(executor, "sh", "-c", "cat; sleep 0.3", stdin=b"%d" % number) for number in range(40)]
            for job in jobs:
                await job.end()
            assert [job.stdout for job in jobs] == [b"%d" % number for number in range(40)]
