"""Describes a folder of files, for the command that adds it as a source: `headwater-discover-files` prints JSON.

HEADWATER_SOURCE says as JSON where the files are: name, path, and in streams the settings of their files. The output
is {"tables": […], "notes": […], "left": […]} with a contract and the dialect of each stream, and the names of those
that can't be read as they are; or {"error": …} with exit status 1.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
from headwater_contracts import Column, ColumnType, Contract, Write, table_name
from headwater_contracts.render import render

from tap_files.csvfile import CsvFile
from tap_files.errors import FilesError
from tap_files.jsonlines import JsonLinesFile
from tap_files.reading import Reading
from tap_files.settings import PROGRAM
from tap_files.store import S3_SETTINGS
from tap_files.streams import ADDED, DELETED_AT, KEY, MODIFIED, Files, FileStream

VARIABLE = "HEADWATER_SOURCE"
_LAKE = "PYICEBERG_CATALOG__LAKE__"
_VARIABLES = dict(
    zip(S3_SETTINGS, ("S3__ENDPOINT", "S3__REGION", "S3__ACCESS_KEY_ID", "S3__SECRET_ACCESS_KEY"), strict=True)
)
"""The lake's own credentials: setting → variable, after _LAKE."""
_DIALECT = ("delimiter", "quote", "escape", "header", "skip", "skip_below", "decimal", "comment", "encoding")
MOST_NOTES = 5
_USUAL = {"quote": '"', "escape": '"', "skip": 0, "skip_below": 0, "decimal": ".", "comment": ""}


def candidates(stream: str, columns: Mapping[str, ColumnType]) -> list[str]:
    """Return the columns whose name says that they identify a row of `stream` (without prefix), the likeliest first."""
    names = {name.lower(): name for name in columns if columns[name].name in {"bigint", "text"}}
    singular = stream.removesuffix("s")
    if stream.endswith("ies"):
        singular = f"{stream.removesuffix('ies')}y"
    wanted = ("id", f"{singular}_id", f"{stream}_id", f"{singular}id", "uuid", f"{singular}_uuid", f"{singular}_key",
              f"{singular}_number", f"{singular}_no", "key")  # fmt: skip
    return list(dict.fromkeys(names[each] for each in wanted if each in names))


def key_of(files: Files, reading: Reading, stream: str) -> tuple[tuple[str, ...], int]:
    """Return the key, and the number of rows: the first candidate whose values are all there and all different.

    KEY (the place in the file) where there is none.
    """
    duck = files.scratch.duck
    wanted = candidates(stream, reading.kinds)
    duck.execute("create or replace temporary table headwater_keys as select * from (values (0::bigint)) t(n) limit 0")
    for number, name in enumerate(wanted):
        kind = "bigint" if reading.kinds[name].name == "bigint" else "varchar"
        duck.execute(f"alter table headwater_keys add column k{number} {kind}")
    rows = 0
    for batch in reading.batches():
        rows += batch.num_rows
        if wanted:
            taken = batch.select(wanted).rename_columns([f"k{number}" for number in range(len(wanted))])
            _insert(duck, taken, len(wanted))
    for number, name in enumerate(wanted):
        (found,) = duck.execute(f"select count(k{number}), count(distinct k{number}) from headwater_keys").fetchall()  # noqa: S608
        if rows and found == (rows, rows):
            return (name,), rows
    return KEY, rows


def _insert(duck: duckdb.DuckDBPyConnection, taken: Any, count: int) -> None:
    duck.register("headwater_new_keys", taken)
    names = ", ".join(f"k{number}" for number in range(count))
    duck.execute(f"insert into headwater_keys (n, {names}) select 0, {names} from headwater_new_keys")  # noqa: S608


def dialects(reading: Reading) -> tuple[dict[str, Any], list[str]]:
    """Return the settings of a stream's files in which all agree, and what they do not agree in: JSON's encoding."""
    found = [
        {name: getattr(each.dialect, name) for name in _DIALECT}
        if isinstance(each, CsvFile)
        else {"encoding": each.encoding}
        for each in reading.contents
        if isinstance(each, CsvFile | JsonLinesFile)
    ]
    if not found:
        return {}, []
    names = [name for name in _DIALECT if any(name in each for each in found)]
    differ = [name for name in names if len({each[name] for each in found if name in each}) > 1]
    said = {name: value for each in found for name, value in each.items()}
    agreed = {name: value for name, value in said.items() if name not in differ and _USUAL.get(name) != value}
    return agreed, differ


def contract(source: str, stream: FileStream, reading: Reading, key: Sequence[str]) -> str:
    """Return the text of a stream's contract: what it has now, nothing more."""
    required = {*ADDED, *key}
    columns = {name: Column(name, kind, name in required) for name, kind in reading.columns.items()}
    first, last = stream.files[0].name, stream.files[-1].name
    where = first if len(stream.files) == 1 else f"{len(stream.files)} at first, such as {last}"
    return render(
        Contract(
            source, stream.name, f"Files: {where}.", 1, tuple(key), replication_key=MODIFIED,
            write=Write.APPEND if tuple(key) == KEY else Write.MERGE, columns=columns,
        )
    )  # fmt: skip


def described(source: str, files: Files) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Return what is told of each stream, what a reader should know beside, and the streams that are left out.

    FilesError where no stream can be read, or a setting is wrong.
    """
    owners: dict[str, str] = {}
    found, notes, left = [], [], dict[str, str]()
    streams = files.streams()
    _check_names(source, streams)
    for stream in streams:
        name = stream.name.removeprefix(f"{source}_")
        try:
            told, known = _described(source, files, stream, name)
        except FilesError as error:
            left[name] = str(error)
            continue
        told["clash"] = None if (owner := owners.setdefault(told["table"], name)) == name else owner
        found.append(told)
        notes += [f"{name}: {each}" for each in known]
    if not found:
        raise FilesError("; ".join(left.values()))
    notes += [
        f"{name} is left out: {why}. Once it is right, take `leave_out` out of the Meltano file"
        for name, why in left.items()
    ]
    notes += [f"left out, its format is not read: {file.name}" for file in files.left[:10]]
    return found, notes, list(left)


def _described(source: str, files: Files, stream: FileStream, name: str) -> tuple[dict[str, Any], list[str]]:
    reading = Reading(files, stream, None, {})
    reading.prepare()
    key, rows = key_of(files, reading, name)
    if tuple(key) != KEY and DELETED_AT in reading.kinds:
        raise FilesError(
            f"column {DELETED_AT}: where rows are merged by key ({', '.join(key)}) it would be read as the time when a "
            "row was deleted; rename it in the files"
        )
    unread = _example(reading)
    if unread and not rows:
        raise FilesError(
            f"none of its {len(reading.misfits)} lines can be read, such as {unread}. Correct the files, or say its "
            "delimiter, quote, skip or encoding with set="
        )
    agreed, differ = dialects(reading)
    told = {
        "name": name,
        "stream": stream.name,
        "table": table_name(stream.name),
        "key": list(key),
        "replication_key": MODIFIED,
        "rows": rows,
        "files": len(stream.files),
        "contract": contract(source, stream, reading, key),
        "settings": agreed,
    }
    notes = [
        f"{each.file.name}: {note}" for each in reading.contents for note in each.notes
    ][:MOST_NOTES]  # fmt: skip
    if differ:
        notes.append(f"its files differ in {', '.join(differ)}, which is found out of each")
    notes += reading.notes
    if unread:
        notes.append(f"{len(reading.misfits)} lines can't be read and go to the quarantine, such as {unread}")
    return told, notes


def _example(reading: Reading) -> str:
    """Return the first line or row that can't be read: its file, and why; nothing where all can."""
    if not reading.misfits:
        return ""
    first = reading.misfits[0]
    return f"{json.loads(first['row'])['_file']}: {first['reason']}"


def _check_names(source: str, streams: Sequence[FileStream]) -> None:
    """Raise FilesError where a setting is of a stream that has no file."""
    unknown = [stream.name.removeprefix(f"{source}_") for stream in streams if not stream.files]
    if unknown:
        there = ", ".join(stream.name.removeprefix(f"{source}_") for stream in streams if stream.files)
        raise FilesError(f"settings of {', '.join(unknown)}: no file belongs to it; there are the streams {there}")


def discover(request: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the answer to a request. FilesError says what to do when there is nothing, or no way to it."""
    credentials = {name: environment.get(f"{_LAKE}{variable}", "") for name, variable in _VARIABLES.items()}
    place = {"path": request["path"], "stream_prefix": f"{request['name']}_", "streams": request.get("streams", {})}
    files = Files({**PROGRAM.defaults, **credentials, **place})
    try:
        tables, notes, left = described(request["name"], files)
    finally:
        files.close()
    return {"tables": tables, "notes": notes, "left": left}


def main() -> None:
    """Print what was found as one line of JSON."""
    try:
        answer = discover(json.loads(os.environ[VARIABLE]), os.environ)
    except (FilesError, ValueError) as error:
        answer = {"error": str(error)}
    print(json.dumps(answer, ensure_ascii=False), flush=True)
    sys.exit(1 if "error" in answer else 0)


if __name__ == "__main__":
    main()
