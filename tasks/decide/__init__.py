"""Scores into verdicts and actions, by written policies, each with its reason."""
