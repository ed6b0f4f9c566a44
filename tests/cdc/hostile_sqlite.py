"""Statements that no client may run on a SQLite file, each with what it tries."""

_CHAIN = ", ".join(f"a{i}(x) AS (SELECT l.x FROM a{i - 1} l, a{i - 1} r)" for i in range(1, 28))

# name, statement, an HTTP status that fits
HOSTILE: list[tuple[str, str, set[int]]] = [
    ("delete", "DELETE FROM flights", {400}),
    ("delete the rows", "DELETE FROM _snowmelt_rows", {400}),
    ("delete behind WITH", "WITH d AS (SELECT 1) DELETE FROM _snowmelt_rows", {400}),
    ("delete and return", "DELETE FROM _snowmelt_rows RETURNING *", {400}),
    ("insert", "INSERT INTO _snowmelt_counters VALUES ('x', 1)", {400}),
    ("replace", "REPLACE INTO _snowmelt_meta VALUES ('format', '99')", {400}),
    ("update", "UPDATE _snowmelt_checkpoint SET checkpoint = NULL", {400}),
    ("drop the table", "DROP TABLE _snowmelt_rows", {400}),
    ("drop the view", "DROP VIEW flights", {400}),
    ("alter", "ALTER TABLE _snowmelt_rows RENAME TO gone", {400}),
    ("create", "CREATE TABLE x (y)", {400}),
    ("create temporary", "CREATE TEMP TABLE x AS SELECT * FROM flights", {400}),
    ("create a view", "CREATE TEMP VIEW x AS SELECT * FROM _snowmelt_meta", {400}),
    (
        "create a trigger",
        "CREATE TEMP TRIGGER x AFTER INSERT ON flights BEGIN SELECT 1; END",
        {400},
    ),
    ("create a virtual table", "CREATE VIRTUAL TABLE x USING fts5(y)", {400}),
    ("two statements", "SELECT 1; SELECT 2", {400}),
    ("a second one that drops", "SELECT 1; DROP TABLE _snowmelt_rows", {400}),
    ("a second one behind a comment", "SELECT 1 /* ; */ ; -- \nDROP VIEW flights", {400}),
    ("nothing", "", {400}),
    ("a comment", "-- SELECT 1", {400}),
    ("NUL hides a second statement", "SELECT 1\0; DROP TABLE _snowmelt_rows", {400}),
    ("attach a file", "ATTACH '/etc/passwd' AS p", {400}),
    ("attach a new file", "ATTACH 'stolen.db' AS p", {400}),
    ("detach", "DETACH main", {400}),
    ("vacuum", "VACUUM", {400}),
    ("write a copy", "VACUUM INTO 'stolen.db'", {400}),
    ("writable schema", "PRAGMA writable_schema = ON", {400}),
    ("leave read-only", "PRAGMA query_only = OFF", {400}),
    ("journal mode", "PRAGMA journal_mode = DELETE", {400}),
    ("checkpoint", "PRAGMA wal_checkpoint(TRUNCATE)", {400}),
    ("where the file lies", "PRAGMA database_list", {400}),
    ("pragma as a table", "SELECT * FROM pragma_database_list", {400}),
    ("pragma as a function", "SELECT count(*) FROM pragma_table_info('_snowmelt_meta')", {400}),
    ("load an extension", "SELECT load_extension('/tmp/x.so')", {400}),
    ("read a file", "SELECT readfile('/etc/passwd')", {400}),
    ("write a file", "SELECT writefile('/tmp/x', 'y')", {400}),
    ("start an editor", "SELECT edit('x', 'touch /tmp/x')", {400}),
    ("tokenizer pointer", "SELECT fts3_tokenizer('simple', x'4141414141414141')", {400}),
    ("schema table", "SELECT sql FROM sqlite_master", {400}),
    ("schema table counted", "SELECT count(*) FROM sqlite_schema", {400}),
    ("internal table", "SELECT * FROM _snowmelt_meta", {400}),
    ("internal table in capitals", "SELECT value FROM MAIN._SNOWMELT_META", {400}),
    ("internal table counted", "SELECT count(*) FROM _snowmelt_quarantine", {400}),
    ("rows past the view", "SELECT _h FROM _snowmelt_rows", {400}),
    (
        "internal table under the view's name",
        "WITH flights AS (SELECT * FROM _snowmelt_checkpoint) SELECT * FROM flights",
        {400},
    ),
    (
        "identities under the view's name",
        "WITH flights AS (SELECT * FROM _snowmelt_rows) SELECT * FROM flights",
        {400},
    ),
    ("internal table in a subquery", "SELECT (SELECT value FROM _snowmelt_meta) v", {400}),
    ("pages of the file", "SELECT * FROM sqlite_dbpage", {400}),
    ("statistics of the file", "SELECT count(*) FROM dbstat", {400}),
    ("begin", "BEGIN IMMEDIATE", {400}),
    ("savepoint", "SAVEPOINT s", {400}),
    ("rollback", "ROLLBACK", {400}),
    ("analyze", "ANALYZE", {400}),
    ("reindex", "REINDEX", {400}),
    ("random", "SELECT random()", {400}),
    ("a text that is none", "SELECT CAST(x'ff' AS TEXT)", {400}),
    ("bind", "SELECT ?", {400}),
    ("half a surrogate", "SELECT '\ud800'", {400}),
    ("a gigabyte of zeros", "SELECT zeroblob(1000000000)", {400, 413}),
    ("more than a value may hold", "SELECT hex(printf('%2000000d', 1))", {413}),
    (
        "a gigabyte, joined",
        "SELECT group_concat(a.note || b.note || hex(c.note)) FROM flights a, flights b, flights c",
        {408, 413},
    ),
    (
        "a result without end",
        (
            "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r)"
            " SELECT printf('%100000d', x) FROM r"
        ),
        {413},
    ),
    (
        "a loop",
        "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r",
        {408},
    ),
    (
        "a wide row",
        "WITH t(x) AS (SELECT printf('%2000000d', 1)) SELECT " + ", ".join(["x"] * 99) + " FROM t",
        {413, 408},
    ),
    ("too many columns", "SELECT " + ", ".join(["1"] * 3000), {400, 413}),
    ("a deep expression", "SELECT " + "(" * 5000 + "1" + ")" * 5000, {400}),
    ("a long statement", "SELECT '" + "x" * 100_000 + "'", {413}),
    ("a chain that doubles", f"WITH a0(x) AS (SELECT 1), {_CHAIN} SELECT count(*) FROM a27", {408}),
    (
        "a search without a stop",
        (
            "WITH t(x) AS (SELECT replace(printf('%1900000d', 0), ' ', 'a'))"
            " SELECT instr(x, substr(x, 1, 900000) || 'b') FROM t"
        ),
        {408},
    ),
    (
        "a product",
        "SELECT count(*) FROM flights a, flights b, flights c, flights d, flights e",
        {408},
    ),
    (
        "a sort of everything",
        (
            "SELECT a.note || b.note AS x FROM flights a, flights b, flights c,"
            " flights d ORDER BY 1 DESC"
        ),
        {408, 413},
    ),
]
