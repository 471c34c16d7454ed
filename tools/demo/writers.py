"""Applications that write all the time, notice every failure, and remember what they wrote."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from typing import Any

import psycopg
from psycopg import errors

# What every application has to try again, also without pgtandem.
RETRYABLE = (errors.SerializationFailure, errors.DeadlockDetected)
TRIES = 5


class Writer(ABC):
    """One connection of an application; writes a transaction every few milliseconds.

    Attributes:
        side: the application's name.
        ledger: what this writer knows to be committed, by key; None: deleted.
        writes: committed transactions.
        failed: transactions that failed for good.
        retried: transactions that had to be tried again.
        longest: seconds that the slowest one took.
    """

    def __init__(self, side: str, dsn: str, seed: int, pause: float = 0.004) -> None:
        self.side = side
        self.dsn = dsn
        self.pause = pause
        self.random = random.Random(seed)
        self.ledger: dict[Any, Any] = {}
        self.writes = self.failed = self.retried = 0
        self.longest = 0.0
        self.errors: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{side} {seed}", daemon=True)

    @abstractmethod
    def write(self, connection: psycopg.Connection[Any]) -> dict[Any, Any]:
        """One transaction's statements; returns what it adds to the ledger when committed."""

    def start(self) -> None:
        """Begin to write, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present transaction."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join(timeout=30)

    def _run(self) -> None:
        with psycopg.connect(self.dsn, application_name=self.side) as connection:
            while not self._stop.wait(self.random.uniform(0, 2 * self.pause)):
                self._once(connection)

    def _once(self, connection: psycopg.Connection[Any]) -> None:
        state = self.random.getstate()
        for attempt in range(TRIES):
            self.random.setstate(state)
            begun = time.monotonic()
            try:
                written = self.write(connection)
                connection.commit()
            except RETRYABLE:
                connection.rollback()
                self.retried += attempt == 0
                continue
            except psycopg.Error as error:
                connection.rollback()
                self.failed += 1
                self.errors.append(f"{self.side}: {error.sqlstate} {str(error).splitlines()[0]}")
                return
            self.longest = max(self.longest, time.monotonic() - begun)
            self.writes += 1
            self.ledger.update(written)
            return
        self.failed += 1
        self.errors.append(f"{self.side}: gave up after {TRIES} tries")
