"""A long run of the real program on real simulators: tasks come and go, faults come in turn, and nothing may grow.

``python -m benchmarks.soak`` takes an hour at 500 polls a second; ``--seconds`` and ``--rate`` ask for less. It prints
a line now and then and the verdicts; ``--json FILE`` keeps all samples. The exit code is 1 where a verdict is bad.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import httpx

from benchmarks._verdict import Verdict
from benchmarks.soak.judge import differences, judged
from benchmarks.soak.plan import RATE, SECONDS, Fault, Plan
from benchmarks.soak.record import Record
from benchmarks.soak.sample import ENDS, Sample, Sampler
from benchmarks.soak.tasks import Upstream
from tests.support.processes import RunningExporter, start_simulator

KEY = "sk-byts-demo"
TICK = 1.0
TOLD_EVERY = 10
HEADING = "   at  memory  fds conn  thr  ledger  polls/s   cpu  stall   late  scrape  followed   ended"


class Soak:
    """One exporter, a simulator for each of its accounts, and what is seen of them."""

    def __init__(self, plan: Plan, directory: Path, stack: ExitStack) -> None:
        self._plan = plan
        self._upstreams = [self._upstream(directory, f"account-{number}", stack) for number in range(plan.accounts)]
        stalls = directory / "stalls.jsonl"
        self._exporter = RunningExporter(
            "serve",
            *("--config.file", str(self._configured(directory)), "--web.listen-address", "127.0.0.1:0"),
            *("--log.format", "json"),
            log=directory / "serve.log",
            env={"KEY": KEY},
            program=("benchmarks.soak.watched", str(stalls)),
        )
        stack.enter_context(self._exporter)
        url = f"http://{self._exporter.wait_for_event('listening')['address']}"
        self._sampler = stack.enter_context(
            closing(
                Sampler(
                    url,
                    self._exporter.pid,
                    upstreams=[upstream.url for upstream in self._upstreams],
                    stalls=stalls,
                    ledger=directory / "ledger.db",
                )
            )
        )
        self._disturbed_until = 0.0
        self.samples: list[Sample] = []

    def run(self) -> Sequence[Verdict]:
        """All of it; what has become of it."""
        began = time.monotonic()
        faults, sampled_at = self._plan.faults(), 0.0
        due = next(faults, None)
        print(HEADING, flush=True)
        while (now := time.monotonic() - began) < self._plan.seconds:
            books = [upstream.books()["batches"] for upstream in self._upstreams]
            for upstream, batches in zip(self._upstreams, books, strict=True):
                upstream.go_on(now, batches=batches)
            if due is not None and now >= due[0]:
                self._disturb(now, self._upstreams[due[1]], due[2])
                due = next(faults, None)
            if now >= sampled_at:
                self._sample(now)
                sampled_at += self._plan.sampled_every
            time.sleep(max(0.0, TICK - (time.monotonic() - began - now)))
        return [*judged(self.samples, self._plan), *self._settled()]

    def _disturb(self, now: float, upstream: Upstream, fault: Fault) -> None:
        upstream.next_turn(now)
        upstream.meet(fault, seconds=self._plan.fault_seconds)
        self._disturbed_until = now + self._plan.fault_seconds

    def _sample(self, now: float) -> None:
        is_disturbed = now - self._plan.sampled_every < self._disturbed_until
        try:
            sample = self._sampler.take(now, is_disturbed=is_disturbed)
        except httpx.HTTPError as error:
            raise SystemExit(
                f"the exporter answers no more ({error}); it said:\n{self._exporter.output[-5000:]}"
            ) from error
        self.samples.append(sample)
        if len(self.samples) % TOLD_EVERY == 1:
            print(_line(sample), flush=True)

    def _settled(self) -> Iterator[Verdict]:
        """The books, once every task that ends has been counted; then the end of the process."""
        self._wait_for_the_last()
        page = self._sampler.page()
        wrong = [
            difference
            for number, upstream in enumerate(self._upstreams)
            for difference in differences(page, upstream.books(), account=f"account-{number}")
        ]
        counted = f"{page.sum(ENDS):,.0f} ends, {page.sum('bytespike_tasks_credits_used_total'):,.2f} credits"
        yield Verdict("the books are equal", not wrong, "; ".join(wrong) or counted, "to the task and to the cent")
        fallen = self._sampler.went_down
        yield Verdict("no counter went down", not fallen, "; ".join(fallen[:3]) or "none", "none")
        code, said = self._exporter.stop(), self._exporter.output
        trouble = [line for line in said.splitlines() if "Traceback" in line or "loop_died" in line]
        yield Verdict("it ended well", code == 0 and not trouble, f"exit code {code}", "0, and no traceback in its log")

    def _wait_for_the_last(self) -> None:
        deadline = time.monotonic() + self._plan.drain_seconds
        while time.monotonic() < deadline:
            books = [upstream.books() for upstream in self._upstreams]
            is_quiet = all(book["open"] == up.poisoned for book, up in zip(books, self._upstreams, strict=True))
            ended = sum(sum(book["outcomes"].values()) for book in books)
            if is_quiet and self._sampler.page().sum(ENDS) >= ended:
                break
            time.sleep(TICK)
        time.sleep(3 * self._plan.interval)  # should anything be counted again, it would be now

    def _upstream(self, directory: Path, name: str, stack: ExitStack) -> Upstream:
        folder = directory / name
        folder.mkdir()
        simulator = stack.enter_context(start_simulator(folder))
        upstream = stack.enter_context(closing(Upstream(simulator.url, folder / "tasks.json", self._plan)))
        upstream.begin()
        return upstream

    def _configured(self, directory: Path) -> Path:
        plan = self._plan
        numbered = list(enumerate(self._upstreams))
        limits = {"max_in_flight": plan.in_flight, "max_requests_per_second": plan.allowed, "timeout": "2s"}
        settings = {
            "global": {
                "poll": {"min_interval": _duration(plan.interval), "max_interval": _duration(plan.interval)},
                "retention": _duration(plan.retention),
                "task_series": {"limit": 100},
            },
            "accounts": [
                {"name": f"account-{number}", "base_url": upstream.url, "api_key_env": "KEY"} | limits
                for number, upstream in numbered
            ],
            "task_groups": [
                {
                    "name": f"group-{number}",
                    "account": f"account-{number}",
                    "file_sd_configs": [{"files": [f"account-{number}/tasks.json"], "refresh_interval": "30s"}],
                }
                for number, _ in numbered
            ],
            "ledger": {"url": f"sqlite:///{directory}/ledger.db"},
        }
        config = directory / "exporter.yml"
        config.write_text(json.dumps(settings))
        return config


def _duration(seconds: float) -> str:
    return f"{seconds * 1e3:.0f}ms"


def _line(sample: Sample) -> str:
    return (
        f"{sample.at:4.0f}s {sample.rss_mb:4.0f} MB {sample.descriptors:4} {sample.connections:4} {sample.threads:4}"
        f" {sample.ledger_mb:4.0f} MB {sample.polls_per_second:8.0f} {sample.cpu:5.0%} {sample.stall_ms:3.0f} ms"
        f" {sample.late_ms:3.0f} ms {sample.scrape_ms:4.0f} ms {sample.followed:9.0f} {sample.finished:7.0f}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rate", type=float, default=RATE, help="polls a second, of all accounts together")
    parser.add_argument("--json", type=Path, help="where to write every sample")
    parser.add_argument("--keep", type=Path, help="an empty directory for the ledger and the logs")
    asked = parser.parse_args(arguments)
    plan = Plan(asked.seconds, asked.rate)
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        soak = Soak(plan, asked.keep or Path(temporary), stack)
        verdicts = soak.run()
    print("\n" + "\n".join(map(str, verdicts)))
    if asked.json:
        asked.json.write_text(Record(plan, soak.samples, verdicts).as_json())
    return 0 if all(verdict.is_good for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
