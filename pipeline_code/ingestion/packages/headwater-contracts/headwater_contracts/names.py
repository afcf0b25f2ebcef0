"""The one rule of names: the name of a table, and so of its contract, its asset and its dbt source.

Every part accepts small ASCII letters, digits and `_`: PostgreSQL, DuckDB, Iceberg, Trino, Glue, dbt, and Dagster,
which refuses everything else (docs/decisions/0090-one-rule-of-names.md).
"""

from __future__ import annotations

import hashlib
import unicodedata

MOST_LETTERS = 200
"""Of a table's name: with `.yml` it is a file's, and Glue takes 255."""
_LETTERS = {"ß": "ss", "ẞ": "ss", "æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe", "ø": "o", "Ø": "o", "ł": "l", "Ł": "l",
            "đ": "d", "Đ": "d", "ð": "d", "Ð": "d", "þ": "th", "Þ": "th", "\u0131": "i"}  # fmt: skip
"""Latin letters that no mark makes."""


def table_name(stream: str) -> str:
    """Return the table name of a stream: small letters, digits and `_`.

    What is no letter or digit becomes `_`, letters lose their marks (`Größe` is grosse), and what Latin has no letter
    for is its code (`列` is u5217). A name of more than MOST_LETTERS ends in a digest of all of it.
    """
    found = "".join(map(_plain, unicodedata.normalize("NFC", stream))) or "_"
    if len(found) <= MOST_LETTERS:
        return found
    digest = hashlib.sha256(stream.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{found[: MOST_LETTERS - len(digest) - 1]}_{digest}"


def _plain(letter: str) -> str:
    if letter.isascii():
        return letter.lower() if letter.isalnum() else "_"
    if letter in _LETTERS:
        return _LETTERS[letter]
    parts = [each for each in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(each)]
    if parts and all(each.isascii() or (each in _LETTERS and each != letter) for each in parts):
        return "".join(map(_plain, parts))
    return "_" if unicodedata.category(letter)[0] in "PZC" else f"u{ord(letter):x}"
