"""What became of answers after they were decided on: deliveries, and what was really done with them."""
