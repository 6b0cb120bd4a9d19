"""Where agent outputs come from: one module per outside system."""
