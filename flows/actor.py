"""Who acts, as the ledger's events say: what was declared, Prefect's run, or the operating system's user.

`CLAIMLEDGER_ACTOR` comes first, because only the people know their roles; a name with `os:` or `prefect:` is
refused there, so that a declaration is never taken for what a system says.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
import sys

from tasks.errors import ConfigError

VARIABLE = "CLAIMLEDGER_ACTOR"
MAX_CHARACTERS = 128
"""A role, an account or a pipeline's name; it stays in the log for ever."""
_SYSTEMS = ("os:", "prefect:")
_PERSONAL = re.compile(r"[\w.+-]+@[\w-]+\.\w+|\d[\d ().-]{7,}\d")


def actor() -> str:
    """Who acts now: `release-bot` where that was declared, else `os:USER@HOST`, after Prefect's run if any.

    Raises:
        ConfigError: CLAIMLEDGER_ACTOR cannot stand in the ledger.
    """
    declared = os.environ.get(VARIABLE, "").strip()
    if declared:
        return _declared(declared)
    here = f"os:{_user()}@{_plain(socket.gethostname().partition('.')[0])}"
    run = _prefect_run()
    return f"prefect:{run}, {here}" if run else here


def _declared(name: str) -> str:
    problem = None
    if len(name) > MAX_CHARACTERS or not name.isprintable():
        problem = f"it is not a single line of at most {MAX_CHARACTERS} characters"
    elif '"' in name or "\\" in name:
        problem = "it holds quotes or backslashes"
    elif name.startswith(_SYSTEMS):
        problem = f"{' and '.join(_SYSTEMS)} are reserved for systems"
    elif _PERSONAL.search(name):
        problem = "it seems to hold an e-mail address or a person's number, and it is kept forever"
    if problem:
        raise ConfigError(f"{VARIABLE}: {problem}; give a role, an account or the name of a pipeline")
    return name


def _user() -> str:
    """The account that this process runs under, whatever its environment says."""
    try:
        import pwd

        return _plain(pwd.getpwuid(os.getuid()).pw_name)
    except ImportError:
        return _plain(getpass.getuser())
    except KeyError:
        return f"uid-{os.getuid()}"


def _prefect_run() -> str:
    """Of a deployment's run: how it was started, and its id; a flow that a person runs has none."""
    context = sys.modules.get("prefect.context")
    here = context.FlowRunContext.get() if context is not None else None
    run = here.flow_run if here is not None else None
    if run is None or run.deployment_id is None:
        return ""
    started = "schedule" if run.auto_scheduled else "request"
    if run.created_by is not None and run.created_by.id is not None:
        started = f"{_plain(str(run.created_by.type))} {run.created_by.id}"
    return f"{started}, flow run {run.id}"


def _plain(name: str) -> str:
    """A name of a system in the letters that one has."""
    return re.sub(r"[^\w.$-]", "_", name)[:64] or "unknown"
