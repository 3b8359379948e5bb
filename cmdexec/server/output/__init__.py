"""Output: bytes in, bytes out. It is stored, hashed, read and followed here, and nothing here changes a job."""

from cmdexec.server.output.append import Appender
from cmdexec.server.output.follow import Follower, FollowEvent, JobEnded, NewAttempt, Piece
from cmdexec.server.output.measures import Measured, Measures
from cmdexec.server.output.read import OutputReader

__all__ = [
    "Appender", "FollowEvent", "Follower", "JobEnded", "Measured", "Measures", "NewAttempt", "OutputReader", "Piece",
]  # fmt: skip
