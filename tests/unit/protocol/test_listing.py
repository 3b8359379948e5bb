"""The words that a list is asked with are those that jobs have."""

from typing import get_args

from cmdexec.model.job import Reason, Status
from cmdexec.protocol.listing import ReasonWord, StatusWord


def test_a_list_can_be_asked_for_every_status_and_for_every_reason_of_a_job() -> None:
    assert set(get_args(StatusWord)) == {status.value for status in Status}
    assert set(get_args(ReasonWord)) == {reason.value for reason in Reason} - {"cancelled"}
