"""What happened, as a signed log: events, Merkle tree, checkpoints, proofs, and the check of all of it."""
