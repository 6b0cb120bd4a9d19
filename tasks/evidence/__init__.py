"""Evidence for claims: documents, passages, embeddings, indexes, retrieval."""
