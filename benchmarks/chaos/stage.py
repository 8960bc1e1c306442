"""Everything that plays: PostgreSQL, PgBouncer, the ways to them, the simulator, its witness, the replicas, Prometheus.

All of it real processes on this machine, gone when the stack is left.
"""

import json
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random

from benchmarks.chaos import prometheus
from benchmarks.chaos.applications import Applications
from benchmarks.chaos.cluster import DATABASE, Cluster
from benchmarks.chaos.plan import Plan
from benchmarks.chaos.process import Process
from benchmarks.chaos.rounds import Rounds
from benchmarks.chaos.upstream import MODEL, Upstream, group_of, key_of, write_accounts
from benchmarks.chaos.way import Way
from benchmarks.chaos.witness import Witness
from tests.support.ports import free_port
from tests.support.postgres import USER
from tests.support.processes import start_simulator

POLL = "400ms"


class Stage:
    """The parts, by what they are."""

    def __init__(self, plan: Plan, directory: Path, stack: ExitStack) -> None:
        self._plan = plan
        self._directory = directory
        self.cluster = Cluster(stack)
        # the first goes straight to the server, the others through PgBouncer
        sockets = [self.cluster.socket, *[self.cluster.pooled_socket] * (plan.replicas - 1)]
        self.ways = [stack.enter_context(closing(Way(socket, Random(plan.seed)))) for socket in sockets]
        addresses = _addresses(plan.replicas)
        self.applications = stack.enter_context(Applications(addresses, Random(plan.seed)))
        self.upstream, self.witness = self._simulated(stack)
        self.replicas = [stack.enter_context(closing(self._replica(*each))) for each in enumerate(addresses)]
        self.prometheus = stack.enter_context(prometheus.started(directory / "prometheus", addresses))
        self.rounds = stack.enter_context(Rounds(addresses))

    def config(self, number: int) -> Path:
        """The configuration file of a replica."""
        return self._directory / self.name(number) / "exporter.yml"

    @staticmethod
    def name(number: int) -> str:
        """What a replica calls itself, to the others and to the database."""
        return f"replica-{number}"

    def is_in_transaction(self, number: int) -> bool:
        """Whether the database waits for that replica to go on with a transaction."""
        waiting = f"application_name = '{self.name(number)}' AND state = 'idle in transaction'"
        return bool(self.cluster.rows(f"SELECT 1 FROM pg_stat_activity WHERE {waiting}"))

    def _simulated(self, stack: ExitStack) -> tuple[Upstream, Witness]:
        plan = self._plan
        write_accounts(self._directory / "accounts.yml", plan)
        (self._directory / "tasks").mkdir()
        accounts = ("--accounts.file", str(self._directory / "accounts.yml"))
        latency = ("--response-latency", f"{1000 * plan.answer_after:.0f}ms")
        simulator = stack.enter_context(start_simulator(self._directory, "--seed", str(plan.seed), *accounts, *latency))
        lists, register = self._directory / "tasks", self.applications.register
        upstream = stack.enter_context(closing(Upstream(simulator.url, lists, plan, register=register)))
        keys = {key_of(name): name for name in plan.names}
        return upstream, stack.enter_context(Witness(simulator.url, replicas=plan.replicas, accounts=keys))

    def _replica(self, number: int, address: str) -> Process:
        self.config(number).parent.mkdir()
        self.config(number).write_text(json.dumps(self._settings(number)))
        env = {name.upper().replace("-", "_"): key_of(name) for name in self._plan.names}
        flags = ("--replica.id", self.name(number))
        return Process(self.config(number), name=self.name(number), address=address, flags=flags, env=env)

    def _settings(self, number: int) -> dict[str, object]:
        """The same for all, but for the ways to the API and to the database."""
        plan = self._plan
        limits = {
            "max_in_flight": plan.in_flight,
            "max_requests_per_second": plan.rate,
            "timeout": f"{1000 * plan.timeout:.0f}ms",
        }
        url = f"postgresql://{USER}@127.0.0.1:{self.ways[number].port}/{DATABASE}?application_name={self.name(number)}"
        return {
            "global": {
                "poll": {"strategy": "eta", "min_interval": POLL, "max_interval": POLL},
                "task_series": {"limit": 0},
            },
            "accounts": [
                {
                    "name": name,
                    "base_url": self.witness.urls[number],
                    "api_key_env": name.upper().replace("-", "_"),
                    **limits,
                }
                for name in plan.names
            ],
            "task_groups": [
                {
                    "name": group_of(name),
                    "account": name,
                    "model": MODEL,  # so each of its series is there from the start, at 0
                    "api_config": {},
                    "file_sd_configs": [
                        {"files": [str(self._directory / "tasks" / f"{name}.json")], "refresh_interval": "5s"}
                    ],
                }
                for name in plan.names
            ],
            "ledger": {"url": url, "lease": f"{1000 * plan.lease:.0f}ms"},
        }


def _addresses(count: int) -> list[str]:
    """So many, all different: nobody listens there yet."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return [f"127.0.0.1:{port}" for port in sorted(ports)]
