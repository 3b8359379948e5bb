"""The page of a worker's window: served on loopback to that window alone, by the worker's own process."""
