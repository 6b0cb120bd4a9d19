"""The console: verbs, progress, and every failure as one sentence with an exit code."""
