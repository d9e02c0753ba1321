"""Enrols a whole list of agencies: registers them, and gets each system its own certificate or its code.

Everything that is done lies in the folder before the next step: whoever stops it, or loses the line, starts
it again and it goes on where it was. Keys are made here and never sent.
"""

import csv
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from ndx_client import keys
from ndx_client.client import NdxClient
from ndx_client.enrolment_lists import Outcome, Row, Wanted
from ndx_client.errors import ClientError, GatewayUnreachable, Refused

BATCH = 100
TRIES = 6
_AGAIN = frozenset({429, 502, 503, 504})
_LONGEST = 30.0
_CODES = ("code", "system", "enrolment_code", "expires_at")
_Done = TypeVar("_Done")


@dataclass(slots=True)
class MassEnrolment:
    """One run over one folder."""

    operator: NdxClient
    public: NdxClient
    folder: Path
    codes_only: bool = False
    workers: int = 4
    sleep: Callable[[float], None] = time.sleep
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, wanted: Sequence[Wanted], told: Callable[[Row], None]) -> None:
        """Enrol all of them; `told` gets each one's row as soon as it is known."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        there = self._codes_there() if self.codes_only else {}
        todo = []
        for each in wanted:
            row = self._done_before(each, there)
            if row is None:
                todo.append(each)
            else:
                told(row)
        with ThreadPoolExecutor(self.workers) as pool:
            for start in range(0, len(todo), BATCH):
                for row in self._batch(todo[start : start + BATCH], pool):
                    told(row)

    def _done_before(self, wanted: Wanted, codes: dict[str, datetime]) -> Row | None:
        if self.codes_only:
            good = codes.get(wanted.key, datetime.min.replace(tzinfo=UTC)) > datetime.now(UTC)
            return self._row(wanted, Outcome.CODE, "given out before") if good else None
        _, certificate = self._files(wanted)
        if not certificate.exists():
            return None
        return self._enrolled(wanted, "there before")

    def _batch(self, batch: Sequence[Wanted], pool: ThreadPoolExecutor) -> Iterator[Row]:
        # A key without its certificate: the answer was lost, and with it the code.
        items = [w.request(renew=not self.codes_only and self._files(w)[0].exists()) for w in batch]
        try:
            answer = self._patient(lambda: self.operator.call("POST /v1/enrolments", json={"items": items}))
        except ClientError as error:
            yield from (self._failed(w, error) for w in batch)
            return
        given = {f"{i['agency']}:{i['system']}": i for i in answer.json()["items"]}
        if self.codes_only:
            self._keep_codes([i for i in given.values() if i["enrolment_code"]])
        yield from pool.map(lambda w: self._one(w, given[w.key]), batch)

    def _one(self, wanted: Wanted, given: dict[str, Any]) -> Row:
        if given["problem"] is not None:
            return self._row(wanted, Outcome.REFUSED, f"{given['problem']}: {given['detail']}")
        if given["enrolment_code"] is None:
            return self._row(
                wanted, Outcome.ENROLLED_ELSEWHERE, "has a certificate that is not in the folder"
            )
        if self.codes_only:
            return self._row(wanted, Outcome.CODE)
        try:
            self._certificate(wanted, given["enrolment_code"])
        except (ClientError, OSError, ValueError) as error:
            return self._failed(wanted, error)
        return self._enrolled(wanted)

    def _certificate(self, wanted: Wanted, code: str) -> None:
        key_file, certificate = self._files(wanted)
        # The key is stored first: a certificate whose key was lost would use the code up for nothing.
        if not key_file.exists():
            keys.write_secret(key_file, keys.key_pem(keys.new_key()))
        uri = f"urn:ndx:agency:{wanted.key}"
        request = keys.request_pem(keys.read_key(key_file), wanted.key, uri)
        issued = self._patient(lambda: self.public.request_certificate(code, request))
        with self._lock:
            authority = self.folder / "ca.crt"
            if not authority.exists() or authority.read_text(encoding="utf-8") != issued.gateway_ca_pem:
                keys.write_public(authority, issued.gateway_ca_pem)
        keys.write_public(certificate, issued.certificate_pem)

    def _patient(self, act: Callable[[], _Done]) -> _Done:
        """Act, and again with growing pauses while the exchange is busy or away."""
        pause = 0.5
        for left in range(TRIES - 1, -1, -1):
            try:
                return act()
            except GatewayUnreachable:
                if not left:
                    raise
                self.sleep(pause)
            except Refused as refused:
                if refused.status not in _AGAIN or not left:
                    raise
                self.sleep(refused.retry_after or pause)
            pause = min(pause * 2, _LONGEST)
        raise AssertionError("the last try returns or raises")

    def _files(self, wanted: Wanted) -> tuple[Path, Path]:
        place = self.folder / wanted.code
        return place / f"{wanted.system}.key", place / f"{wanted.system}.crt"

    def _enrolled(self, wanted: Wanted, detail: str = "") -> Row:
        who, until, serial = keys.describe(self._files(wanted)[1])
        if who != f"urn:ndx:agency:{wanted.key}":
            return self._row(wanted, Outcome.FAILED, f"the certificate in the folder is of {who}")
        return self._row(wanted, Outcome.ENROLLED, detail, serial=serial, not_after=until.isoformat())

    @staticmethod
    def _row(wanted: Wanted, outcome: Outcome, detail: str = "", **more: str) -> Row:
        return Row(wanted.line, wanted.code, wanted.system, outcome, detail, **more)

    def _failed(self, wanted: Wanted, error: Exception) -> Row:
        if isinstance(error, Refused):
            return self._row(wanted, Outcome.REFUSED, f"{error.code}: {error.problem.detail}")
        return self._row(wanted, Outcome.FAILED, str(error))

    def _codes_file(self) -> Path:
        return self.folder / "codes.csv"

    def _codes_there(self) -> dict[str, datetime]:
        """Return the codes given out before, by system, with their last moments."""
        if not self._codes_file().exists():
            return {}
        with self._codes_file().open(encoding="utf-8", newline="") as opened:
            # The last line may be torn: a run was killed while it wrote.
            rows = [row for row in csv.DictReader(opened) if row.get("expires_at")]
        return {f"{r['code']}:{r['system']}": datetime.fromisoformat(r["expires_at"]) for r in rows}

    def _keep_codes(self, items: Sequence[dict[str, Any]]) -> None:
        """Add codes to the list, which only its owner reads."""
        descriptor = os.open(self._codes_file(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8", newline="") as opened:
            writer = csv.writer(opened)
            if opened.tell() == 0:
                writer.writerow(_CODES)
            writer.writerows([i["agency"], i["system"], i["enrolment_code"], i["expires_at"]] for i in items)
            opened.flush()
            os.fsync(opened.fileno())
