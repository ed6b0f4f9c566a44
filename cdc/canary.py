"""One item that stands for a change: written to see how far it comes, and taken back.

The only module that writes to a table, for `snowmelt selftest` alone, by a role of its own. The
item has nothing but its key, so that no file gets a column by it, and a key that nobody else has:
where an attribute of it is a text, that begins with `snowmelt-selftest-`.
"""

from __future__ import annotations

import base64
import secrets

from cdc.keys import Item, KeyAttribute, KeySchema
from cdc.table_calls import TableCalls, key_schema

PREFIX = "snowmelt-selftest-"


class Canary(TableCalls):
    """The canary of one table; `write` makes it. Raises the errors of `cdc.errors`."""

    keys: KeySchema
    item: Item

    @property
    def words(self) -> list[str]:
        """The key as people type it (`snowmelt.keys`)."""
        return [str(self.item[each.name][each.type]) for each in self.keys.attributes]

    def write(self) -> None:
        """Put it where nothing is: 128 bits of its key are random."""
        self.keys = key_schema(self._describe_table())
        self.item = {each.name: {each.type: _value(each)} for each in self.keys.attributes}
        self._call(
            "dynamodb",
            "PutItem",
            self._table_name,
            TableName=self._table,
            Item=self._as_sent(),
        )

    def remove(self) -> None:
        """Take it back; it may be gone already."""
        self._call(
            "dynamodb",
            "DeleteItem",
            self._table_name,
            TableName=self._table,
            Key=self._as_sent(),
        )

    def _as_sent(self) -> Item:
        return {
            name: {"B": base64.b64decode(typed["B"])} if "B" in typed else typed
            for name, typed in self.item.items()
        }


def _value(attribute: KeyAttribute) -> str:
    unique = secrets.token_hex(16)
    if attribute.type == "N":
        return str(int(unique, 16))[:37].rstrip("0")
    text = f"{PREFIX}{unique}"
    return text if attribute.type == "S" else base64.b64encode(text.encode()).decode()
