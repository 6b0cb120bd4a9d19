"""Networks on this machine: which arithmetic a BERT encoder is computed with."""
