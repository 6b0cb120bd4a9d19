"""Events, canonical bytes, Merkle trees, signed notes, proofs."""
