"""The built page, read once: what is not in this table cannot be asked for."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

FOLDER = Path(__file__).parent / "static"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class NotBuilt(Exception):
    """The page's bundle is missing; the text says how to build it."""


@frozen
class Asset:
    """One file of the page."""

    body: bytes
    content_type: str
    etag: str


def load(folder: Path = FOLDER) -> Mapping[str, Asset]:
    """Read the files of `folder` by name; raises NotBuilt when the page is not among them."""
    assets = {
        file.name: _asset(file)
        for file in (folder.iterdir() if folder.is_dir() else ())
        if file.suffix in _TYPES
    }
    if missing := {"index.html", "app.js", "app.css"} - assets.keys():
        raise NotBuilt(f"{folder} has no {', '.join(sorted(missing))}: run `make setup`")
    return assets


def _asset(file: Path) -> Asset:
    body = file.read_bytes()
    return Asset(body, _TYPES[file.suffix], f'"{hashlib.sha256(body).hexdigest()[:16]}"')
