"""Old verdicts judged again: which flipped, and what caused each flip."""
