"""Where the files are: a local folder, or a prefix of an object store."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from tap_files.errors import FilesError

S3_SETTINGS = ("s3_endpoint", "s3_region", "s3_access_key_id", "s3_secret_access_key")
_CONNECT_S, _REQUEST_S = 15.0, 60.0
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class File:
    """A file: its path below the root with `/` between the parts, its bytes, and when it was last written."""

    name: str
    size: int
    modified_us: int
    """Microseconds since 1970, by the store's clock."""

    @property
    def modified(self) -> dt.datetime:
        """Return the same as a time in UTC."""
        return _EPOCH + dt.timedelta(microseconds=self.modified_us)

    @property
    def order(self) -> tuple[int, str]:
        """Return what files are read in the order of: the later written replaces the earlier."""
        return self.modified_us, self.name


class Store:
    """The files below `path`: s3://bucket/prefix, or a folder (file:///… or a plain path)."""

    def __init__(self, path: str, config: Mapping[str, Any]) -> None:
        """Take the place; `config` may hold S3_SETTINGS, without which AWS's own chain finds region and credentials."""
        self.path = path
        parts = urlsplit(path)
        self._is_local = parts.scheme in {"", "file"}
        if self._is_local:
            self._root = str(Path(parts.path if parts.scheme else path).resolve())
            self._fs: fs.FileSystem = fs.LocalFileSystem()
        elif parts.scheme == "s3" and parts.netloc:
            self._root = f"{parts.netloc}/{parts.path.strip('/')}".rstrip("/")
            self._fs = _s3(path, parts.netloc, config)
        else:
            raise FilesError(f"path {path!r}: use s3://bucket/prefix, or a folder")

    def files(self) -> list[File]:
        """Return all files below the root, the oldest first. FilesError where they can't be listed."""
        try:
            found = self._fs.get_file_info(fs.FileSelector(self._root, recursive=True))
        except (OSError, pa.ArrowException) as error:
            raise FilesError(self._why(error)) from error
        files = [self._file(each) for each in found if each.type == fs.FileType.File and not each.path.endswith("/")]
        return sorted(files, key=lambda each: each.order)

    def open(self, file: File) -> pa.NativeFile:
        """Return a file for random access. FilesError where it can't be opened."""
        try:
            return self._fs.open_input_file(f"{self._root}/{file.name}")
        except (OSError, pa.ArrowException) as error:
            raise FilesError(f"{self.path}, file {file.name}: {error}") from error

    def _file(self, info: fs.FileInfo) -> File:
        name = info.path.removeprefix(self._root).lstrip("/")
        modified = info.mtime_ns // 1000
        if self._is_local:
            # A copy may keep the original's time: when it came here is what makes it new.
            modified = max(modified, os.stat(info.path).st_ctime_ns // 1000)
        return File(name, info.size, modified)

    def _why(self, error: Exception) -> str:
        text = str(error)
        if "NO_SUCH_BUCKET" in text or "NoSuchBucket" in text:
            return f"{self.path}: there is no such bucket; check the name and the region"
        if "ACCESS_DENIED" in text or "AccessDenied" in text or "Forbidden" in text:
            return (
                f"{self.path}: not allowed to list the files; ingestion needs s3:ListBucket on the bucket and "
                "s3:GetObject on the files (docs/sources.md)"
            )
        if isinstance(error, FileNotFoundError):
            return f"{self.path}: there is nothing there; check the path"
        return f"{self.path} can't be listed: {text}"


def _s3(path: str, bucket: str, config: Mapping[str, Any]) -> fs.FileSystem:
    endpoint, region, key, secret = (config.get(name) or None for name in S3_SETTINGS)
    if (key is None) != (secret is None):
        raise FilesError("s3_access_key_id and s3_secret_access_key go together: set both, or none")
    scheme, _, address = (endpoint or "").rpartition("://")
    try:
        if region is None and endpoint is None:
            region = fs.resolve_s3_region(bucket)
        return fs.S3FileSystem(
            access_key=key,
            secret_key=secret,
            region=region,
            scheme=scheme or "https",
            endpoint_override=address or None,
            connect_timeout=_CONNECT_S,
            request_timeout=_REQUEST_S,
        )
    except (OSError, pa.ArrowException) as error:
        raise FilesError(f"{path}: {error}") from error
