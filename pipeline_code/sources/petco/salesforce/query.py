"""From a parsed query to rows: SQL over the object's relation, and how the rows are written."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from petco.api.shop import Snapshot
from petco.salesforce import soql
from petco.salesforce.errors import ApiError, invalid_field, malformed
from petco.salesforce.objects import BY_NAME, NUMBERS, Entity, Field
from petco.salesforce.relations import RELATIONS

_TEXTS = frozenset({"string", "email", "url", "picklist"})
_WANTED: dict[str, tuple[type, str]] = {
    **dict.fromkeys(_TEXTS | {"id", "reference"}, (str, "string")),
    **dict.fromkeys(NUMBERS, (Decimal, "double")),
    "boolean": (bool, "boolean"),
    "date": (date, "date"),
    "datetime": (datetime, "dateTime"),
}


@dataclass(frozen=True)
class Rows:
    """A result: the selected fields in their order, and a tuple of Python values a row."""

    entity: Entity
    fields: tuple[Field, ...]
    values: list[tuple[Any, ...]]

    def records(self, start: int, end: int, version: str) -> list[dict[str, Any]]:
        """The rows from `start` up to `end` as the REST API writes them."""
        base = f"/services/data/v{version}/sobjects/{self.entity.name}"
        return [
            {
                "attributes": self._attributes(row, base),
                **{each.name: _json(value) for each, value in zip(self.fields, row, strict=True)},
            }
            for row in self.values[start:end]
        ]

    def _attributes(self, row: tuple[Any, ...], base: str) -> dict[str, str]:
        own = {"type": self.entity.name}
        place = next((index for index, each in enumerate(self.fields) if each.kind == "id"), None)
        return own if place is None else {**own, "url": f"{base}/{row[place]}"}

    def csv(self, start: int, end: int) -> str:
        """The rows from `start` up to `end` as a query job's result writes them: all quoted, null is empty."""
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow([each.name for each in self.fields])
        writer.writerows([_cell(value) for value in row] for row in self.values[start:end])
        return text.getvalue()


def entity_named(name: str) -> Entity:
    """An object by its name in any letter case. Raises ApiError INVALID_TYPE."""
    entity = BY_NAME.get(name.lower())
    if entity is None:
        raise ApiError(
            400,
            "INVALID_TYPE",
            f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append "
            "the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate "
            "names.",
        )
    return entity


def run(snapshot: Snapshot, query: soql.Query, hidden: frozenset[str], *, deleted: bool) -> tuple[int, Rows]:
    """The number of rows of a query and the rows; of a COUNT() the number only.

    `hidden` fields do not exist for the user; `deleted` rows are found only if it is set. Raises ApiError.
    """
    entity = entity_named(query.entity.text)
    compiled = _Compiled(query, entity.visible(hidden))
    fields = tuple(compiled.field(name) for name in query.fields)
    selected = ", ".join(f'"{each.name}"' for each in fields) if fields else "count(*)"
    conditions = [] if deleted else ['NOT "IsDeleted"']
    if query.where is not None:
        conditions.append(compiled.condition(query.where))
    # Names come from the object's definition, values are parameters.
    statement = f"SELECT {selected} FROM ({RELATIONS[entity.name]}) AS relation"  # noqa: S608
    if conditions:
        statement += " WHERE " + " AND ".join(conditions)
    if not query.counts:
        # Records without an order come by id, so that every page is what it was.
        statement += " ORDER BY " + ", ".join([*map(compiled.order, query.order), '"Id"'])
    statement += f" OFFSET {query.offset}" + ("" if query.limit is None else f" LIMIT {query.limit}")
    rows = [tuple(row.values()) for row in snapshot.query(statement, compiled.parameters)]
    if query.counts:
        return int(rows[0][0]), Rows(entity, (), [])
    return len(rows), Rows(entity, fields, rows)


class _Compiled:
    """Turns names and conditions of one query into SQL, collecting the parameters."""

    def __init__(self, query: soql.Query, visible: dict[str, Field]) -> None:
        self._query = query
        self._visible = visible
        self.parameters: dict[str, Any] = {}

    def field(self, name: soql.Name) -> Field:
        found = self._visible.get(name.text.lower())
        if found is None:
            raise invalid_field(
                f"No such column '{name.text}' on entity '{entity_named(self._query.entity.text).name}'. If you are "
                "attempting to use a custom field, be sure to append the '__c' after the custom field name. Please "
                "reference your WSDL or the describe call for the appropriate names.",
                self._query.text,
                name.position,
            )
        return found

    def order(self, order: soql.Order) -> str:
        field = self._filterable(order.field, "sorted")
        direction = "DESC" if order.descending else "ASC"
        return f'"{field.name}" {direction} NULLS {"FIRST" if order.nulls_first else "LAST"}'

    def condition(self, condition: soql.Condition) -> str:
        if isinstance(condition, soql.Comparison):
            return self._comparison(condition)
        parts = [f"({self.condition(part)})" for part in condition.parts]
        return f"NOT coalesce({parts[0]}, FALSE)" if condition.joint == "NOT" else f" {condition.joint} ".join(parts)

    def _filterable(self, name: soql.Name, done: str) -> Field:
        field = self.field(name)
        if field.kind == "address":
            raise invalid_field(
                f"field '{field.name}' can not be {done} in a query call", self._query.text, name.position
            )
        return field

    def _comparison(self, comparison: soql.Comparison) -> str:
        field = self._filterable(comparison.field, "filtered")
        column = f'"{field.name}"'
        if comparison.values == (None,) and comparison.operator in {"=", "<>"}:
            return f"{column} IS {'NOT ' if comparison.operator == '<>' else ''}NULL"
        if comparison.operator == "LIKE" and field.kind not in _TEXTS:
            raise invalid_field("invalid operator", self._query.text, comparison.field.position)
        values = [self._parameter(field, value, comparison.field) for value in comparison.values]
        if field.kind in _TEXTS:
            # SOQL compares text without regard to letter case.
            column, values = f"lower({column})", [f"lower({value})" for value in values]
        match comparison.operator:
            case "<>":
                return f"{column} IS DISTINCT FROM {values[0]}"
            case "IN" | "NOT IN":
                return f"{column} {comparison.operator} ({', '.join(values)})"
            case operator:
                return f"{column} {operator} {values[0]}"

    def _parameter(self, field: Field, value: soql.Value, name: soql.Name) -> str:
        wanted, title = _WANTED[field.kind]
        fits = type(value) is wanted or value is None
        if not fits:
            quoted = " and should not be enclosed in quotes" if isinstance(value, str) else ""
            raise invalid_field(
                f"value of filter criterion for field '{field.name}' must be of type {title}{quoted}",
                self._query.text,
                name.position,
            )
        if isinstance(value, datetime) and value.tzinfo is None:
            raise malformed("a dateTime needs a time zone", self._query.text, name.position)
        key = f"value_{len(self.parameters)}"
        self.parameters[key] = value
        return f"%({key})s"


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    # The real service sends doubles: 450.0.
    return value.isoformat() if isinstance(value, date) else float(value) if isinstance(value, Decimal) else value


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    if isinstance(value, bool):
        return "true" if value else "false"
    plain = _json(value)
    return "" if plain is None else str(plain)


def compound(fields: Iterable[Field]) -> Field | None:
    """The first compound field among `fields`: query jobs refuse them."""
    return next((each for each in fields if each.kind == "address"), None)
