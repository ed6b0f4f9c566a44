"""Alerts about one node: is it there, does it serve, does it follow, has it room."""

from __future__ import annotations

from tests.observability.cases import (
    DATASET,
    NOBODY,
    READ_ANEW,
    READY,
    Cases,
    always,
    dynamodb,
    node,
    problem,
    role,
    state,
)

CASES = Cases()
fires, quiet = CASES.fires, CASES.quiet
EDGE, CENTRE = role("edge"), role("central")

# ---------------------------------------------------------------- reachable

fires("SnowmeltNoData", 10, about=NOBODY)
quiet("SnowmeltNoData", 9)
quiet("SnowmeltNoData", 60, node("snowmelt_build_info", always(1), version="0.1.0"))

fires("SnowmeltNodeDown", 10, node("up", "1x4 0x60"))
quiet("SnowmeltNodeDown", 9, node("up", "1x4 0x60"))
quiet("SnowmeltNodeDown", 60, node("up", always(0), job="postgres"))

TWO_ENDED = dynamodb("ready", "1x100"), dynamodb("ready", "0x100", instance="node-2")
fires("SnowmeltDatasetGone", 111, *TWO_ENDED, about=DATASET, value="2")
quiet("SnowmeltDatasetGone", 110, *TWO_ENDED)
# A pod that takes the place of another one has another name.
REPLACED = dynamodb("ready", "_x102 0x100", instance="node-2")
quiet("SnowmeltDatasetGone", 111, dynamodb("ready", "1x100"), REPLACED)

# ---------------------------------------------------------------- serving

fires("SnowmeltDatasetInError", 5, state("error"), state="error")
fires("SnowmeltDatasetInError", 5, state("error"), problem(3), state="error")
quiet("SnowmeltDatasetInError", 4, state("error"))
quiet("SnowmeltDatasetInError", 60, state("ready"), problem(7))
for code in (4, 5, 6, 8, 9, 11, 12):
    quiet("SnowmeltDatasetInError", 60, state("error"), problem(code))

UNREADY = dynamodb("ready", always(0))
fires("SnowmeltNotReady", 15, UNREADY, state("catching_up"))
quiet("SnowmeltNotReady", 14, UNREADY, state("catching_up"))
quiet("SnowmeltNotReady", 60, UNREADY, state("bootstrapping"))
quiet("SnowmeltNotReady", 60, UNREADY, state("error"))
quiet("SnowmeltNotReady", 60, READY, state("catching_up"))

STOPPED = dynamodb("bootstrap_rows", "0+100x10 1000x100")
fires("SnowmeltBootstrapStalled", 40, STOPPED, value="1k")
quiet("SnowmeltBootstrapStalled", 39, STOPPED)
quiet("SnowmeltBootstrapStalled", 60, dynamodb("bootstrap_rows", "0+1x100"))
quiet("SnowmeltBootstrapStalled", 40, dynamodb("bootstrap_rows", "1000x20"))

STALE = dynamodb("stale", always(1))
fires("SnowmeltStale", 30, STALE, CENTRE)
quiet("SnowmeltStale", 29, STALE, CENTRE)
quiet("SnowmeltStale", 60, STALE, EDGE)
quiet("SnowmeltStale", 60, dynamodb("stale", always(0)), CENTRE)

LAG = "dynamodb_stream_lag_ms"
LAGS = node(LAG, always(601_000))
fires("SnowmeltLagHigh", 10, LAGS, READY, CENTRE, value="10m 1s")
quiet("SnowmeltLagHigh", 9, LAGS, READY, CENTRE)
quiet("SnowmeltLagHigh", 60, node(LAG, always(600_000)), READY, CENTRE)
quiet("SnowmeltLagHigh", 60, LAGS, UNREADY, CENTRE)
quiet("SnowmeltLagHigh", 60, LAGS, READY, EDGE)

# ---------------------------------------------------------------- stream

UNTIL = "resumable_until_timestamp_seconds"
IN_6_H, IN_2_H = dynamodb(UNTIL, always(21_600)), dynamodb(UNTIL, always(7_200))
fires("SnowmeltCheckpointAging", 6, IN_6_H, CENTRE, value="5h 54m 0s")
quiet("SnowmeltCheckpointAging", 5, IN_6_H, CENTRE)
quiet("SnowmeltCheckpointAging", 60, IN_6_H, EDGE)
quiet("SnowmeltCheckpointAging", 60, dynamodb(UNTIL, "21600+60x100"), CENTRE)

fires("SnowmeltCheckpointExpiring", 2, IN_2_H, CENTRE, value="1h 58m 0s")
quiet("SnowmeltCheckpointExpiring", 1, IN_2_H, CENTRE)
quiet("SnowmeltCheckpointExpiring", 60, IN_2_H, EDGE)
quiet("SnowmeltCheckpointExpiring", 60, dynamodb(UNTIL, "7200+60x100"), CENTRE)

fires("SnowmeltCheckpointUnknown", 30, READY, CENTRE)
quiet("SnowmeltCheckpointUnknown", 29, READY, CENTRE)
quiet("SnowmeltCheckpointUnknown", 60, READY, CENTRE, IN_6_H)
quiet("SnowmeltCheckpointUnknown", 60, READY, CENTRE, READ_ANEW)
quiet("SnowmeltCheckpointUnknown", 60, READY, EDGE)
quiet("SnowmeltCheckpointUnknown", 60, UNREADY, CENTRE)

fires("SnowmeltPositionLost", 1, problem(6), code="6")
quiet("SnowmeltPositionLost", 0, problem(6))
quiet("SnowmeltPositionLost", 60, problem(7))

fires("SnowmeltAccessDenied", 5, problem(9), code="9")
quiet("SnowmeltAccessDenied", 4, problem(9))
quiet("SnowmeltAccessDenied", 60, problem(7))

QUARANTINED = "quarantined_records"
fires("SnowmeltSourceFailing", 10, problem(7), state("ready"), code="7")
fires("SnowmeltSourceFailing", 10, problem(7), dynamodb(QUARANTINED, always(0)), code="7")
quiet("SnowmeltSourceFailing", 9, problem(7), state("ready"))
quiet("SnowmeltSourceFailing", 60, problem(7), state("error"))
quiet("SnowmeltSourceFailing", 60, problem(7), dynamodb(QUARANTINED, always(1)))
quiet("SnowmeltSourceFailing", 60, problem(9), state("ready"))

ERRORS = "dynamodb_stream_errors_total"
fires("SnowmeltPollErrors", 30, node(ERRORS, "0+4.05x60"), value="60.75")
quiet("SnowmeltPollErrors", 29, node(ERRORS, "0+4.05x60"))
quiet("SnowmeltPollErrors", 60, node(ERRORS, "0+4x60"))

FAILURES = "refresh_failures_total"
fires("SnowmeltRefreshFailing", 35, dynamodb(FAILURES, "0+0.205x60"), value="6.15")
quiet("SnowmeltRefreshFailing", 34, dynamodb(FAILURES, "0+0.205x60"))
quiet("SnowmeltRefreshFailing", 60, dynamodb(FAILURES, "0+0.195x60"))

# ---------------------------------------------------------------- records

fires("SnowmeltQuarantined", 5, dynamodb(QUARANTINED, always(1)), value="1")
quiet("SnowmeltQuarantined", 4, dynamodb(QUARANTINED, always(1)))
quiet("SnowmeltQuarantined", 60, dynamodb(QUARANTINED, always(0)))

ONE_MORE = dynamodb(QUARANTINED, "4x89 5x100")
fires("SnowmeltQuarantineGrowing", 100, ONE_MORE, value="1")
quiet("SnowmeltQuarantineGrowing", 99, ONE_MORE)
quiet("SnowmeltQuarantineGrowing", 170, ONE_MORE)

MISFITS, RECORDS = dynamodb("misfits_total", "0+17x400"), "dynamodb_stream_records_total"
TENTH, FEWER = node(RECORDS, "0+169x400"), node(RECORDS, "0+160x400")
fires("SnowmeltMisfitsGrowing", 179, MISFITS, TENTH, value="1.02k")
quiet("SnowmeltMisfitsGrowing", 178, MISFITS, TENTH)
quiet("SnowmeltMisfitsGrowing", 240, MISFITS, node(RECORDS, "0+171x400"))
quiet("SnowmeltMisfitsGrowing", 240, dynamodb("misfits_total", "0+16.5x400"), FEWER)
quiet("SnowmeltMisfitsGrowing", 240, MISFITS, TENTH, dynamodb("bootstrap_rows", "0+1x400"))

# ---------------------------------------------------------------- disk

fires("SnowmeltDiskFull", 1, problem(12), code="12")
quiet("SnowmeltDiskFull", 0, problem(12))
quiet("SnowmeltDiskFull", 60, problem(8))

FREE = "disk_free_bytes"
SHRINKS = dynamodb(FREE, "20000000000-80000000x60")
fires("SnowmeltDiskFillsSoon", 26, SHRINKS)
quiet("SnowmeltDiskFillsSoon", 25, SHRINKS)
quiet("SnowmeltDiskFillsSoon", 60, dynamodb(FREE, "20000000000-60000000x60"))

FILE = dynamodb("disk_bytes", always(1000))
fires("SnowmeltDiskTight", 30, dynamodb(FREE, always(999)), FILE, value="999")
quiet("SnowmeltDiskTight", 29, dynamodb(FREE, always(999)), FILE)
quiet("SnowmeltDiskTight", 60, dynamodb(FREE, always(1000)), FILE)
