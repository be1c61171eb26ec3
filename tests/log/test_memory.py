"""`beam.log.memory`: the promises of a store, without a thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from beam.log import MemoryStore
from tests.log.conformance import StoreConformance, StoreMachine, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beam.log import Store


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with MemoryStore() as store:
            yield store


class MemoryMachine(StoreMachine):
    def open(self) -> Store:
        return MemoryStore()


TestMemoryStoreHistories = MemoryMachine.TestCase


def test_an_append_is_answered_before_it_returns_on_the_same_thread() -> None:
    with MemoryStore() as store:
        threads: list[int] = []
        store.on_append(lambda _: threads.append(threading.get_ident()))
        store.append([record("e1")], lambda _: threads.append(threading.get_ident()))
        assert threads == [threading.get_ident()] * 2
