"""The objects of the organisation: their fields, who may see them, and how `describe` shows them."""

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "id", "reference", "string", "email", "url", "picklist", "boolean", "currency", "double", "percent", "date",
    "datetime", "address",
]  # fmt: skip

_SOAP: dict[str, str] = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "currency": "xsd:double",
    "double": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "address": "urn:address",
}
NUMBERS = frozenset({"currency", "double", "percent"})


@dataclass(frozen=True)
class Field:
    """One field; `length` in characters for texts, `precision` and `scale` for numbers."""

    name: str
    kind: Kind
    length: int = 0
    precision: int = 0
    scale: int = 0
    nillable: bool = True
    references: tuple[str, ...] = ()
    part_of: str | None = None

    def describe(self) -> dict[str, Any]:
        """The field's entry in a describe answer: the keys of the real one that readers use."""
        custom = self.name.endswith("__c")
        return {
            "aggregatable": self.kind != "address",
            "autoNumber": False,
            "byteLength": self.length * 3 if self.kind not in {"id", "reference"} else 18,
            "calculated": False,
            "compoundFieldName": "BillingAddress"
            if self.name.startswith("Billing") and self.kind == "string"
            else None,
            "createable": self.kind not in {"id", "address"},
            "custom": custom,
            "defaultValue": False if self.kind == "boolean" else None,
            "deprecatedAndHidden": False,
            "digits": 0,
            "externalId": False,
            "filterable": self.kind != "address",
            "groupable": self.kind not in {*NUMBERS, "datetime", "address"},
            "idLookup": self.kind == "id",
            "label": self.name.removesuffix("__c").replace("_", " "),
            "length": self.length,
            "name": self.name,
            "nameField": self.name == "Name",
            "nillable": self.nillable,
            "permissionable": self.nillable and self.kind != "id",
            "picklistValues": [],
            "precision": self.precision,
            "referenceTo": list(self.references),
            "relationshipName": self.name.removesuffix("Id") if self.references else None,
            "scale": self.scale,
            "soapType": _SOAP.get(self.kind, "xsd:string"),
            "sortable": self.kind != "address",
            "type": self.kind,
            "unique": False,
            "updateable": self.kind not in {"id", "address"},
        }


@dataclass(frozen=True)
class Entity:
    """One object: `prefix` begins its records' ids."""

    name: str
    prefix: str
    fields: tuple[Field, ...]

    def visible(self, hidden: frozenset[str]) -> dict[str, Field]:
        """The fields that the user may read, by lower-case name; `hidden` holds `Object.Field` names."""
        return {each.name.lower(): each for each in self.fields if f"{self.name}.{each.name}" not in hidden}

    def describe(self, hidden: frozenset[str], version: str) -> dict[str, Any]:
        """The answer of `/sobjects/<name>/describe`; a field that the user may not read is absent."""
        base = f"/services/data/v{version}/sobjects/{self.name}"
        return {
            **self.summary(version),
            "childRelationships": [],
            "fields": [field.describe() for field in self.visible(hidden).values()],
            "recordTypeInfos": [],
            "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
        }

    def summary(self, version: str) -> dict[str, Any]:
        """The object's entry in the list of `/sobjects`."""
        base = f"/services/data/v{version}/sobjects/{self.name}"
        return {
            "custom": False,
            "keyPrefix": self.prefix,
            "label": self.name,
            "labelPlural": f"{self.name}s",
            "name": self.name,
            "queryable": True,
            "replicateable": True,
            "retrieveable": True,
            "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
        }


def _text(name: str, length: int = 255, *, nillable: bool = True) -> Field:
    return Field(name, "string", length=length, nillable=nillable)


def _reference(name: str, *to: str, nillable: bool = True) -> Field:
    return Field(name, "reference", length=18, nillable=nillable, references=to)


def _money(name: str) -> Field:
    return Field(name, "currency", precision=18, scale=2)


_FIRST = (
    Field("Id", "id", length=18, nillable=False),
    Field("IsDeleted", "boolean", nillable=False),
)
_LAST = (
    Field("CurrencyIsoCode", "picklist", length=3),
    Field("CreatedDate", "datetime", nillable=False),
    Field("LastModifiedDate", "datetime", nillable=False),
    Field("SystemModstamp", "datetime", nillable=False),
)

ENTITIES = (
    Entity(
        "Account",
        "001",
        (
            *_FIRST,
            _reference("MasterRecordId", "Account"),
            _text("Name", nillable=False),
            Field("Type", "picklist", length=255),
            Field("BillingCity", "string", length=40, part_of="BillingAddress"),
            Field("BillingCountry", "string", length=80, part_of="BillingAddress"),
            Field("BillingAddress", "address"),
            Field("Website", "url", length=255),
            Field("Contact_Email__c", "email", length=80),
            Field("Wholesale_Discount__c", "percent", precision=5, scale=2),
            _reference("OwnerId", "User", nillable=False),
            *_LAST,
        ),
    ),
    Entity(
        "Opportunity",
        "006",
        (
            *_FIRST,
            _reference("AccountId", "Account"),
            _text("Name", 120, nillable=False),
            Field("StageName", "picklist", length=255, nillable=False),
            _money("Amount"),
            Field("Probability", "percent", precision=3, scale=0),
            Field("CloseDate", "date", nillable=False),
            Field("IsClosed", "boolean", nillable=False),
            Field("IsWon", "boolean", nillable=False),
            _reference("OwnerId", "User", nillable=False),
            *_LAST,
        ),
    ),
    Entity(
        "OpportunityLineItem",
        "00k",
        (
            *_FIRST,
            _reference("OpportunityId", "Opportunity", nillable=False),
            _reference("Product2Id", "Product2"),
            Field("Quantity", "double", precision=12, scale=2, nillable=False),
            _money("UnitPrice"),
            _money("ListPrice"),
            _money("TotalPrice"),
            *_LAST,
        ),
    ),
    Entity(
        "Product2",
        "01t",
        (
            *_FIRST,
            _text("Name", nillable=False),
            _text("ProductCode"),
            Field("Family", "picklist", length=255),
            Field("IsActive", "boolean", nillable=False),
            _money("Cost__c"),
            *_LAST,
        ),
    ),
)
BY_NAME = {entity.name.lower(): entity for entity in ENTITIES}

HIDDEN = frozenset({"Product2.Cost__c"})
"""Fields that the integration user may not read: what PetCo pays for a product concerns no one outside purchasing."""
