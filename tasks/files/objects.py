"""Door to object stores (s3://, gs://, az://): one library for all, by conditional writes and without rename.

Credentials are those of each cloud's own ways (environment, instance or workload identity, and with boto3 the
profiles of AWS). A conditional write whose answer is lost is read back: whoever finds his own bytes there has
written them. So a write that is answered with 500, or not at all, and tried again, still happens once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tasks.errors import ClaimledgerError, SourceError
from tasks.files.refusal import shown

if TYPE_CHECKING:
    from obstore.store import ObjectStore

STORES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
RETRIES = 5
"""Attempts of the library after the first one, where a store answers 5xx, 429 or 409, or not at all."""
_ATTEMPTS = 4
"""Of a conditional write whose outcome was unknown, and that had not happened."""
_PAUSE_S = 0.5
_REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403 Forbidden")
_MISSING = ("NoSuchBucket", "ContainerNotFound")


@dataclass(frozen=True)
class Stored:
    """An object as it was read."""

    data: bytes
    tag: str
    """Another one when the content is another."""
    modified: datetime
    """By the store's clock."""


@dataclass(frozen=True)
class Objects:
    """The objects below a URL; keys are paths below it."""

    url: str
    error: type[ClaimledgerError] = SourceError
    """What a failure is, to those who read from here."""
    rights: str = "to list and to read"
    """What credentials must allow."""

    @property
    def store(self) -> ObjectStore:
        """The library's own object."""
        return open_store(self.url)

    @contextmanager
    def _told(self) -> Iterator[None]:
        with told(self.url, self.error, self.rights):
            yield

    def get(self, key: str, *, unless: str | None = None) -> Stored | None:
        """An object; None where there is none.

        Args:
            unless: a tag: NotModifiedError where the object still has it.
        """
        with self._told():
            try:
                result = library().get(self.store, key, options={"if_none_match": unless} if unless else None)
                data = bytes(result.bytes())
            except FileNotFoundError:
                return None
            meta = result.meta
            return Stored(data, str(meta["e_tag"]), meta["last_modified"])

    def names(self, prefix: str) -> Iterator[str]:
        """Keys below a prefix; a listing may lag behind what was written, so nothing may depend on it."""
        with self._told():
            for page in library().list(self.store, prefix=prefix):
                yield from (meta["path"] for meta in page)

    def create(self, key: str, data: bytes) -> str | None:
        """Writes a new object (`If-None-Match: *`): its tag; None where other bytes are there already."""
        return self._conditional(key, data, "create")

    def swap(self, key: str, data: bytes, tag: str) -> str | None:
        """Replaces an object that still has this tag (`If-Match`): its new one; None where it has not."""
        return self._conditional(key, data, {"e_tag": tag})

    def _conditional(self, key: str, data: bytes, mode: Any) -> str | None:
        kinds = exceptions()
        for attempt in range(_ATTEMPTS):
            try:
                return str(library().put(self.store, key, data, mode=mode, use_multipart=False)["e_tag"])
            except (kinds.AlreadyExistsError, kinds.PreconditionError, FileExistsError):
                there = self.get(key)
                return there.tag if there is not None and there.data == data else None
            except kinds.BaseError as error:
                there = self.get(key)
                if there is not None and there.data == data:
                    return there.tag
                if attempt + 1 == _ATTEMPTS or _is_for_good(error):
                    with self._told():
                        raise
            except OSError:
                with self._told():
                    raise
            time.sleep(_PAUSE_S * 2**attempt)
        raise AssertionError

    def put(self, key: str, data: bytes) -> None:
        """Writes an object, whatever is there."""
        with self._told():
            library().put(self.store, key, data, mode="overwrite", use_multipart=False)

    def copy(self, source: str, target: str) -> bool:
        """Copies an object within the store; False where there is none."""
        with self._told():
            try:
                library().copy(self.store, source, target)
            except FileNotFoundError:
                return False
            return True

    def delete(self, keys: Sequence[str]) -> None:
        """Removes objects; those that are not there are removed already."""
        with self._told():
            for at in range(0, len(keys), 1000):
                try:
                    library().delete(self.store, list(keys[at : at + 1000]))
                except FileNotFoundError:  # stores that delete one by one say so
                    for key in keys[at : at + 1000]:
                        _delete_one(self.store, key)


def _delete_one(store: ObjectStore, key: str) -> None:
    with suppress(FileNotFoundError):
        library().delete(store, key)


def fetch(url: str, key: str, target: Path) -> None:
    """Streams an object into a file."""
    with told(url), target.open("wb") as stream:
        for block in library().get(open_store(url), key).stream(min_chunk_size=2**20):
            stream.write(block)


def open_store(url: str) -> ObjectStore:
    """The store at a URL, with the credentials that the environment has."""
    from obstore.store import from_url

    scheme = urlsplit(url).scheme
    more: dict[str, Any] = {}
    if scheme in ("s3", "s3a"):
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        if endpoint:
            more["client_options"] = {"allow_http": endpoint.startswith("http://")}
            more["endpoint"] = endpoint
        if os.environ.get("AWS_PROFILE") and not os.environ.get("AWS_ACCESS_KEY_ID"):
            more["credential_provider"] = _profile()
    return from_url(url, retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(minutes=2)}, **more)


def _profile() -> Any:
    """Credentials of the profile of AWS that the environment names."""
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise SourceError(
            "AWS_PROFILE is set, and profiles are read by boto3; run `pip install boto3`"
        ) from None
    return Boto3CredentialProvider()


def library(error: type[ClaimledgerError] = SourceError) -> Any:
    """obstore.

    Raises:
        ClaimledgerError: it is not installed.
    """
    try:
        import obstore
    except ImportError:
        raise error(
            "s3://, gs:// and az:// need the package obstore; run `pip install 'claimledger[cloud]'`"
        ) from None
    return obstore


def exceptions(error: type[ClaimledgerError] = SourceError) -> Any:
    """The exceptions of obstore."""
    library(error)
    from obstore import exceptions as kinds

    return kinds


def _is_for_good(error: Exception) -> bool:
    kinds = exceptions()
    return isinstance(error, kinds.PermissionDeniedError | kinds.UnauthenticatedError) or any(
        code in str(error) for code in (*_REFUSED, *_MISSING)
    )


@contextmanager
def told(
    url: str, error_type: type[ClaimledgerError] = SourceError, rights: str = "to list and to read"
) -> Iterator[None]:
    """What a store refuses, in one sentence."""
    kinds = exceptions(error_type)
    missing = f"{shown(url, 300)}: no such bucket, container or file; correct the path"
    refused = (
        f"{shown(url, 300)}: the store refuses these credentials; they come from the environment, a profile "
        f"or this machine's identity, and must allow {rights}"
    )
    try:
        yield
    except FileNotFoundError:
        raise error_type(missing) from None
    except (kinds.PermissionDeniedError, kinds.UnauthenticatedError, PermissionError):
        raise error_type(refused) from None
    except kinds.NotModifiedError:
        raise
    except kinds.BaseError as error:
        reason = " ".join(str(error).split())
        if any(code in reason for code in _MISSING):
            raise error_type(missing) from None
        if any(code in reason for code in _REFUSED):
            raise error_type(refused) from None
        verb = "read" if rights.endswith("to read") else "used"
        raise error_type(f"{shown(url, 300)}: the store cannot be {verb} ({shown(reason, 300)})") from None
