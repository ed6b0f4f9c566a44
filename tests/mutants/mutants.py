"""The mutants: one mistake each that this product must never make, and the test that notices it.

An entry is data. `text` stands exactly once in `file`; where it does not any more, the code has
moved on and the mutant has to follow it. `test` is one pytest id, and needs no server. A mistake
that each engine could make for itself has an entry for each.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """Replace `text` in `file` by `replacement`, and `test` must fail by an assertion."""

    name: str
    file: str
    text: str
    replacement: str
    test: str


_REQUEST = "tests/cdc/test_dynamodb_iterators.py"
_GRAPH = "tests/cdc/test_graph.py"
_PRUNE = "tests/snapshotter/test_prune.py"
_ATOMIC = "tests/contracts/test_accelerators_atomic.py"
_ORDERING = "tests/cdc/test_ordering.py"
_LAWS = "tests/properties/test_ordering_laws.py"
_STORY = "tests/conformance/test_stories.py::test_story"
_TORN = "test_a_log_that_ends_anywhere_holds_rows_and_checkpoint_of_the_same_commit"
_TOMBSTONE = "test_a_tombstone_outlasts_upkeep_until_the_scan_has_ended"

MUTANTS = (
    Mutant(
        "at-asks-for-what-follows",
        "cdc/dynamodb.py",
        '"ShardIteratorType": "AT_SEQUENCE_NUMBER"',
        '"ShardIteratorType": "AFTER_SEQUENCE_NUMBER"',
        f"{_REQUEST}::test_a_record_is_asked_for_itself_or_for_what_follows_it"
        "[position0-AT_SEQUENCE_NUMBER]",
    ),
    Mutant(
        "after-takes-its-record-again",
        "cdc/graph.py",
        "return sequence_order(sequence) + 1",
        "return sequence_order(sequence)",
        f"{_GRAPH}::test_the_first_wanted_sequence_number_lies_behind_the_position",
    ),
    Mutant(
        "children-beside-their-parent",
        "cdc/graph.py",
        "self._put(Shard(entry, State.BLOCKED))",
        "self._put(Shard(entry, State.READY))",
        f"{_GRAPH}::test_children_are_released_when_their_parent_was_read_to_its_end",
    ),
    Mutant(
        "duckdb-checkpoint-in-its-own-transaction",
        "cdc/duckdb_accelerator.py",
        "                    states.write_checkpoint(cursor, checkpoint, old.checkpoint)\n",
        "                with self._database.transaction() as cursor:\n"
        "                    states.write_checkpoint(cursor, checkpoint, old.checkpoint)\n",
        f"{_ATOMIC}::{_TORN}[duckdb]",
    ),
    Mutant(
        "sqlite-checkpoint-in-its-own-transaction",
        "cdc/sqlite_writes.py",
        "        self._connection.execute(schema.WRITE_STATE,",
        '        self._connection.execute("COMMIT")\n'
        '        self._connection.execute("BEGIN IMMEDIATE")\n'
        "        self._connection.execute(schema.WRITE_STATE,",
        f"{_ATOMIC}::{_TORN}[sqlite]",
    ),
    Mutant(
        "duckdb-tombstones-folded-during-the-scan",
        "cdc/duckdb_upkeep.py",
        "if not state.is_scanned:\n",
        "if state.checkpoint is None:\n",
        f"{_ATOMIC}::{_TOMBSTONE}[duckdb]",
    ),
    Mutant(
        "fold-deletes-in-the-active-delta",
        "cdc/duckdb_sql.py",
        'return [clear, move, f"DELETE FROM {delta} WHERE {where}"]',
        'return [clear, move, f"DELETE FROM {DELTAS[OTHER[frozen]]} WHERE {where}"]',
        "tests/cdc/test_duckdb_upkeep.py::test_changes_between_any_two_steps_of_upkeep_are_kept",
    ),
    Mutant(
        "sqlite-tombstones-forgotten-during-the-scan",
        "cdc/sqlite_writes.py",
        "if known.is_scanning and not is_scanning:",
        "if known.is_scanning:",
        f"{_ATOMIC}::{_TOMBSTONE}[sqlite]",
    ),
    Mutant(
        "children-from-the-latest-record",
        "cdc/dynamodb.py",
        '"ShardIteratorType": "TRIM_HORIZON"',
        '"ShardIteratorType": "LATEST"',
        f"{_REQUEST}::test_a_shard_is_begun_at_its_oldest_record_never_at_its_latest[position0]",
    ),
    Mutant(
        "no-gate-before-publishing",
        "snapshotter/gatekeeper.py",
        "        if not found or (given.force",
        "        if found or (given.force",
        "tests/snapshotter/test_publish.py::test_an_expired_checkpoint_is_not_published",
    ),
    Mutant(
        "an-image-is-never-opened",
        "snapshotter/gatekeeper.py",
        "objections.of_image(image, image.reopened(counts=thorough))",
        "[]",
        "tests/snapshotter/test_gatekeeper.py::"
        "test_a_damaged_image_is_never_published_whoever_insists[says1-differs]",
    ),
    Mutant(
        "a-dead-stream-is-published",
        "snapshotter/objections.py",
        "    if stream.failing is not None:\n",
        "    if stream.failing is None:\n",
        "tests/snapshotter/test_objections.py::"
        "test_a_stream_that_is_not_followed_is_an_objection[stream1-stream_failing]",
    ),
    Mutant(
        "a-release-agrees-to-anything",
        "snapshotter/marks.py",
        "agrees = pointer.hold is not None and is_mass_delete(pointer.hold)",
        "agrees = True",
        "tests/snapshotter/test_gatekeeper.py::test_the_release_of_another_hold_agrees_to_nothing",
    ),
    Mutant(
        "no-digest-of-a-fetched-block",
        "restorer/writing.py",
        "if found != wanted:",
        "if found is None:",
        "tests/restorer/test_fetch.py::test_a_damaged_block_with_a_frame_of_its_own_is_named",
    ),
    Mutant(
        "no-digest-of-a-fetched-frame",
        "restorer/writing.py",
        "tools.digester.of(stored) != frame.digest",
        "tools.digester.of(stored) is None",
        "tests/restorer/test_fetch.py::test_a_damaged_pack_is_named_with_snapshot_and_block",
    ),
    Mutant(
        "pieces-that-are-apart-in-memory-are-one-write",
        "restorer/writing.py",
        "(run.part, run.file_offset, at) != (part, offset + end - begin, end)",
        "(run.part, run.file_offset) != (part, offset + end - begin)",
        "tests/restorer/test_writing.py"
        "::test_neighbours_in_the_file_that_are_apart_in_memory_are_not_one_write",
    ),
    Mutant(
        "a-map-of-blocks-that-were-not-read",
        "snapshotter/blockmap.py",
        "if segment_digests(merged) != digests:",
        "if len(segment_digests(merged)) != len(digests):",
        "tests/snapshotter/test_blocks.py::test_a_map_that_is_not_of_what_was_read_is_not_made",
    ),
    Mutant(
        "live-before-it-is-synced",
        "restorer/switch.py",
        """\
        _sync_file(staged)
        # From the journal on, the directory holds what this switch replaces and nothing else.
        _remove(previous_directory(path))
        make_directories(previous_directory(path))
        _write_json(_journal_path(path), _journal_to_json(journal))
        _finish(path, journal, step or _no_step)
""",
        """\
        _remove(previous_directory(path))
        make_directories(previous_directory(path))
        _write_json(_journal_path(path), _journal_to_json(journal))
        _finish(path, journal, step or _no_step)
        _sync_file(path)
""",
        "tests/restorer/test_switch_order.py"
        "::test_the_new_file_is_synced_before_the_journal_makes_it_the_one",
    ),
    Mutant(
        "any-generation-publishes",
        "snapshotter/gate.py",
        "if pointer.generation != generation and not",
        "if pointer.generation < generation and not",
        "tests/snapshotter/test_publish.py::test_the_older_generation_is_fenced",
    ),
    Mutant(
        "deleted-within-the-grace",
        "snapshotter/pruning.py",
        "if each.since + grace <= now",
        "if each.since <= now",
        f"{_PRUNE}::test_what_goes_is_condemned_first_and_deleted_after_the_grace",
    ),
    Mutant(
        "segments-in-older-manifests-are-dead",
        "snapshotter/assemble.py",
        "frozenset({own, *segments, *filter(None, header.packs)})",
        "frozenset({own, *filter(None, header.packs)})",
        f"{_PRUNE}::test_the_map_of_a_snapshot_that_went_is_kept_where_others_share_it",
    ),
    Mutant(
        "published-on-what-is-condemned",
        "snapshotter/assemble.py",
        "if pointer.condemned_keys & objects_of(header):",
        "if pointer.condemned_keys > objects_of(header):",
        f"{_PRUNE}::test_a_publish_whose_packs_are_condemned_meanwhile_loses",
    ),
    Mutant(
        "gone-back-to-and-left-again",
        "restorer/facts.py",
        "return any(map(local.is_at, bad)) or any(map(local.was_left_behind, self.rollbacks))",
        "return any(map(local.is_at, bad))",
        "tests/restorer/test_decision_taken_back.py"
        "::test_a_file_from_behind_a_rollback_gives_way[11]",
    ),
    Mutant(
        "sequence-numbers-as-texts",
        "cdc/position.py",
        """\
            return (1, sequence_order(sequence), 0)
        case After(sequence):
            return (1, sequence_order(sequence), 1)
""",
        """\
            return (1, sequence, 0)
        case After(sequence):
            return (1, sequence, 1)
""",
        "tests/cdc/test_position.py"
        "::test_positions_advance_by_the_integers_of_their_sequence_numbers",
    ),
    Mutant(
        "no-tip-is-proven",
        "cdc/lineage.py",
        "    progress = replace(old, tip_at=max(tips, default=None))",
        "    progress = old",
        f"{_STORY}[5.8-a_trimmed_position_that_was_proven_read_is_no_gap]",
    ),
    Mutant(
        "bootstrap-by-the-local-clock",
        "cdc/capture_start.py",
        "    began_at = source.now()",
        "    began_at = datetime.now(UTC).timestamp()",
        f"{_STORY}[6.12-a_consumer_whose_clock_is_an_hour_ahead_skips_no_record]",
    ),
    Mutant(
        "listings-without-a-budget",
        "cdc/listing.py",
        "            self._next_at = at + self._apart_seconds",
        "            self._next_at = at",
        f"{_STORY}[6.16-the_budget_of_listings_is_kept_while_another_process_takes_its_half]",
    ),
    Mutant(
        "misfits-are-not-looked-for",
        "cdc/decode_engine.py",
        "misfits = pc.indices_nonzero(pc.fill_null(missing, 0))",
        "misfits = pc.indices_nonzero(pc.less(pc.fill_null(missing, 0), 0))",
        "tests/cdc/test_decode.py::test_a_new_attribute_gets_a_column_that_holds_it"
        "[typed1-text-0-]",
    ),
    Mutant(
        "rows-of-another-length-are-taken-for-whole",
        "cdc/decode_engine.py",
        "left = pc.indices_nonzero(pc.invert(found.is_whole))",
        "left = pc.indices_nonzero(pc.and_not(found.is_whole, found.is_whole))",
        "tests/cdc/test_decode.py::test_a_value_that_its_column_cannot_hold_exactly_stays_typed"
        "[integer-0-typed1]",
    ),
    Mutant(
        "a-quote-in-a-value-is-not-looked-for",
        "cdc/fields.py",
        "for sign in self._signs:",
        "for sign in self._signs[:0]:",
        "tests/cdc/test_decode_lines.py::test_what_is_not_clear_is_left_to_others[text6]",
    ),
    Mutant(
        "merged-shards-wait-for-one-parent",
        "cdc/graph.py",
        "return any(not isinstance(parent.position, End) for parent in parents)",
        "return all(not isinstance(parent.position, End) for parent in parents)",
        "tests/cdc/test_graph_merges.py::"
        "test_a_file_with_one_parent_read_to_its_end_goes_on_with_the_other_one",
    ),
    Mutant(
        "stamps-left-out-of-the-commit",
        "cdc/capture_commit.py",
        "stamps = sifted.stamps if sifted.stamps.num_rows else None",
        "stamps = None",
        f"{_ORDERING}::test_what_was_deleted_stays_deleted_when_its_making_comes_again",
    ),
    Mutant(
        "changes-from-before-the-scan",
        "cdc/sifting.py",
        'pc.and_(is_known, pc.greater_equal(table.column("last_us"), floor_us))',
        "is_known",
        f"{_ORDERING}::test_a_change_from_before_the_scan_is_never_taken",
    ),
    Mutant(
        "a-tie-without-the-table",
        "cdc/ordering_ties.py",
        "if held is not None and held.crowded:",
        "if False:",
        f"{_LAWS}::test_changes_of_one_instant_end_as_the_last_of_them[sqlite]",
    ),
    Mutant(
        "another-s-generation-for-one-s-own",
        "snapshotter/swap.py",
        "return stored if stored.pointer.attempt_id == attempt_id else None",
        "return stored",
        "tests/snapshotter/test_take_over.py::"
        "test_who_made_the_pointer_and_was_overtaken_before_it_looked_again_takes_over_anew",
    ),
    Mutant(
        "a-lease-expires-while-nobody-can-look",
        "snapshotter/lease.py",
        " or answered_at - before.until > limit",
        "",
        "tests/snapshotter/test_lease.py::"
        "test_who_could_not_look_for_long_knows_nothing_of_that_time",
    ),
)
