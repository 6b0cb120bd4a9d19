"""The one tree of errors.

Each error is one sentence for people (what, where, what to do) and a type for programs. The exit status
belongs to the type, so that a failure means the same from every command.

    ClaimledgerError           2  every failure that the product explains
    ├── ConfigError            2  settings, a team's suites, keys and witnesses of the ledger
    ├── InputError             2  what a command was given: arguments, ranges, pairs, sheets, exports
    ├── ModelError             2  embedding models, verifiers, calibrations
    ├── LakeError              2  store, locks and files: what the disk refused, or another process holds
    ├── Unverifiable           2  the ledger's verification, proofs, witnesses: neither right nor wrong
    ├── GateError              1  the gate, references and reconciliation: nothing more is published
    ├── SourceError            1  sources, after their attempts
    ├── TimeLimitError         1  a stage that takes longer than it may
    └── IntegrityError         3  lake, ledger, proofs, re-audit: something is not what was written

Anything else that reaches the console is a bug and says so. Errors of calculations are caught where their
arguments came from: a ValueError of a parameter class is a ConfigError where the configuration is read,
ProofError, NoteError and CanonicalError become IntegrityError or Unverifiable in the ledger, SheetError and
Refusal a row of quarantine.
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


class TimeLimitError(ClaimledgerError):
    """A stage took longer than it may. No TimeoutError: that may pass, and would be tried again."""

    exit_code = BAD_ANSWER


class LakeError(ClaimledgerError):
    """The lake cannot be read or written: missing, read-only, full, locked by another process."""


class IntegrityError(ClaimledgerError):
    """The lake, the ledger or a proof does not verify."""

    exit_code = DAMAGED


class Unverifiable(ClaimledgerError):  # noqa: N818 - the contract's word
    """What cannot be judged for want of a schema, a key or a file: never the same as a failed check."""
