"""Ed25519 signatures, by themselves."""

import pytest

from snapshotter.errors import Untrusted
from snapshotter.signature import ADDED_BYTES, Signer, Subject, TrustedKeys, public_key, signer_of
from tests.snapshotter.signing import ANNA, BERT, EVE

POINTER = Subject("pointer", "flights", "0" * 32)
DATA = b'{"a":1}'
SIGNED = ANNA.signer.sign(POINTER)(DATA)
TRUSTED = TrustedKeys.of([BERT.public, ANNA.public])


def test_what_a_trusted_key_signed_is_accepted() -> None:
    TRUSTED.check(POINTER, SIGNED, "here")

    assert signer_of(SIGNED) == ANNA.key_id
    assert len(SIGNED) == len(DATA) + ADDED_BYTES


def test_spaces_behind_it_are_no_part_of_it() -> None:
    TRUSTED.check(POINTER, SIGNED.ljust(512), "here")


def test_every_flipped_byte_is_refused() -> None:
    for at in range(len(SIGNED)):
        damaged = SIGNED[:at] + bytes([SIGNED[at] ^ 0x01]) + SIGNED[at + 1 :]
        with pytest.raises(Untrusted):
            TRUSTED.check(POINTER, damaged, "here")


@pytest.mark.parametrize("data", [DATA, b"", SIGNED[:-1], SIGNED + b"x", SIGNED[:-2] + b',"b":1}'])
def test_what_ends_otherwise_is_not_signed(data: bytes) -> None:
    with pytest.raises(Untrusted, match="here: not signed"):
        TRUSTED.check(POINTER, data, "here")


def test_another_key_is_named_with_those_that_are_trusted() -> None:
    by_eve = EVE.signer.sign(POINTER)(DATA)

    with pytest.raises(Untrusted) as refused:
        TRUSTED.check(POINTER, by_eve, "here")

    told = f"here: signed by {EVE.key_id}, trusted are {BERT.key_id}, {ANNA.key_id}"
    assert str(refused.value) == told
    assert refused.value.exit_code == 5


def test_another_key_cannot_take_a_trusted_name() -> None:
    by_eve = EVE.signer.sign(POINTER)(DATA).replace(EVE.key_id.encode(), ANNA.key_id.encode())

    with pytest.raises(Untrusted, match=f"not what {ANNA.key_id} signed"):
        TRUSTED.check(POINTER, by_eve, "here")


@pytest.mark.parametrize(
    "other",
    [
        Subject("page", "flights", "0" * 32),
        Subject("header", "flights", "0" * 32),
        Subject("pointer", "flightz", "0" * 32),
        Subject("pointer", "flights", "1" * 32),
        Subject("pointer", "flights", "0" * 32, "name"),
    ],
)
def test_a_signature_serves_for_nothing_else(other: Subject) -> None:
    with pytest.raises(Untrusted, match="not what"):
        TRUSTED.check(other, SIGNED, "here")


def test_a_key_may_be_one_line() -> None:
    line = "".join(ANNA.public.splitlines()[1:-1])

    assert public_key(line) == public_key(ANNA.public)
    secret = "".join(ANNA.private.splitlines()[1:-1])
    assert Signer.of(secret).key_id == ANNA.key_id


@pytest.mark.parametrize("text", ["", "hunter2", "-----BEGIN PUBLIC KEY-----", ANNA.public])
def test_what_is_no_private_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"private key|base64") as refused:
        Signer.of(text)

    assert "hunter2" not in str(refused.value)


def test_a_private_key_among_the_trusted_is_a_mistake_to_be_told() -> None:
    with pytest.raises(ValueError, match="is a private key") as refused:
        TrustedKeys.of([ANNA.private])

    assert ANNA.private.splitlines()[1] not in str(refused.value)


def test_a_key_of_another_kind_is_refused() -> None:
    rsa_like = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE" + "A" * 88

    with pytest.raises(ValueError, match="Ed25519"):
        TrustedKeys.of([rsa_like])
