"""The review page: one waiting claim at a time beside its evidence, and what people decide of it."""
