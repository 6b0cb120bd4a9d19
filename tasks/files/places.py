"""Where files lie: a disk, an object store (s3://, gs://, az://) or a web server (https://), read alike.

A file that is not on a disk is fetched into a folder of the run, read there like any other, and removed. So
every reader, budget and refusal is the same wherever a file comes from. Credentials are those of each cloud's
own ways (environment, instance or workload identity, and with boto3 the profiles of AWS); the configuration
holds none.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from tasks.errors import SourceError
from tasks.files import durable, objects, streams
from tasks.files.objects import STORES
from tasks.files.refusal import Refusal, shown
from tasks.files.web import Web

WEB = ("https", "http")
_SHOWN_FILES = 100_000
"""Files of one listing; more are a prefix too wide, and would be listed every night."""


@dataclass(frozen=True)
class Place:
    """One file; `name` is its path below where the pattern begins."""

    name: str
    address: str
    """For people: its path or URL."""
    size: int
    version: str
    """Another one when the content is another; empty where nobody can tell."""
    path: Path | None = None
    """Where it is on this disk."""
    base: str = ""
    """URL of the folder that it is below, where it is not."""
    key: str = ""
    """Its path below `base` as the store has it."""


def is_remote(pattern: str) -> bool:
    """Whether a path is a URL of a store or a web server."""
    return urlsplit(pattern).scheme in (*STORES, *WEB) and "://" in pattern


def listing(pattern: str, hidden: str = "._") -> list[Place]:
    """The files that a path, folder, glob or URL means, by name; what begins with one of `hidden` is left
    out.

    Raises:
        Refusal: nothing there. SourceError: the store or server cannot be reached, or lets nobody in.
    """
    if not is_remote(pattern):
        base, paths = streams.walk(pattern, hidden=hidden)
        return [_local(path, shown(path.relative_to(base).as_posix())) for path in paths]
    if urlsplit(pattern).scheme in WEB:
        return [_of_web(pattern)]
    return _of_store(pattern, hidden)


@contextmanager
def fetched(place: Place, folder: Path, limit: int) -> Iterator[Path]:
    """The file on this disk, for as long as it is read.

    Raises:
        Refusal: over its budget, or gone. SourceError: it could not be fetched.
    """
    if place.path is not None:
        yield place.path
        return
    if place.size > limit:
        raise Refusal("too_large", f"holds {place.size} bytes, the limit of limits.max_file_bytes is {limit}")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / (PurePosixPath(place.name).name or "file")
    try:
        if urlsplit(place.base).scheme in WEB:
            with Web("file", place.base) as web:
                web.download(place.key, target, limit)
        else:
            objects.fetch(place.base, place.key, target)
        yield target
    finally:
        target.unlink(missing_ok=True)


def mirror(url: str, folder: Path, limit: int) -> None:
    """Brings a folder to what a URL means: new and changed files are fetched, those that are gone removed.

    Raises:
        Refusal: nothing there. SourceError: the store cannot be reached, or a file leads out of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / ".versions.json"
    known = json.loads(state.read_text("utf-8")) if state.exists() else {}
    there = {place.key: place for place in listing(url)}
    kept: dict[str, str] = {}
    for key, place in there.items():
        target = folder / key
        if not target.resolve().is_relative_to(folder.resolve()) or "\x00" in key:
            raise SourceError(f"{shown(place.address)}: its name leads outside the folder; rename it")
        if known.get(key) != place.version or not place.version or not target.exists():
            with fetched(place, folder / ".fetched", limit) as path:
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
        kept[key] = place.version
    for key in known.keys() - kept.keys():
        (folder / key).unlink(missing_ok=True)
    durable.replace(state, json.dumps(kept).encode())


def _local(path: Path, name: str) -> Place:
    try:
        status = path.stat()
    except OSError:  # the reader says what is wrong with it
        return Place(name, str(path), 0, "", path)
    return Place(name, str(path), status.st_size, f"{status.st_mtime_ns}", path)


def _of_web(url: str) -> Place:
    base, _, name = url.rpartition("/")
    if glob.has_magic(name) or not name:
        raise Refusal(
            "missing", "a web server cannot list files: name one, or use a store (s3://, gs://, az://)"
        )
    with Web("file", base) as web:
        headers = web.head(name)
    version = headers.get("etag") or headers.get("last-modified") or ""
    size = int(headers.get("content-length") or 0)
    return Place(shown(name), url, size, version, None, base, name)


def _of_store(url: str, hidden: str) -> list[Place]:
    root, pattern = _split(url)
    if pattern is None:
        parent, _, name = root.rstrip("/").rpartition("/")
        if "://" in parent and (one := _head(parent, name)) is not None:
            return [one]
        pattern = "**"
    matches = re.compile(_expression(pattern))
    places = []
    with objects.told(root):
        for page in objects.library().list(objects.open_store(root)):
            for meta in page:
                name = meta["path"]
                if matches.fullmatch(name) and not any(part[:1] in hidden for part in name.split("/")):
                    places.append(_place(root, name, meta))
            if len(places) > _SHOWN_FILES:
                raise Refusal(
                    "too_large", f"matches more than {_SHOWN_FILES} files; name a folder with fewer"
                )
    if not places:
        raise Refusal("missing", "no file there, or none matches")
    return sorted(places, key=lambda place: place.name)


def _split(url: str) -> tuple[str, str | None]:
    """URL of the folder that a pattern begins at, and the pattern below it; None for a file or folder."""
    scheme, _, rest = url.partition("://")
    parts = rest.split("/")
    magic = next((at for at, part in enumerate(parts) if at and glob.has_magic(part)), None)
    if magic is None:
        return url, None
    return f"{scheme}://{'/'.join(parts[:magic])}", "/".join(parts[magic:])


def _expression(pattern: str) -> str:
    """A glob as a regular expression over names with `/`: `**` is any number of folders."""
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    out = ""
    for part in re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern):
        if part[:1] == "[" and part[-1:] == "]":
            inner = part[1:-1].replace("\\", "\\\\")
            out += f"[^{inner[1:]}]" if inner[:1] == "!" else f"[{inner}]"
        else:
            out += known.get(part) or re.escape(part)
    return out


def _place(root: str, name: str, meta: Any) -> Place:
    version = meta["e_tag"] or str(meta["last_modified"])
    return Place(shown(name), f"{root}/{name}", int(meta["size"]), version, None, root, name)


def _head(root: str, name: str) -> Place | None:
    """The file of that name, None where it is not a file but perhaps a folder."""
    with objects.told(root):
        try:
            return _place(root, name, objects.library().head(objects.open_store(root), name))
        except FileNotFoundError:
            return None
