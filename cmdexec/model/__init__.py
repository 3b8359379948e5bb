"""The rules, pure: no I/O, no clock, no randomness. What happens comes in and what changes goes out as values."""
