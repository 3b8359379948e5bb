"""What tests share: real processes, the ledger that judges them, and waiting for facts."""
