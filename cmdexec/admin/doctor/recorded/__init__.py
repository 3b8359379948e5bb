"""`cmdexec doctor --verify --history`: whether what was recorded outside of cmdexec can have come about as promised.

record   the format: a line for each thing that happened, and how such files are read
case     all that one case's lines say, put together by submission and by job
rules    what must be true of a case, each rule declared once
lines    the numbered lines that jobs of recorded cases write, and how their order is judged
verify   goes through files and applies the rules
"""
