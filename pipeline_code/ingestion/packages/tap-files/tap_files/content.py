"""What a file contains, by its first bytes: compression, format, encoding; and its decoded text."""

from __future__ import annotations

import codecs
import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa

from tap_files.errors import FilesError
from tap_files.grouping import JSON, TABULAR, extension
from tap_files.store import File, Store

CSV, JSON_LINES, PARQUET = "csv", "jsonl", "parquet"
SAMPLE_BYTES = 1 << 20
"""Bytes of text by which a dialect and an encoding are found out."""
CHUNK_BYTES = 4 << 20
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_UNUSED_IN_CP1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")


def opened(store: Store, file: File) -> pa.NativeFile:
    """Return the bytes of a file as a stream, decompressed."""
    stream = store.open(file)
    magic = stream.read(4)
    stream.seek(0)
    kind = next((name for start, name in _MAGIC.items() if magic.startswith(start)), None)
    return stream if kind is None else pa.CompressedInputStream(stream, kind)


def sample(store: Store, file: File) -> bytes:
    """Return the first SAMPLE_BYTES of a file, decompressed. FilesError if the compression is broken."""
    try:
        with opened(store, file) as stream:
            return bytes(stream.read(SAMPLE_BYTES))
    except (OSError, pa.ArrowException) as error:
        raise FilesError(
            f"{store.path}, file {file.name} can't be read: {error}; write it anew, or take it out"
        ) from error


def layout(file: File, begins: bytes) -> str:
    """Return the format of a file: CSV, JSON_LINES or PARQUET. `begins` are its first bytes, decompressed."""
    if begins.startswith(b"PAR1"):
        return PARQUET
    kind, text = extension(file.name), begins.lstrip(b"\xef\xbb\xbf \t\r\n")
    if begins.startswith(b"PK\x03\x04"):
        raise FilesError(f"file {file.name} is a zip archive (or a spreadsheet): unpack it, or save it as CSV")
    if kind in JSON or (kind not in TABULAR and text.startswith(b"{")):
        return JSON_LINES
    if kind not in TABULAR and b"\x00" in begins and encoding(begins) != "utf-16":
        raise FilesError(f"file {file.name} is neither CSV nor JSON lines nor Parquet; move it out of the folder")
    return CSV


def encoding(begins: bytes) -> str:
    """Return the encoding of a text, by its first bytes: utf-8, utf-16 (also -le, -be), cp1252 or latin-1."""
    for mark, name in _MARKS.items():
        if begins.startswith(mark):
            return name
    even, odd = begins[0:4096:2].count(0), begins[1:4096:2].count(0)
    if max(even, odd) > len(begins[:4096]) // 8:
        return "utf-16-le" if odd > even else "utf-16-be"
    wrong, sound = _invalid(begins), _multibyte(begins)
    if wrong == 0 or sound >= wrong:
        return "utf-8"  # where some bytes are wrong, their lines are set aside
    return "latin-1" if _UNUSED_IN_CP1252 & set(begins) else "cp1252"


def doubts(found: str) -> tuple[str, ...]:
    """Return what is to be said of an encoding that `encoding` has found: of one byte a letter none is certain."""
    if found == "cp1252":
        return ("is no UTF-8 and is read as cp1252; if letters come out wrong, say `encoding`",)
    if found == "latin-1":
        wrong = "where it has control characters: it is in another `encoding`, say which"
        return (f"is no UTF-8 and is read as latin-1, {wrong}",)
    return ()


def _invalid(begins: bytes) -> int:
    """Return how many bytes are no UTF-8; a character that the end cuts off is not counted."""
    text = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode(begins)
    return text.count("\\x") - begins.count(b"\\x")


def _multibyte(begins: bytes) -> int:
    """Return how many characters beyond ASCII are right."""
    return sum(1 for each in begins.decode("utf-8", "ignore") if each > "\x7f")


def text_of(stream: IO[bytes] | pa.NativeFile, chosen: str) -> Iterator[bytes]:
    """Yield a text as UTF-8 without byte order mark. What is no text in its encoding is none in UTF-8 either, for the
    reader to find: bytes that are no UTF-8 stay as they are, those of another encoding are half of a surrogate pair.

    Raises UnicodeDecodeError for a UTF-16 or UTF-32 that is broken: where its lines end can't be told any more.
    """
    is_utf8 = chosen.lower().replace("_", "-") in {"utf-8", "utf8"}
    decoder = None if is_utf8 else codecs.getincrementaldecoder(chosen)("surrogateescape")
    first = True
    while chunk := stream.read(CHUNK_BYTES):
        if decoder is not None:
            chunk = decoder.decode(chunk).encode("utf-8", "surrogatepass")
        if first:
            chunk, first = chunk.removeprefix(codecs.BOM_UTF8), False
        yield bytes(chunk)
    if decoder is not None:
        yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")


def readable(raw: bytes) -> str:
    """Return what `text_of` has yielded as text for people: bytes that are none as \\xNN."""
    with contextlib.suppress(UnicodeError):  # bytes of a text that is said to be UTF-8
        raw = raw.decode("utf-8", "surrogatepass").encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "backslashreplace")


def texts(store: Store, file: File, chosen: str) -> Iterator[str]:
    """Yield a file's text in parts; a byte that is no UTF-8 is half of a surrogate pair. FilesError as `spooled`."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    with _explained(store, file, chosen), opened(store, file) as stream:
        for chunk in text_of(stream, chosen):
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)


def spooled(store: Store, file: File, chosen: str, folder: Path) -> Path:
    """Write a file's text as plain UTF-8 into `folder`; return where. FilesError where it can't be read."""
    target = folder / f"{hashlib.sha256(repr((file, chosen)).encode()).hexdigest()[:24]}.txt"
    if target.exists():
        return target
    scratch = target.with_suffix(".part")
    try:
        with _explained(store, file, chosen), opened(store, file) as stream, scratch.open("wb") as out:
            for chunk in text_of(stream, chosen):
                out.write(chunk)
    except FilesError:
        scratch.unlink(missing_ok=True)
        raise
    return scratch.replace(target)


@contextlib.contextmanager
def _explained(store: Store, file: File, chosen: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise FilesError(
            f"{store.path}, file {file.name} is not in {chosen}: {error.reason} at byte {error.start}; "
            "say another `encoding` for its stream"
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise FilesError(
            f"{store.path}, file {file.name} can't be read: {error}; write it anew, or take it out"
        ) from error
