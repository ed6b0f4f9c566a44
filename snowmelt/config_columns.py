"""The section `columns` of a dataset: what is declared, what is left out, how many there may be."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from cdc.column_rules import MOST_COLUMNS, TYPE_PATTERN, ColumnRules, parse_type, problem_with
from cdc.columns import COLUMN_BUDGET

NO_INDEX = (
    "its indexes are written anew with every batch, and each snapshot would carry all of the file;"
    " scans are fast, and engine sqlite keeps indexes"
)


def _type(value: str) -> str:
    parse_type("", value)
    return value


ColumnType = Annotated[
    str, AfterValidator(_type), WithJsonSchema({"type": "string", "pattern": TYPE_PATTERN})
]
AttributeName = Annotated[str, Field(max_length=65_535)]


class ColumnsSection(BaseModel):
    """Columns follow the data but for what is said here.

    `declare`: attribute -> type, which never changes. `exclude`: attributes that are not stored.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    declare: dict[AttributeName, ColumnType] = {}
    exclude: tuple[AttributeName, ...] = ()
    budget: Annotated[int, Field(ge=0, le=MOST_COLUMNS)] = COLUMN_BUDGET

    @model_validator(mode="after")
    def _goes_together(self) -> ColumnsSection:
        columns = {name: parse_type(name, text) for name, text in self.declare.items()}
        if problem := problem_with(columns, self.exclude, self.budget):
            raise ValueError(problem)
        return self

    def rules(self) -> ColumnRules:
        """The section as capture takes it."""
        return ColumnRules(
            tuple(parse_type(name, text) for name, text in self.declare.items()),
            frozenset(self.exclude),
            budget=self.budget,
        )


def taken_out(dataset: Any) -> list[str]:
    """Take what only the peer understands by `columns` and `indexes` out; the keys' paths."""
    if not isinstance(dataset, dict):
        return []
    found = []
    if isinstance(dataset.get("columns"), list):
        del dataset["columns"]
        found.append("columns")
    acceleration = dataset.get("acceleration")
    if isinstance(acceleration, dict) and isinstance(acceleration.get("indexes"), dict):
        del acceleration["indexes"]
        found.append("acceleration.indexes")
    return found
