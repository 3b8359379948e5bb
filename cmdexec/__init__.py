"""Submit a command here, run it there, and lose nothing about it."""
