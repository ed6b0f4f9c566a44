"""The same reads by DAX behind a cache in each process, to compare with. Pure.

A read that misses the process's own cache goes to the cluster; one that misses there goes on to the
table. By AWS's guide a miss is ten times the work of a hit, and 85 to 95 % hit. Two of three reads
cross a zone where callers and nodes are spread over three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from snowmelt.bill import Bill, Line, amount
from snowmelt.cost import DISK_FACTOR
from snowmelt.prices import GB, MONTH_HOURS, MONTH_SECONDS, US_EAST_1, Prices

LEAST_NODES = 3  # in three zones, as AWS recommends
WORK_OF_A_MISS = 10
HITS_A_SECOND = 75_000  # of a dax.r5.large
CROSS_ZONE_SHARE = 2 / 3


@dataclass(frozen=True, slots=True)
class Reads:
    """What applications ask. `lru_hits`, `dax_hits`: shares that the caches answer."""

    nodes: int
    reads_a_second: float
    item_bytes: int = 1024
    lru_hits: float = 0.8
    dax_hits: float = 0.9

    @property
    def of_cluster(self) -> float:
        """Reads a second that the cluster gets."""
        return self.nodes * self.reads_a_second * (1 - self.lru_hits)

    @property
    def of_table(self) -> float:
        """Reads a second that the table gets."""
        return self.of_cluster * (1 - self.dax_hits)

    @property
    def cluster_nodes(self) -> int:
        """Nodes of the cluster, by their work."""
        work = self.of_cluster - self.of_table + self.of_table * WORK_OF_A_MISS
        return max(LEAST_NODES, math.ceil(work / HITS_A_SECOND))


def dax_bill(reads: Reads, prices: Prices = US_EAST_1) -> Bill:
    """Cluster, misses, and bytes between zones."""
    units = math.ceil(reads.item_bytes / 4096) / 2  # eventually consistent
    crossing = reads.of_cluster * MONTH_SECONDS * reads.item_bytes * CROSS_ZONE_SHARE / GB
    month = amount(MONTH_SECONDS)
    return Bill(
        (
            Line(
                "nodes of the cluster",
                reads.cluster_nodes * MONTH_HOURS,
                "hour",
                prices.dax_node_hour,
                f"{reads.cluster_nodes} × {amount(MONTH_HOURS)} h",
            ),
            Line(
                "misses, read from the table",
                reads.of_table * MONTH_SECONDS * units,
                "read unit",
                prices.read_units_million / 1e6,
                f"{amount(reads.of_table)} a second × {month} s × {units:g}",
            ),
            Line(
                "bytes between zones",
                crossing,
                "GB across zones",
                prices.cross_zone_gb,
                f"{amount(reads.of_cluster)} a second × {month} s × {reads.item_bytes} B × 2/3",
            ),
        )
    )


def disks_of_fleet(nodes: int, file_bytes: int, prices: Prices = US_EAST_1) -> Line:
    """The volumes on which nodes keep the table; nothing where instances bring disks along."""
    size = nodes * file_bytes * DISK_FACTOR / GB
    formula = f"{amount(nodes)} × {file_bytes / GB:g} GB × {DISK_FACTOR:g}"
    return Line("volumes of the nodes", size, "GB-month of SSD", prices.volume_gb, formula)
