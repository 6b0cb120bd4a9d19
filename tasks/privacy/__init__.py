"""Outputs into findings: confidential data, and text that addresses whoever judges it."""
