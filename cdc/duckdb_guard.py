"""Which SQL a client may run: one SELECT over the dataset's view, judged on the engine's own tree.

Statement type and a read-only transaction are not enough: `WITH x AS (DELETE ...) SELECT` is typed
SELECT, and catalog functions, settings, environment and files are read by plain SELECTs. So the
tree from `json_serialize_sql` is walked, and everything in it must be known here:

    query nodes       select, set operation, recursive CTE
    table references  the dataset's view, CTEs in scope, subqueries, joins, pivots, a few functions
    functions         built-in, not volatile, none of those that tell or allocate too much

Single calls may allocate outside of the engine's memory limit, where no interrupt reaches them
(`repeat('x', 2000000000)` took 3.9 GB and 16 s under a limit of 500 MB), hence that list. Text that
is doubled in nested subqueries meets the limit (tried up to 2^28 times).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE"})
TABLE_REFS = frozenset(
    {"SUBQUERY", "JOIN", "EXPRESSION_LIST", "EMPTY", "EMPTY_FROM", "PIVOT", "COLUMN_DATA"}
)
MODIFIERS = frozenset(
    {
        "ORDER_MODIFIER",
        "LIMIT_MODIFIER",
        "LIMIT_PERCENT_MODIFIER",
        "DISTINCT_MODIFIER",
        "ORDER_DEFAULT",
        "ASCENDING",
        "DESCENDING",
    }
)
EXPRESSIONS = frozenset(
    {
        "BETWEEN",
        "CASE",
        "CAST",
        "COLLATE",
        "COLUMN_REF",
        "COMPARISON",
        "CONJUNCTION",
        "CONSTANT",
        "FUNCTION",
        "LAMBDA",
        "LAMBDA_REF",
        "OPERATOR",
        "POSITIONAL_REFERENCE",
        "STAR",
        "SUBQUERY",
        "TYPE",
        "WINDOW",
    }
)
TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series", "json_each", "json_tree"})
WINDOW_FUNCTIONS = frozenset(
    {
        *("row_number", "rank", "dense_rank", "rank_dense", "percent_rank", "cume_dist", "ntile"),
        *("lag", "lead", "first", "last", "first_value", "last_value", "nth_value", "fill"),
    }
)
# Volatile by the engine's catalog, and harmless.
HARMLESS = frozenset({"random", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "error"})
_TELLING = re.compile(
    r"""pg_(?!typeof$).* | has_.*_privilege | inet_.* | .*_description | __.*
      | current_(?!date$|time$|timestamp$|localtime.*).* | session_user | user | in_search_path
      | getenv | getvariable | nextval | currval | setval | setseed | sleep_ms | stats | vector_type
      | write_log | txid_current | version | get_block_size | parse_duckdb_log_message
      | json_(de)?serialize_.* | json_execute_.* | query.* | read_.* | duckdb_.* | pragma_.* | glob
      | checkpoint | force_checkpoint | which_secret | map_to_pg_oid
      # raw bytes taken for engine structures
      | to_aggregate_state | finalize | combine | variant_bytes_to_variant | remap_struct
      # one small call, unbounded memory
      | repeat | lpad | rpad | range | generate_series | generate_subscripts | bitstring
      | list_resize | array_resize | printf | format | st_.*""",
    re.VERBOSE,
)


class Refusal(ValueError):
    """Why a statement may not run; the text is for the client."""


def is_telling(name: str) -> bool:
    """True for functions that show or change more than the dataset, or allocate without bound."""
    return _TELLING.fullmatch(name) is not None


def check(tree: dict[str, Any], dataset: str, functions: Collection[str]) -> None:
    """Raise Refusal unless everything in the tree is allowed.

    `tree` is the root query node; `functions` are the lower-case names of the engine's built-in
    scalar and aggregate functions that are not volatile.
    """
    pending: list[tuple[Any, frozenset[str]]] = [(tree, frozenset())]
    while pending:
        node, scope = pending.pop()
        if isinstance(node, list):
            pending.extend((entry, scope) for entry in node)
        elif isinstance(node, dict):
            _check_node(node, scope, dataset, functions)
            pending.extend(_children(node, scope))


def _check_node(
    node: dict[str, Any], scope: frozenset[str], dataset: str, functions: Collection[str]
) -> None:
    kind = node.get("type")
    if "class" in node:
        _check_expression(node, functions)
    elif kind == "BASE_TABLE":
        _check_table(node, scope, dataset)
    elif kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", "")).lower()
        if node["function"].get("class") != "FUNCTION" or name not in TABLE_FUNCTIONS:
            raise Refusal(f"table function {name!r} is not available")
    elif kind == "SHOW_REF":
        if not node.get("query") or node.get("show_type") not in ("DESCRIBE", "SUMMARY"):
            raise Refusal("SHOW is not available; use DESCRIBE with the dataset's name")
    elif isinstance(kind, str) and kind not in QUERY_NODES | TABLE_REFS | MODIFIERS:
        raise Refusal(f"{kind.removesuffix('_NODE').replace('_', ' ').lower()} is not available")


def _check_expression(node: dict[str, Any], functions: Collection[str]) -> None:
    kind = node["class"]
    if kind == "PARAMETER":
        raise Refusal("parameters are not available")
    if kind not in EXPRESSIONS:
        raise Refusal(f"expression {str(kind).lower()!r} is not available")
    if "function_name" not in node:
        return
    name = str(node["function_name"]).lower()
    if node.get("schema") or node.get("catalog"):
        raise Refusal(f"function {name!r} must be called without a schema")
    if node.get("_table_function") or name in HARMLESS or name == "unnest":
        return
    if kind == "WINDOW" and name in WINDOW_FUNCTIONS:
        return
    if name not in functions or is_telling(name):
        raise Refusal(f"function {name!r} is not available")


def _check_table(node: dict[str, Any], scope: frozenset[str], dataset: str) -> None:
    name = str(node.get("table_name", ""))
    path = (node.get("qualified_name") or {}).get("path") or [name]
    if node.get("at_clause"):
        raise Refusal("AT is not available")
    if node.get("catalog_name") or len(path) > 2 or node.get("schema_name") not in ("", "main"):
        raise Refusal(f"table {'.'.join(map(str, path))!r} is not available")
    if node.get("schema_name") == "" and name.lower() in scope:
        return
    if name.lower() != dataset.lower():
        raise Refusal(f"table {name!r} is not available; the dataset is called {dataset!r}")


def _children(node: dict[str, Any], scope: frozenset[str]) -> Iterator[tuple[Any, frozenset[str]]]:
    """What lies below, each with the CTE names that are visible there."""
    if node.get("type") == "TABLE_FUNCTION" and "class" not in node:
        # Judged by its own list, so the scalar function of that name is not asked about.
        node = {**node, "function": {**node["function"], "_table_function": True}}
    if node.get("type") == "RECURSIVE_CTE_NODE":
        scope = scope | {str(node.get("cte_name", "")).lower()}
    for entry in (node.get("cte_map") or {}).get("map", ()):
        # A CTE sees the earlier ones and, unless it is recursive, not itself: its own name would
        # mean a table or a catalog view.
        yield entry["value"], scope
        scope = scope | {str(entry["key"]).lower()}
    for key, value in node.items():
        if key not in ("cte_map", "literal", "qualified_name") and isinstance(value, dict | list):
            yield value, scope
