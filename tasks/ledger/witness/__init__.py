"""Who holds the ledger to its word from outside: witnesses, kept copies, time stamps."""
