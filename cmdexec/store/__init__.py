"""Where everything durable is kept: a contract, and one folder for each engine that keeps it."""
