"""The one tree of errors.

Each error is one sentence for people (what, where, what to do) and a type for programs. The exit code
belongs to the type, so that a failure means the same from every command.
"""

from __future__ import annotations

DONE, BAD_ANSWER, BAD_USAGE, DAMAGED, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143
"""The contract's exit statuses: done; done, and the answer is bad; bad usage, configuration or input; the
lake, the ledger or a proof does not verify; ended by Ctrl-C; ended by SIGTERM."""


class ClaimledgerError(Exception):
    """Base of every failure the product explains. `exit_code` is the contract's exit status."""

    exit_code = BAD_USAGE


class ConfigError(ClaimledgerError):
    """A configuration file, key or value that cannot be used."""


class InputError(ClaimledgerError):
    """A file, row or argument that cannot be used."""


class ModelError(ClaimledgerError):
    """A model folder, file or id that cannot be loaded or is not what it claims to be."""


class GateError(ClaimledgerError):
    """Done, and the answer is bad: a validation gate failed, a run does not reconcile."""

    exit_code = BAD_ANSWER


class SourceError(ClaimledgerError):
    """A source is down, missing or unreadable as a whole."""

    exit_code = BAD_ANSWER


class LakeError(ClaimledgerError):
    """The lake cannot be read or written: missing, read-only, full, locked by another process."""


class IntegrityError(ClaimledgerError):
    """The lake, the ledger or a proof does not verify."""

    exit_code = DAMAGED


class Unverifiable(ClaimledgerError):  # noqa: N818 - the contract's word
    """What cannot be judged for want of a schema, a key or a file: never the same as a failed check."""
