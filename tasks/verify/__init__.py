"""Claims and passages into calibrated probabilities: the verifiers, and what measures them."""
