"""Verifiers, and what trains, packs, measures and applies them."""
