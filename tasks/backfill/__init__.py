"""Many past days: units judged side by side, what they will cost, and how far each day is."""
