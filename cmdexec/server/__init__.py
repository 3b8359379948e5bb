"""The server: it takes jobs, gives them to workers, and keeps what comes of them."""
