"""How long answers and refused records keep their content, and what is held back from that."""
