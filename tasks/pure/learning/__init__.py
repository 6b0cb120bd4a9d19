"""What verifiers learn from, compute with and are measured by."""
