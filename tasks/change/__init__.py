"""What changed, whether it is real, and why: drift, re-audits, alarms."""
