"""Hints between the parts of a server, and between servers. Losing every one costs latency, never a job."""
