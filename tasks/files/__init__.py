"""Durable writes and Parquet: the door to the disk, which knows nothing of the product."""
