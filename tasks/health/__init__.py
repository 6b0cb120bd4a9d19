"""Whether sources and corpora can be reached, and whether what they give is as usual."""
