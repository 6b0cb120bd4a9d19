"""What a report says, as small frames and sentences."""
