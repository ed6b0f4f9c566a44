"""The probe against stores with one fault each."""

import threading

import pytest

from snapshotter.errors import PreconditionFailed, SnapshotError, StoreUnreachable
from snapshotter.file_store import FileStore
from snapshotter.location import Location
from snapshotter.probe import _RACERS
from snapshotter.store import ObjectInfo, StoredObject
from snapshotter.stores import ProbeResult, StoreParams, open_store, probe
from tests.servers.s3_like import CONDITIONS, s3_like


def probed(honours: tuple[str, ...]) -> ProbeResult:
    with s3_like(honours) as server:
        params = StoreParams(
            auth="key", key="a", secret="b", region="eu-west-1", endpoint=server.endpoint_url
        )
        return probe(open_store("s3://bucket/place", params))


def failed(result: ProbeResult) -> list[str]:
    return [check.name for check in result.failures]


def test_a_store_that_keeps_conditions_passes() -> None:
    assert probed(CONDITIONS).ok


def test_a_store_that_ignores_if_none_match_is_found_out() -> None:
    result = probed(("if-match",))

    assert failed(result) == ["put-if-absent", "put-if-absent race"]
    assert "If-None-Match is ignored" in result.summary()


def test_a_store_that_ignores_if_match_is_found_out() -> None:
    result = probed(("if-none-match",))

    assert failed(result) == ["put-if-match", "put-if-match race", "lease"]
    assert "If-Match is ignored" in result.summary()


def test_a_store_that_ignores_every_condition_is_found_out() -> None:
    result = probed(())

    assert not result.ok
    assert len(failed(result)) == 5


class _RacyStore(FileStore):
    """Keeps conditions one after the other, and looks before it writes: not atomic."""

    everybody = threading.Barrier(_RACERS)

    def put_if_absent(self, key: str, data: bytes) -> str:
        if self.head(key) is not None:
            raise PreconditionFailed(key)
        if key.endswith("-race"):
            self.everybody.wait(60)  # all have looked before one writes
        return self.put(key, data)


def test_a_condition_that_is_checked_but_not_atomic_is_found_out(tmp_path: object) -> None:
    result = probe(_RacyStore(Location("file", "", str(tmp_path)[1:])))

    assert failed(result) == ["put-if-absent race"]


def test_a_store_whose_writes_give_another_etag_than_its_reads_holds_no_lease(
    tmp_path: object,
) -> None:
    class Unsteady(FileStore):
        def put_if_match(self, key: str, data: bytes, etag: str) -> str:
            return super().put_if_match(key, data, etag) + "-multipart"

    result = probe(Unsteady(Location("file", "", str(tmp_path)[1:])))

    assert failed(result) == ["lease"]


def test_a_store_that_makes_an_object_by_if_match_holds_no_lease(tmp_path: object) -> None:
    class Generous(FileStore):
        def put_if_match(self, key: str, data: bytes, etag: str) -> str:
            if self.head(key) is None:
                return self.put(key, data)
            return super().put_if_match(key, data, etag)

    result = probe(Generous(Location("file", "", str(tmp_path)[1:])))

    assert failed(result) == ["lease"]
    assert "deleted" in result.summary()


class _DeadStore(FileStore):
    def put(self, key: str, data: bytes) -> str:
        raise StoreUnreachable("no answer")


def test_a_store_that_cannot_be_written_is_not_tried_further(tmp_path: object) -> None:
    result = probe(_DeadStore(Location("file", "", str(tmp_path)[1:])))

    assert [check.name for check in result.checks] == ["write"]
    assert result.summary().endswith("write: no answer")


@pytest.mark.parametrize("forgotten", ["get", "list"])
def test_a_store_that_loses_what_it_took_is_found_out(tmp_path: object, forgotten: str) -> None:
    class Forgetful(FileStore):
        def get(self, key: str, *, max_bytes: int) -> StoredObject:
            stored = super().get(key, max_bytes=max_bytes)
            return StoredObject(b"", stored.etag) if forgotten == "get" else stored

        def list(self, prefix: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - as above
            return iter([ObjectInfo("other", 0, "", 0.0)])

    result = probe(Forgetful(Location("file", "", str(tmp_path)[1:])))

    assert failed(result)[0] == {"get": "read", "list": "list"}[forgotten]


def test_an_error_of_the_contract_never_leaves_the_probe(tmp_path: object) -> None:
    class Broken(FileStore):
        def delete(self, key: str) -> None:
            raise SnapshotError("no")

    assert failed(probe(Broken(Location("file", "", str(tmp_path)[1:])))) == ["delete"]
