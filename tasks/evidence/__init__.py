"""Documents into passages, passages into candidates: corpus, embeddings, indexes, retrieval."""
