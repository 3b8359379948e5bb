"""The worker: it takes jobs from a server, runs them within its slots, and brings back output and result."""
