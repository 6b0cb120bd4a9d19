"""What is in use: models, tools, agents and sources as outputs show them, against what the team declares."""
