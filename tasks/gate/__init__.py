"""Tables into good rows and refused rows: checks, references, reconciliation, Great Expectations."""
