"""An application that reads its table from localhost, for the example: a count every ten seconds."""

import json
import time
import urllib.request

QUERY = b"SELECT count(*) AS items FROM pipelines"

while True:
    with urllib.request.urlopen("http://127.0.0.1:8090/v1/sql", QUERY, timeout=5) as answer:
        stale = answer.headers.get("X-Snowmelt-Stale", "false")
        print(json.dumps({"rows": json.load(answer), "stale": stale}), flush=True)
    time.sleep(10)
