"""Outputs into claims: blocks of Markdown, what is said without stating anything, checkable statements."""
