"""WHEN things happen and in what order: flows, schedules and the console command."""
