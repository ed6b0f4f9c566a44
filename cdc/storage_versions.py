"""Which of DuckDB's storage versions a new file may be written in.

A storage version is read by the engine of that number and by later ones; a file keeps the one it
was made with. The default is the release before the oldest engine that Snowmelt itself runs with:
files are as small and as fast as in the newest version, and plain DuckDB of that release reads
them. DuckDB 2.0.0 besides marks its own version with a provisional number.
"""

from __future__ import annotations

from typing import Literal

StorageVersion = Literal["v1.0.0", "v1.2.0", "v1.3.0", "v1.4.0", "v1.5.0", "v2.0.0"]

STORAGE_VERSION: StorageVersion = "v1.5.0"
