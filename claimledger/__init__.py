"""What others may import: `claimledger.views`, the tables of a lake as analysts want them."""
