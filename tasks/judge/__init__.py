"""One unit of work through the rooms: its outputs up to committed verdicts, in four calls."""
