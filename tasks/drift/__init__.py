"""Days into what changed: metrics, comparisons, change points, alarms."""
