"""Samples, review queues and sheets, and what erasure leaves of a page."""
