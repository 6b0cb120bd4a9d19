"""HOW the world is touched: one door per heavy library or outside system, and the stages' tasks.

Telemetry is switched off here, before any library that has some can be imported.
"""

import os

for _name, _value in {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ANONYMIZED_TELEMETRY": "false",
}.items():
    os.environ[_name] = _value
# Prefect's own server may need longer than its default of 20 s to start on a small machine.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "90")
# Threads of PyTorch that wait give the processor away: by default they spin, and on a machine that does
# something else as well (2 cores, load 12) that cost six times the processor time of the work itself.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
