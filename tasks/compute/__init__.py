"""How a BERT encoder is computed on this machine; what embeds and what verifies both stand on it."""
