"""Matches a file's columns with those of its stream, by name or by name in other capitals; and finds missing ones."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc
from headwater_contracts import ColumnType

from tap_files import partitions
from tap_files.errors import FilesError
from tap_files.inference import Evidence
from tap_files.jsonlines import JsonLinesFile
from tap_files.rows import Piece
from tap_files.scratch import Scratch
from tap_files.store import File
from tap_files.streams import Content


class Fitted:
    """A file whose columns are called as the stream's are."""

    def __init__(self, content: Content, known: Iterable[str], scratch: Scratch) -> None:
        """Take a file, and the names of columns that its stream has already; none of a first file."""
        self.content = content
        self._known = dict.fromkeys(known)
        self._duck = scratch.duck
        self._values: dict[str, pa.Scalar] = {}

    @property
    def _path(self) -> dict[str, str | None]:
        """Columns that the path says and the file has not."""
        own = {name.casefold() for name in self.content.columns}
        found = partitions.of_path(self.file.name)
        return {name: value for name, value in found.items() if name.casefold() not in own}

    @property
    def file(self) -> File:
        """The file."""
        return self.content.file

    @property
    def names(self) -> dict[str, str]:
        """Name in the file → name in the stream: the same, or in other capitals, or with a number behind it.

        Engines take names that differ in capitals for one. A file's `ID` is the stream's `id`, if the file has no `id`;
        where it has both, they are `id` and `ID_2`, and `ID` alone is `ID_2` from then on.
        """
        own = (*self.content.columns, *self._path)
        taken = {name.casefold(): name for name in self._known} | {n.casefold(): n for n in own if n in self._known}
        found: dict[str, str] = {}
        for name in own:
            other = taken.setdefault(name.casefold(), name)
            found[name] = name if name in self._known or other == name else self._other(name, other, own, found, taken)
        return found

    def _other(
        self, name: str, other: str, own: tuple[str, ...], found: Mapping[str, str], taken: dict[str, str]
    ) -> str:
        """Return how a column is called whose name `other` has in other capitals."""
        used = {*found.values(), *own}
        numbered = [f"{name}_{number}" for number in range(2, len(taken) + 3)]
        known = [each for each in numbered if each in self._known and each not in used]
        if not known and other in self._known and other not in used:
            return other
        chosen = known[0] if known else next(each for each in numbered if each.casefold() not in taken)
        taken[chosen.casefold()] = chosen
        return chosen

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns by the stream's names."""
        return tuple(self.names.values())

    def evidence(self, pinned: Mapping[str, ColumnType]) -> dict[str, Evidence]:
        """Return what its values tell of the columns' types."""
        known = {own: pinned[name] for own, name in self.names.items() if name in pinned}
        found = self.content.evidence(known)
        names = self.names  # JSON's are known only now
        return {names[own]: each for own, each in {**found, **partitions.told(self._duck, self._path, known)}.items()}

    def settle(self, kinds: Mapping[str, ColumnType]) -> None:
        """Take the columns' types. FilesError where the path says what is no value of its column."""
        names, path = self.names, self._path
        try:
            self._values = partitions.converted(self._duck, path, {own: kinds[names[own]] for own in path})
        except ValueError as error:
            raise FilesError(f"file {self.file.name}: {error}; rename its folder") from error

    def contradictions(self, kinds: Mapping[str, ColumnType]) -> Iterator[str]:
        """Yield what is to be told where the path says another value than a column of the file, which is read for it.

        `kinds` are those that it was settled with.
        """
        own = {name.casefold(): name for name in self.content.columns}
        path = {
            own[name.casefold()]: value
            for name, value in partitions.of_path(self.file.name).items()
            if name.casefold() in own
        }
        if not path:
            return
        names = self.names
        values: dict[str, pa.Scalar] = {}
        for column, value in path.items():
            with contextlib.suppress(ValueError):  # no value of the column's type: all rows have another
                values |= partitions.converted(self._duck, {column: value}, {column: kinds[names[column]]})
        rows, differ = 0, dict.fromkeys(path, 0)
        for piece in self.content.pieces({each: kinds[name] for each, name in names.items()}):
            rows += piece.batch.num_rows
            for column in path if piece.batch.num_columns else ():
                found, said = piece.batch.column(column), values.get(column)
                if said is None:
                    differ[column] += len(found)
                elif said.is_valid:
                    differ[column] += len(found) - (pc.sum(pc.equal(found, said)).as_py() or 0)
                else:
                    differ[column] += len(found) - found.null_count
        for column, count in differ.items():
            if count:
                yield (
                    f"file {self.file.name}: its path says {column}={path[column]}, and in {count} of {rows} rows "
                    f"the file's column {names[column]} has another value, which is stored"
                )

    def pieces(self, kinds: Mapping[str, ColumnType]) -> Iterator[Piece]:
        """Yield its rows (Piece) in the types of `kinds`, which it was settled with."""
        names, path = self.names, self._path
        for piece in self.content.pieces({own: kinds[name] for own, name in names.items()}):
            whole = piece.widened(self._values, path) if path else piece
            yield whole.renamed(names) if any(own != name for own, name in names.items()) else whole

    def lacks(self, expected: Iterable[str]) -> tuple[str, ...]:
        """Return which columns it does not have. Of JSON none is told: there a field without a value is left out."""
        if isinstance(self.content, JsonLinesFile):
            return ()
        own = set(self.columns)
        return tuple(name for name in expected if name not in own)

    def check(self, stream: str, key: Iterable[str]) -> None:
        """Raise FilesError where the file has none of the stream's columns, or lacks one of `key`."""
        if self._known and not set(self.columns) & set(self._known):
            raise FilesError(
                f"stream {stream}: {self.file.name} has the columns {shown(self.columns)}, the stream has "
                f"{shown(tuple(self._known))}, and none is in both. Put it into a folder of its own; or say the "
                "stream's `header` and `delimiter` in its Meltano file, or give the file a header"
            )
        if missing := self.lacks(key):
            raise FilesError(
                f"stream {stream}: {self.file.name} lacks {', '.join(missing)}, by which rows are told apart; it has "
                f"the columns {shown(self.columns)}. Correct the file, or take it out"
            )


def shown(names: tuple[str, ...]) -> str:
    """Return names as an error says them, the first of many."""
    return f"({', '.join(names[:5])}{', …' if len(names) > 5 else ''})"
