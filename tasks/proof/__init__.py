"""The tamper-evident ledger: its log, keys and proofs, and the check of all of it."""
