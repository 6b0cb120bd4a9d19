"""Drift and flips: sums, comparisons, change points, causes, alarms, and the words for them."""
