"""Sentences and words: one definition of each."""
