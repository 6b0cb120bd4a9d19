"""Text as agents write it: blocks, sentences, claims, words, passages, and what of it may be shown."""
