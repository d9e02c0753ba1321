"""`enrolment`: 13,157 clinics from one CSV file with one command, each with its certificate.

Beside 3,000 other agencies. What is told: how long the command takes, how long a clinic enrolled then waits
for its first call, how large what Envoy holds becomes, and how soon a suspended template stops all of them.
"""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
from bus import OPERATIONS
from configuration import Watcher
from control_plane import ControlPlane, running_control_plane
from harness import CannotMeasure, Result, Round, result, timed
from ndx_demo.door import Door
from ndx_demo.enrolment import Credentials, approve

CLINICS = int(os.environ.get("NDX_CLINICS", "13157"))
AGENCIES, TRIALS = 3000, 20
PURPOSE = "HEALTH_ENTITLEMENT"


def _list(file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["code", "name", "name_en", "province", "commune"])
        for n in range(CLINICS):
            province = f"{n % 34 + 1:02}"
            words = (f"Trạm y tế số {n}", f"Health station {n}")
            writer.writerow([f"K{province}.{n:05}", *words, province, f"{n:05}"])


def _enrol(plane: ControlPlane, file: Path, out: Path, limit: float | None = None) -> tuple[float, str]:
    """Run the command as an operator does; after `limit` seconds it is killed."""
    pair = plane.folder / "state" / "operators" / "NDX-an"
    env = {
        **os.environ,
        "NDX_GATEWAY_URL": plane.url,
        "NDX_CITIZEN_URL": f"https://localhost:{plane.ports['citizen']}",
        "NDX_CERT": f"{pair}.crt",
        "NDX_KEY": f"{pair}.key",
        "NDX_CA": str(_trust(plane)),
    }
    command = [sys.executable, "-m", "ndx_client.main", "agencies", "enrol", str(file)]
    command += ["--class", "HEALTH", "--system", "his", "--out", str(out), "--workers", "8"]
    started = time.perf_counter()
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as running:
        try:
            told, _ = running.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            running.kill()
            return time.perf_counter() - started, "killed"
    if running.returncode:
        raise CannotMeasure(f"ndx agencies enrol left {running.returncode}: {told[-500:]}")
    return time.perf_counter() - started, told.strip()


def _trust(plane: ControlPlane) -> Path:
    state = plane.folder / "state"
    found = state / "gateway-ca.crt"
    return found if found.exists() else state / "agency-ca.crt"


def _template(plane: ControlPlane) -> str:
    """Bring a template for all health care facilities into force, by two people."""
    operation = OPERATIONS[0]
    terms = {
        "consumer_class": "HEALTH",
        "provider_agency": "G01",
        "operations": [{"operation": operation.name, "field_groups": []}],
        "purposes": [PURPOSE],
        "legal_basis": {"text": "Clinics ask who is entitled", "reference": "25/2008/QH12"},
        "valid_from": "2025-07-01",
        "quotas": {"per_second": 5, "burst": 10},
    }
    made = plane.operator.post("/v1/agreements", terms)
    if made.is_error:
        raise CannotMeasure(f"no template: {made.text}")
    number: str = made.json()["agreement_id"]
    plane.operator.post(f"/v1/agreements/{number}/submit", None).raise_for_status()
    pair = plane.folder / "state" / "operators" / "G01-chi"
    with Door(plane.url, pair.with_suffix(".crt"), pair.with_suffix(".key"), _trust(plane)) as approver:
        approve(approver, number)
    return number


def _sizes(plane: ControlPlane) -> dict[str, int]:
    """Return the bytes that Envoy holds of each dynamic filter, as its admin page shows them."""
    url = f"http://127.0.0.1:{plane.ports['admin']}/config_dump?resource=ecds_filters"
    found: dict[str, int] = {}
    document: dict[str, Any] = httpx.get(url, timeout=120).json()
    for each in document.get("configs", []):
        text = json.dumps(each)
        found[each.get("ecds_filter", {}).get("name", "?")] = len(text)
    return found


def _asks(plane: ControlPlane, out: Path, code: str) -> int:
    """Call as a clinic; return the status."""
    place = out / code
    path = OPERATIONS[0].path.replace("{id}", "1")
    with Door(plane.url, place / "his.crt", place / "his.key", out / "ca.crt") as door:
        return door.get(path, purpose=PURPOSE).status_code


def _first_call(plane: ControlPlane, out: Path, code: str) -> float:
    """Return after how many milliseconds a clinic whose certificate has just come can call."""
    started = time.perf_counter()
    while _asks(plane, out, code) != 200:
        if time.perf_counter() - started > 120:
            raise CannotMeasure(f"{code} cannot call after two minutes")
    return (time.perf_counter() - started) * 1000


def _stopping(plane: ControlPlane, out: Path, code: str, template: str) -> tuple[list[float], list[float]]:
    """Suspend and resume the template; return milliseconds until a clinic is refused, and let in again."""
    place = out / code
    caller = Credentials(key=place / "his.key", certificate=place / "his.crt", ca=out / "ca.crt")
    path = OPERATIONS[0].path.replace("{id}", "1")
    watcher = Watcher(plane.ports["listener"], caller, path, PURPOSE, pause=0.25)
    thread = threading.Thread(target=watcher.run, daemon=True)
    thread.start()
    while not watcher.seen:
        time.sleep(0.01)

    def act(step: str) -> None:
        plane.operator.post(f"/v1/agreements/{template}/{step}", {"reason": "measured"}).raise_for_status()

    stopped, resumed = [], []
    for _ in range(TRIALS):
        stopped.append(watcher.effect(lambda: act("suspend"), 403))
        plane.settled()
        resumed.append(watcher.effect(lambda: act("resume"), 200))
        plane.settled()
    watcher.over = True
    thread.join(20)
    return stopped, resumed


def measure() -> list[Result]:
    with running_control_plane(AGENCIES) as plane, tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "clinics.csv", Path(folder) / "out"
        _list(file)
        template = _template(plane)
        before = plane.memory("envoy")
        killed, _ = _enrol(plane, file, out, limit=15)
        there = sum(1 for _ in out.glob("*/his.crt"))
        print(
            f"  killed after {killed:.0f} s with {there} certificates; the same command goes on", flush=True
        )
        took, told = _enrol(plane, file, out)
        print(f"  {took:.0f} s: {told}", flush=True)
        last = f"K{(CLINICS - 1) % 34 + 1:02}.{CLINICS - 1:05}"
        waited = _first_call(plane, out, last)
        plane.settled()
        again, _ = _enrol(plane, file, out)
        some = random.sample(sorted(p.name for p in out.iterdir() if p.is_dir()), 50)
        wrong = [c for c in some if _asks(plane, out, c) != 200]
        if wrong:
            raise CannotMeasure(f"cannot call: {wrong}")
        sizes = _sizes(plane)
        memory = {part: plane.memory(part) for part in ("gateway", "envoy")}
        stopped, resumed = _stopping(plane, out, last, template)
        shutil.rmtree(out)
    kept = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sorted(sizes.items()))
    words = (
        f"{CLINICS} clinics beside {AGENCIES} agencies with their agreements; killed after {killed:.0f} s"
        f" with {there} certificates, then {took:.0f} s; a run with nothing to do {again:.0f} s; the last"
        f" could call {waited:.0f} ms after the command; as JSON {kept};"
        f" control plane {memory['gateway']} MiB, Envoy {before} MiB before and {memory['envoy']} MiB after"
    )
    per_second = (CLINICS - there) / took
    return [
        result("enrolment", "clinics/s", [Round(per_second)], words),
        result("enrolment-stop", "changes/s", [timed(1000 / (sum(stopped) / TRIALS), stopped)], words),
        result("enrolment-resume", "changes/s", [timed(1000 / (sum(resumed) / TRIALS), resumed)], words),
    ]
