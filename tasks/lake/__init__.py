"""The lake: Parquet files, commits, locks, runs, and whether its bytes are still those committed."""
