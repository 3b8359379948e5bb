"""The program whose output W3 follows writes as many bytes as the bench expects, at every size that is measured."""

import subprocess

import pytest

from cmdexec.admin.bench import w3_output


@pytest.mark.parametrize("megabytes", [1, 10, 1000])
def test_the_first_and_the_last_line_are_equally_long(megabytes: int) -> None:
    program, first, last = w3_output._command(megabytes * 1_000_000)
    assert program == "seq"
    assert len(first) == len(last) == w3_output._LINE - 1
    lines = int(last) - int(first) + 1
    assert lines * w3_output._LINE == w3_output._exactly(megabytes * 1_000_000)
    assert megabytes * 1_000_000 - w3_output._LINE < lines * w3_output._LINE <= megabytes * 1_000_000


def test_what_it_writes_is_as_long_as_expected() -> None:
    size = 1_000_000
    written = subprocess.run(w3_output._command(size), capture_output=True, check=True, timeout=30).stdout
    assert len(written) == w3_output._exactly(size)
    assert written.startswith(b"1000000000\n1000000001\n")
