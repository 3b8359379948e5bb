"""Real services for the tests: each is started by a script, on loopback, with a folder of its own."""
