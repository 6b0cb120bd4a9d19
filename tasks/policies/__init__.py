"""Policies as documents: what is wrong with them, and what another one would have decided."""
