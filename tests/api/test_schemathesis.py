"""schemathesis over the API's own description, briefly; `python -m tests.api.schemathesis_run` is the long run."""

from pathlib import Path

import pytest

from tests.api.schemathesis_run import MUST_REACH, SEED, run


@pytest.mark.timeout(120)
def test_what_the_description_allows_is_taken_and_nothing_else(tmp_path: Path) -> None:
    outcome = run(
        tmp_path, "--phases", "examples,fuzzing", "--max-examples", "10", "--seed", str(SEED), "--no-shrink", long=False
    )
    print(outcome.table())
    assert outcome.code == 0, outcome.output[-6000:]
    assert outcome.share >= MUST_REACH, outcome.table()
    assert sum(answers[status] for answers in outcome.answers.values() for status in answers if status >= 500) == 0
