"""The world into outputs: one module per outside system, one reader of records for all of them."""
