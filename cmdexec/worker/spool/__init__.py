"""What the worker keeps until the server has it: a journal of its attempts, and their output.

records   what a journal says
journal   the file of records: appended to before something is done, read again by the next process
segments  output on disk, in files that are deleted as they are acknowledged
stream    one stream of an attempt: in memory, on disk, sent, acknowledged
tail      the end of a stream that is longer than what is kept of it
output    both streams of an attempt: digest, cap, head and tail
spool     all of it under one bound for memory and one for the disk
"""
