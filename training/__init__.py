"""Models for the product, made and measured. May import `tasks`; only the command `train` imports it."""
