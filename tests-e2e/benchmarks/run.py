"""`make bench [B=name]`: measures against a stack of its own and prints a table with each ceiling."""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from uuid import uuid4

from harness import Result, Round, client_context, load, percentile, report, request, result
from ndx_demo import walk
from ndx_demo.enrolment import Enrolment, enrol
from ndx_local import postgres
from ndx_local.stack import Stack

ROUNDS, SECONDS, CONNECTIONS = 3, 6.0, 32


class Bench:
    """A running stack with enrolled agencies and one registered child."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.description = stack.description
        self.enrolment: Enrolment = enrol(
            self.description["gateway_url"], self.description["citizen_url"], stack.paths.pki
        )
        self.walked = walk.run(
            walk.Context(
                gateway_url=self.description["gateway_url"],
                citizen_url=self.description["citizen_url"],
                trace_url=self.description["trace_url"],
                home=stack.paths.home,
                enrolment=self.enrolment,
            )
        )

    def headers(self) -> dict[str, str]:
        # Unsampled, as nine of ten requests are in operation.
        parent = f"00-{uuid4().hex}-{uuid4().hex[:16]}-00"
        return {"NDX-Purpose": "SOCIAL_INSURANCE", "traceparent": parent}

    def person_path(self) -> str:
        fields = "birth_name,birth_date,sex,personal_id"
        return f"/population/v1/persons/{self.walked.child_personal_id}?fields={fields}"

    def rounds(self, url: str, context: object, make: Callable[[], bytes]) -> list[Round]:
        asyncio.run(load(url, context, make, connections=CONNECTIONS, seconds=2))
        return [
            asyncio.run(load(url, context, make, connections=CONNECTIONS, seconds=SECONDS))
            for _ in range(ROUNDS)
        ]


def lookup_rounds(bench: Bench) -> list[Round]:
    pki = bench.stack.paths.pki
    context = client_context(pki / "gateway-client.crt", pki / "gateway-client.key", pki / "internal-ca.crt")
    agreement = bench.enrolment.agreements["G03"][0]
    headers = {
        **bench.headers(),
        "NDX-Agency": "G03",
        "NDX-System": "insurance-link",
        "NDX-Agreement": agreement,
        "NDX-Request-Id": str(uuid4()),
    }
    sent = request("GET", bench.person_path(), headers)
    return bench.rounds(
        f"https://localhost:{bench.description['ports']['population']}", context, lambda: sent
    )


def pgbench_ceiling(bench: Bench) -> float:
    """Return one accountable read per transaction, prepared, by pgbench against the same tables."""
    script = bench.stack.paths.home / "lookup.sql"
    child = bench.walked.child_personal_id
    script.write_text(
        "WITH p AS (SELECT surname, middle_name, given_name, birth_date, sex, personal_id FROM persons"
        f" WHERE personal_id = '{child}'), d AS (INSERT INTO disclosures (id, agency, system, purpose,"
        " agreement, agreement_version, operation, subjects, field_groups, outcome, request_id)"
        f" SELECT gen_random_uuid(), 'G03', 'insurance-link', 'BENCH', 'DSA-G03-1', 1, 'bench',"
        " ARRAY[personal_id], ARRAY['birth_name'], 'DISCLOSED', '-' FROM p) SELECT * FROM p;\n"
    )
    url = bench.stack.env()["POPULATION_DATABASE_URL"]
    command = [
        str(postgres.binaries() / "pgbench"),
        "-n",
        "-M",
        "prepared",
        "-c",
        str(CONNECTIONS),
        "-j",
        "1",
    ]
    command += ["-T", str(int(SECONDS)), "-f", str(script), url]
    found = []
    for _ in range(ROUNDS):
        # The password is in the URL of a local throw-away database; pass it by environment, not arguments.
        parts = re.fullmatch(r"postgresql://([^:]+):([^@]+)@([^:]+):(\d+)/(.+)", url)
        if parts is None:
            raise SystemExit("POPULATION_DATABASE_URL has an unexpected form")
        user, password, host, port, name = parts.groups()
        argv = [*command[:-1], "-h", host, "-p", port, "-U", user, name]
        done = subprocess.run(
            argv, capture_output=True, text=True, check=True, env={**os.environ, "PGPASSWORD": password}
        )
        found.append(float(re.search(r"tps = ([0-9.]+)", done.stdout).group(1)))
    return sorted(found)[len(found) // 2]


def lookup(bench: Bench) -> Result:
    rounds = lookup_rounds(bench)
    ceiling = pgbench_ceiling(bench)
    words = f"one process, mTLS, {CONNECTIONS} connections, 4 groups, a record each; generator on these cores"
    return result(
        "lookup", "reads/s", rounds, words, ("pgbench, the same read and record, prepared", ceiling)
    )


def lookup_chain(bench: Bench) -> Result:
    inner = sorted(r.per_second for r in lookup_rounds(bench))[ROUNDS // 2]
    found = bench.enrolment.systems["G03/insurance-link"]
    context = client_context(found.certificate, found.key, found.ca)
    sent = request("GET", bench.person_path(), bench.headers())
    rounds = bench.rounds(bench.description["gateway_url"], context, lambda: sent)
    words = f"through Envoy with everything on, {CONNECTIONS} connections; burst quota 2,000/s bounds it"
    return result("lookup-chain", "reads/s", rounds, words, ("lookup in the same run", inner))


def birth_chain(bench: Bench) -> Result:
    """Births per second, and the time until the insurance answers for the last child."""
    found = bench.enrolment.systems["X26740/one-stop"]
    context = client_context(found.certificate, found.key, found.ca)
    count = 0

    def make() -> bytes:
        nonlocal count
        count += 1
        mark = uuid4().hex[:6].translate(str.maketrans("0123456789", "ghijklmnop"))
        body = walk.birth_of(
            given=f"Tải {mark}",
            sex="MALE" if count % 2 else "FEMALE",
            born=date(2024, 1, 1) + timedelta(days=count % 600),
            mother=("", f"Mẹ Thị {mark}"),
            father=None,
        )
        headers = {**bench.headers(), "NDX-Purpose": "CIVIL_REGISTRATION", "Idempotency-Key": uuid4().hex}
        return request("POST", "/civil-registry/v1/births", headers, json.dumps(body).encode())

    url = bench.description["gateway_url"]
    asyncio.run(load(url, context, make, connections=8, seconds=2))
    rounds = [asyncio.run(load(url, context, make, connections=16, seconds=8)) for _ in range(ROUNDS)]
    words = "registered with a number through the gateway; consumers running; 16 connections"
    return result("birth-chain", "births/s", rounds, words)


def relay(bench: Bench) -> Result:
    """Time from commit to the insurance's entitlement for single births: the whole asynchronous half."""
    from ndx_demo.door import Door

    found = bench.enrolment.systems["X26740/one-stop"]
    clinic = bench.enrolment.systems["H79.001/his"]
    url = bench.description["gateway_url"]
    times = []
    with (
        Door(url, found.certificate, found.key, found.ca) as door,
        Door(url, clinic.certificate, clinic.key, clinic.ca) as his,
    ):
        for n in range(20):
            mark = uuid4().hex[:6].translate(str.maketrans("0123456789", "ghijklmnop"))
            body = walk.birth_of(
                given=f"Nhanh {mark}",
                sex="MALE",
                born=date(2025, 3, 1),
                mother=("", f"Mẹ Thị {mark}"),
                father=None,
            )
            reply = door.post(
                "/civil-registry/v1/births", body, purpose="CIVIL_REGISTRATION", key=uuid4().hex
            )
            started = time.perf_counter()
            question = {
                "personal_id": reply.json()["personal_id"],
                "name": f"Nguyễn Minh {body['child']['given_name']}",
                "birth_date": "2025-03-01",
                "clerk_name": "Đo đạc",
                "clerk_id": "BENCH",
            }
            while time.perf_counter() - started < 10:
                answer = his.post("/insurance/v1/entitlement-checks", question, purpose="HEALTH_ENTITLEMENT")
                if answer.status_code == 200 and answer.json()["result_code"] == "000":
                    break
                time.sleep(0.02)
            times.append((time.perf_counter() - started) * 1000)
            del n
    one = Round(
        len(times) / (sum(times) / 1000),
        percentile(times, 0.5),
        percentile(times, 0.95),
        percentile(times, 0.99),
        0,
    )
    return result(
        "event-to-effect",
        "chains/s",
        [one],
        "commit of a birth until the clinic is answered 000, one at a time",
    )


BENCHMARKS: dict[str, Callable[[Bench], Result]] = {
    "lookup": lookup,
    "lookup-chain": lookup_chain,
    "birth-chain": birth_chain,
    "event-to-effect": relay,
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--stack", default="bench")
    arguments = parser.parse_args()
    stack = Stack.open(arguments.stack)
    stack.up(extra_env={"GATEWAY_TRACE_SAMPLING": "10"})
    try:
        bench = Bench(stack)
        names = [arguments.name] if arguments.name else list(BENCHMARKS)
        results = []
        for name in names:
            made = BENCHMARKS[name](bench)
            results.append(made)
            print(
                f"{made.name}: {made.value} {made.unit}, of ceiling {made.ratio}, p50 {made.p50_ms}"
                f" p95 {made.p95_ms} p99 {made.p99_ms} ms, errors {made.errors}"
            )
        print(f"report: {report(results)}")
    finally:
        stack.down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
