"""People: the review queue and its sheets, auditors' samples, erasure."""
