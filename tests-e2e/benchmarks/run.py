"""`make bench [B=name]`: the door of the benchmarks; measures, prints each figure, writes the report."""

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness import OUT, CannotMeasure, Result, words
from ndx_local.stack import Stack
from report import write_report
from system import SAMPLING, System


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark: its module, and whether it runs over a whole stack."""

    module: str
    on_stack: bool = True

    def measure(self, system: System | None) -> list[Result]:
        measure: Callable[..., list[Result]] = importlib.import_module(self.module).measure
        return measure(system) if self.on_stack else measure()


BENCHMARKS: dict[str, Benchmark] = {
    "gateway-proxy": Benchmark("gateway_proxy", on_stack=False),
    "gateway-profile": Benchmark("gateway_profile", on_stack=False),
    "fairness": Benchmark("fairness", on_stack=False),
    "quota-overshoot": Benchmark("quota_overshoot"),
    "relay": Benchmark("relay"),
    "ledger": Benchmark("ledger", on_stack=False),
    "import": Benchmark("bulk_import"),
    "allocation": Benchmark("allocation", on_stack=False),
    "search": Benchmark("search", on_stack=False),
    "match-batch": Benchmark("match_batch", on_stack=False),
    "match-file": Benchmark("match_file"),
    "dedupe": Benchmark("dedupe", on_stack=False),
    "lookup": Benchmark("lookup"),
    "lookup-chain": Benchmark("lookup_chain"),
    "signing": Benchmark("signing"),
    "verify": Benchmark("verify"),
    "birth-chain": Benchmark("birth_chain"),
    "event-to-effect": Benchmark("event_to_effect"),
    "configuration": Benchmark("configuration", on_stack=False),
    "revocation": Benchmark("revocation"),
    "enrolment": Benchmark("enrolment", on_stack=False),
    "decisions": Benchmark("decisions", on_stack=False),
}


def _measure(names: list[str], stack: Stack) -> bool:
    """Run the named benchmarks; the stack comes up when the first needs it."""
    system: System | None = None
    good = True
    for name in names:
        benchmark = BENCHMARKS[name]
        print(f"{name} …", flush=True)
        try:
            if benchmark.on_stack and system is None:
                stack.up(extra_env={"GATEWAY_TRACE_SAMPLING": str(SAMPLING)})
                system = System(stack)
            for made in benchmark.measure(system):
                print(f"  {words(made)}", flush=True)
                for one in made.rounds:
                    if one.label:
                        print(f"    {one.label:45} {one.value:8.1f}")
        except CannotMeasure as error:
            good = False
            print(f"  {name} could not be measured: {error}", flush=True)
    return good


def results() -> list[dict[str, Any]]:
    """Return every result in `.local/bench`, also of earlier runs; what another version wrote is left out."""
    found = [json.loads(file.read_text()) for file in sorted(OUT.glob("*.json"))]
    return [one for one in found if "rounds" in one and all("value" in r for r in one["rounds"])]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench B=")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHMARKS)}; all when none")
    parser.add_argument("--stack", default="benchmarks", help="name of the stack")
    parser.add_argument("--keep", action="store_true", help="leave the stack running")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - BENCHMARKS.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    stack = Stack.open(arguments.stack)
    others = bool(stack.status())
    try:
        good = _measure(arguments.names or list(BENCHMARKS), stack)
    finally:
        # One that ran before may be in use: by another run, of hours, that needs it.
        if stack.status() and not arguments.keep and not others:
            stack.down()
    print(f"report: {write_report(results(), OUT / 'report.html')}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
