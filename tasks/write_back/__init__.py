"""Verdicts go back to where the answers came from."""
