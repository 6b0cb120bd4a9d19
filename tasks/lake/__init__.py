"""The lake: tables, commits, locks, runs, and whether its bytes are still those committed."""
