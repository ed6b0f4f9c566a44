"""The life of a stream: disabled, enabled again, deleted, made again."""

from functools import partial

from tests.conformance.consumer import AnotherSource, NoStream
from tests.conformance.stage import ScriptedStage, Stage
from tests.conformance.story import story


@story("4.1", "4.2", "5.6", "6.29", on_local="jumps")
def a_disabled_stream_is_drained_and_its_successor_is_another_source(s: Stage) -> None:
    s.fill(3)
    s.live()

    def end_with_a_last_record() -> None:
        s.put("last")
        s.disable()

    told = []
    s.live(end_with_a_last_record, lambda: told.append(s.health()))
    s.assert_whole()
    s.ends_in(NoStream)

    s.put("in no stream at all")
    s.enable()
    s.ends_in(AnotherSource)


@story("4.1", "6.29", "6.14")
def that_a_stream_was_disabled_is_said_within_seconds(s: ScriptedStage) -> None:
    s.live()
    s.clock.after(2.0, s.disable)
    told = s.ask(15.0, 3600.0)

    s.live_on(3601.0)

    (_, soon), (_, late) = told
    assert soon.problem is not None
    assert (late.lag_seconds or 0) > 3590, "rows that stand still are called fresh"


@story("4.3", "5.6")
def another_view_type_is_another_stream(s: ScriptedStage) -> None:
    s.live(partial(s.put, "old"))
    s.disable()
    s.enable("NEW_IMAGE")
    s.put("new")

    s.ends_in(AnotherSource)


@story("4.2", "5.6")
def a_stream_that_was_replaced_while_it_was_followed_is_noticed(s: ScriptedStage) -> None:
    s.live(partial(s.put, "old"))

    def replace() -> None:
        s.disable()
        s.put("in no stream at all")
        s.enable()

    s.clock.after(10.0, replace)

    s.ends_in(AnotherSource)


@story("4.4")
def a_deleted_tables_stream_is_drained_and_its_end_is_said(s: ScriptedStage) -> None:
    s.fill(5)
    s.live()
    wanted = []
    seen = []

    def drop() -> None:
        s.put("last")
        wanted.extend(s.table_items())
        s.drop()

    s.clock.after(5.0, drop)
    told = s.ask(170.0)
    s.clock.after(170.0, lambda: seen.append(s.consumer.items()))

    s.live_on(180.0)

    assert len(seen[0]) == len(wanted) == 6
    assert told[0][1].problem is not None
    s.ends_in(NoStream)


@story("6.28", "4.5", "5.6", on_local="jumps")
def a_table_made_again_under_its_name_is_never_read_on(s: Stage) -> None:
    """Its stream counts from a lower number than the one that is stored."""
    s.live(partial(s.fill, 3))
    s.recreate()
    s.put("key-1", value="of another table")

    s.ends_in(AnotherSource)


@story("6.28", "4.5")
def a_table_made_again_while_it_is_followed_is_noticed(s: ScriptedStage) -> None:
    s.live(partial(s.fill, 3))
    s.clock.after(10.0, s.recreate)

    s.ends_in(AnotherSource)
