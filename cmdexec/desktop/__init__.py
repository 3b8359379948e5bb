"""The worker's window as a process of its own, and starting with the session."""
