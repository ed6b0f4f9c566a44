"""Positions compare as a shard is read: by the sequence number's integer, AT before AFTER."""

from cdc.position import After, At, End, FromStart, Position, progress_order

# In the order of reading. As texts, 10… would come before 9…, and leading zeros before everything.
ADVANCING: tuple[Position, ...] = (
    FromStart(),
    At("00000000000000000000000007"),
    After("00000000000000000000000007"),
    At("9"),
    After("9"),
    At("10"),
    After("10"),
    After("0100"),
    At("3660000000029301523498756"),
    After("12780000000029301523498755"),
    End(),
)


def test_positions_advance_by_the_integers_of_their_sequence_numbers() -> None:
    shuffled = sorted(ADVANCING, key=repr)
    assert shuffled != list(ADVANCING)

    assert sorted(shuffled, key=progress_order) == list(ADVANCING)
    assert len({progress_order(position) for position in ADVANCING}) == len(ADVANCING)
