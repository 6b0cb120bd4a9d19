"""What people do with verdicts: reviews, auditors' samples, erasure."""
