"""``/api/v1/tasks`` before a whole exporter."""

import asyncio
import re
from pathlib import Path

import pytest

from exporter.ledger.ledger import LedgerError
from exporter.registration.registrar import ClosedError
from exporter.service.elsewhere import KeptTask, Owner
from exporter.settings.model import ApiConfigSettings, GroupSettings, Settings
from exporter.web.api.tasks import AT_ONCE, rfc3339
from tests.support.api_rig import CONFIG, Upstream, api_rig
from tests.support.browse import Browse
from tests.support.fake_exporter import SETTINGS, FakeElsewhere, FakeExporter, FakeRegistrations, FakeTasks, task_view

URL = "http://localhost/api/v1/tasks"

OPEN = Settings(
    accounts=SETTINGS.accounts,
    task_groups=(GroupSettings("renders", "default", api_config=ApiConfigSettings()),),
)

TWO_GROUPS = """\
global: {labels: [team]}
accounts:
  - {name: one, base_url: "http://upstream.test", api_key_env: KEY}
  - {name: two, base_url: "http://upstream.test", api_key_env: KEY}
task_groups:
  - {name: renders, account: one, api_config: {max_tasks: 3}, static_configs: [{task_ids: [named]}]}
  - {name: images, account: two, api_config: {}}
  - {name: closed, account: one}
"""

MALFORMED = [
    (b"", 400, [{"message": "the body: this is not JSON: Expecting value"}]),
    (b"{", 400, None),
    (b"{}{}", 400, None),
    (b"[],[]", 400, None),
    (b'{"task_ids": []},{}', 400, [{"message": "the body: this is not JSON: a list of items stands in [ ]"}]),
    (b'{"task_ids": ["\xff"]}', 400, [{"message": "the body: is not UTF-8, the one encoding that is allowed"}]),
    (b"[" + b"9" * 5000 + b"]", 400, [{"message": "the body: this is not JSON: a number has too many digits"}]),
    (b"[" * 100_000, 400, [{"message": "the body: this is not a list of items: it is nested too deep"}]),
    (b'{"task_ids": ["a"], "task_ids": ["b"]}', 400, None),
    (b'{"task_ids": ["a"], "task_id": "b"}', 422, None),
]


async def test_one_item_or_many_and_again(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        answer = await rig.register("t1", "t2", out_task_ids=["x1"])
        assert answer == {
            "status": "success",
            "tasks": [
                {"task_id": "t1", "group": "renders", "result": "registered"},
                {"task_id": "t2", "group": "renders", "result": "registered"},
                {"out_task_id": "x1", "group": "renders", "result": "registered"},
            ],
        }
        many = [{"task_ids": ["t1"], "group": "renders"}, {"task_ids": ["t3", "t4"], "model": "veo"}]
        again = await rig.client.post("/api/v1/tasks", json=many)
        assert [task["result"] for task in again.json()["tasks"]] == ["already_registered", "registered", "registered"]
        assert await rig.followed() == ["t1", "t2", "x1", "t3", "t4"]


async def test_nothing_is_named(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        assert (await rig.register())["tasks"] == []
        assert (await rig.client.post("/api/v1/tasks", json=[])).json() == {"status": "success", "tasks": []}


async def test_what_an_item_says_and_what_its_group_says(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        at = "2026-05-25T08:30:00Z"
        await rig.register("t1", model="veo", labels={"team": "trailers"}, submitted_at=at)
        await rig.register("t2")
        tasks = (await rig.client.get("/api/v1/tasks")).json()["tasks"]
        assert [(task["model"], task["labels"], task["submitted_at"]) for task in tasks] == [
            ("veo", {"team": "trailers"}, "2026-05-25T08:30:00.000Z"),
            ("sora-2", {"team": "video"}, "2026-05-28T20:26:40.000Z"),
        ]


async def test_every_fault_is_named_and_nothing_registered(tmp_path: Path) -> None:
    items = [
        {"task_ids": ["ok"]},
        {"task_ids": ["a b", 7], "labels": {"owner": "me"}, "group": "nowhere"},
        {"modle": "veo"},
        "t1",
        {"task_ids": ["t"], "submitted_at": "yesterday", "group": 7},
    ]
    async with api_rig(tmp_path) as rig:
        answer = await rig.client.post("/api/v1/tasks", json=items)
        assert answer.status_code == 422
        faults = {(fault["index"], fault["key"]) for fault in answer.json()["errors"]}
        assert faults == {
            *((1, "group"), (1, "task_ids[0]"), (1, "task_ids[1]"), (1, "labels.owner")),
            *((2, "modle"), (2, ""), (3, ""), (4, "submitted_at"), (4, "group")),
        }
        assert {"index": 1, "key": "group", "message": "nowhere takes no registrations; allowed: renders"} in (
            answer.json()["errors"]
        )
        assert await rig.followed() == []


@pytest.mark.parametrize(("body", "status", "errors"), MALFORMED)
async def test_what_is_no_registration(
    tmp_path: Path, body: bytes, status: int, errors: list[dict[str, object]] | None
) -> None:
    async with api_rig(tmp_path) as rig:
        answer = await rig.client.post("/api/v1/tasks", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == status
        assert errors is None or answer.json() == {"status": "error", "errors": errors}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_json_has_to_be_said(tmp_path: Path, content_type: str | None) -> None:
    async with api_rig(tmp_path) as rig:
        headers = {"Content-Type": content_type} if content_type else {}
        assert (await rig.client.post("/api/v1/tasks", content=b"{}", headers=headers)).status_code == 415


@pytest.mark.slow
async def test_too_much_at_once(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        headers = {"Content-Type": "application/json"}
        large = await rig.client.post("/api/v1/tasks", content=b" " * (4 * 1024 * 1024 + 1), headers=headers)
        ids = await rig.client.post("/api/v1/tasks", json={"task_ids": [f"t{n}" for n in range(10_001)]})
        items = await rig.client.post("/api/v1/tasks", json=[{}] * 10_001)
        assert (large.status_code, ids.status_code, items.status_code) == (413, 422, 422)
        assert "10000 ids" in ids.json()["errors"][0]["message"]
        assert len((await rig.register(*(f"t{n}" for n in range(10_000))))["tasks"]) == 10_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "faulty",
    [
        {f"k{number}": 1 for number in range(300_000)},
        {"task_ids": ["t"], "labels": {f"k{number}": "v" for number in range(300_000)}},
        {"task_ids": [""] * 10_000},
        [{}] * 10_000,
        [{"x" * 300: 1}] * 10_000,
        [{f"k{number}": 1 for number in range(90)}] * 4_000,
    ],
    ids=["keys", "labels", "ids", "items", "long keys", "keys of items"],
)
async def test_an_answer_stays_small_however_much_is_wrong(browse: Browse, faulty: object) -> None:
    async with browse(FakeExporter(OPEN)) as client:
        answer = await client.post(URL, json=faulty)
    assert answer.status_code == 422
    assert len(answer.content) < 70_000
    errors = answer.json()["errors"]
    assert len(errors) == 1 or re.fullmatch("and [0-9]+ more", errors[100:][-1]["message"])
    assert len(errors) <= 101


async def test_a_group_is_needed_where_several_take_registrations(tmp_path: Path) -> None:
    async with api_rig(tmp_path, TWO_GROUPS) as rig:
        answer = await rig.client.post("/api/v1/tasks", json=[{"task_ids": ["t"]}, {"task_ids": [], "group": "closed"}])
        assert [fault["message"] for fault in answer.json()["errors"]] == [
            "is needed; allowed: renders, images",
            "closed takes no registrations; allowed: renders, images",
        ]


async def test_no_group_takes_registrations(tmp_path: Path) -> None:
    async with api_rig(tmp_path, CONFIG.replace(", api_config: {}", "")) as rig:
        answer = await rig.client.post("/api/v1/tasks", json={"task_ids": ["t"]})
        assert answer.json()["errors"] == [
            {"index": 0, "key": "group", "message": "is needed; no group has api_config"}
        ]


async def test_a_full_group_takes_all_of_a_request_or_nothing(tmp_path: Path) -> None:
    async with api_rig(tmp_path, TWO_GROUPS) as rig:
        await rig.register("a", "b", group="renders")
        items = [{"task_ids": ["a", "c", "d"], "group": "renders"}, {"task_ids": ["e"], "group": "images"}]
        full = await rig.client.post("/api/v1/tasks", json=items)
        assert (full.status_code, full.headers["retry-after"]) == (429, "60")
        assert "renders follows 3 registered tasks at most" in full.text
        assert await rig.followed() == ["named", "a", "b"]
        await rig.register("a", "c", group="renders")
        metrics = await rig.metrics()
        assert 'sd_refresh_failures_total{group="renders",mechanism="api"} 1.0' in metrics
        assert 'sd_last_refresh_timestamp_seconds{group="renders",mechanism="api"} 1.78e+09' in metrics


async def test_a_task_that_a_file_names_may_be_registered_too(tmp_path: Path) -> None:
    async with api_rig(tmp_path, TWO_GROUPS) as rig:
        answer = await rig.register("named", group="renders")
        assert answer["tasks"][0]["result"] == "already_followed"
        assert (await rig.client.get("/api/v1/tasks/named")).json()["sources"] == ["renders/static", "renders/api"]
        await rig.reload(TWO_GROUPS.replace("named", "other"))
        assert (await rig.client.get("/api/v1/tasks/named")).json()["sources"] == ["renders/api"]


async def test_pages_are_stable_while_tasks_come_and_go(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        await rig.register(*(f"t{n}" for n in range(5)))
        first = (await rig.client.get("/api/v1/tasks", params={"limit": 2})).json()
        assert [task["task_id"] for task in first["tasks"]] == ["t0", "t1"]
        await rig.client.delete("/api/v1/tasks/t1")
        await rig.client.delete("/api/v1/tasks/t3")
        await rig.register("t5", "t1")
        rest = (await rig.client.get("/api/v1/tasks", params={"cursor": first["next"]})).json()
        assert [task["task_id"] for task in rest["tasks"]] == ["t2", "t4", "t5", "t1"]
        assert rest["next"] is None


async def test_filters(tmp_path: Path) -> None:
    upstream = Upstream({"done": {"status": "completed"}})
    async with api_rig(tmp_path, TWO_GROUPS, upstream=upstream) as rig:
        await rig.register("done", "gone", group="renders")
        await rig.register("there", group="images")
        await rig.clock.advance(60)

        async def listed(**params: str) -> list[str]:
            tasks = (await rig.client.get("/api/v1/tasks", params=params)).json()["tasks"]
            return [str(task["task_id"]) for task in tasks]

        assert await listed(group="images") == ["there"]
        assert await listed(account="one") == ["named", "done", "gone"]
        assert await listed(status="completed") == ["done"]
        assert await listed(status="completed", account="two") == []


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=%D9%A3", "limit"),
        ("status=done", "status"),
        ("cursor=1", "cursor"),
        ("cursor=00000000-7", "cursor"),
        ("grop=renders", "grop"),
        ("limit=1&limit=2", "limit"),
    ],
)
async def test_a_wrong_query_is_told(tmp_path: Path, query: str, key: str) -> None:
    async with api_rig(tmp_path) as rig:
        answer = await rig.client.get(f"/api/v1/tasks?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["key"]) == (422, key)


async def test_one_task_and_its_history(tmp_path: Path) -> None:
    upstream = Upstream({"t1": {"status": "running", "estimated_seconds": 12, "out_task_id": "x1"}})
    async with api_rig(tmp_path, upstream=upstream) as rig:
        await rig.register("t1")
        await rig.clock.advance(5)
        upstream.records["t1"] = {"status": "failed", "error_code": "boom"}
        await rig.clock.advance(5)
        task = (await rig.client.get("/api/v1/tasks/x1")).json()
        assert (task["task_id"], task["status"], task["error_code"]) == ("t1", "failed", "boom")
        assert [turn["status"] for turn in task["history"]] == ["running", "failed"]
        assert task["running_at"] == task["history"][0]["at"]
        assert task["finished_at"] == task["history"][1]["at"]


async def test_removing_what_was_registered(tmp_path: Path) -> None:
    upstream = Upstream({"t1": {"status": "running", "out_task_id": "x1"}})
    async with api_rig(tmp_path, upstream=upstream) as rig:
        await rig.register("t1", out_task_ids=["x/2"])
        await rig.clock.advance(5)
        answers = [(await rig.client.delete(f"/api/v1/tasks/{name}")).status_code for name in ("x1", "x/2", "x1", "?")]
        assert answers == [204, 204, 404, 404]
        assert await rig.followed() == []
        asked = len(upstream.asked)
        await rig.clock.advance(60)
        assert len(upstream.asked) == asked


async def test_two_tasks_of_one_out_task_id(tmp_path: Path) -> None:
    """Each is removed alone: that the caller gave both the same name does not make them one."""
    upstream = Upstream({"t1": {"status": "running", "out_task_id": "x"}, "t2": {"status": "running"}})
    upstream.records["x"] = {"status": "running", "task_id": "t2"}
    async with api_rig(tmp_path, upstream=upstream) as rig:
        await rig.register(out_task_ids=["x"])
        await rig.register("t1")
        await rig.clock.advance(10)
        assert await rig.followed() == ["t2", "t1"]
        assert (await rig.client.delete("/api/v1/tasks/t1")).status_code == 204
        assert await rig.followed() == ["t2"]
        assert (await rig.client.delete("/api/v1/tasks/t2")).status_code == 204
        assert await rig.followed() == []


async def test_removing_what_a_file_names(tmp_path: Path) -> None:
    async with api_rig(tmp_path, TWO_GROUPS) as rig:
        refused = await rig.client.delete("/api/v1/tasks/named")
        assert refused.status_code == 409
        assert "renders/static" in refused.text
        await rig.register("named", group="renders")
        assert (await rig.client.delete("/api/v1/tasks/named")).status_code == 204
        assert await rig.followed() == ["named"]


async def test_an_id_in_two_accounts(tmp_path: Path) -> None:
    async with api_rig(tmp_path, TWO_GROUPS) as rig:
        await rig.register("same", group="renders")
        await rig.register("same", group="images")
        assert (await rig.client.get("/api/v1/tasks/same")).status_code == 409
        assert (await rig.client.delete("/api/v1/tasks/same")).status_code == 409
        shown = await rig.client.get("/api/v1/tasks/same", params={"account": "two"})
        assert shown.json()["group"] == "images"
        assert (await rig.client.delete("/api/v1/tasks/same?account=two")).status_code == 204
        assert (await rig.client.delete("/api/v1/tasks/same")).status_code == 204


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_other_methods(tmp_path: Path, method: str) -> None:
    async with api_rig(tmp_path) as rig:
        answer = await rig.client.request(method, "/api/v1/tasks")
        assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"GET", "HEAD", "POST"})


async def test_a_ledger_that_fails_registers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with api_rig(tmp_path) as rig:

        def fail(*_args: object, **_kwargs: object) -> None:
            raise LedgerError("ledger x: full")

        monkeypatch.setattr(rig.exporter._writer._ledger, "register", fail)
        answer = await rig.client.post("/api/v1/tasks", json={"task_ids": ["t1"]})
        assert (answer.status_code, answer.json()["errors"]) == (503, [{"message": "ledger x: full"}])
        assert await rig.followed() == []
        monkeypatch.undo()
        assert (await rig.register("t1"))["tasks"][0]["result"] == "registered"


async def test_a_group_that_closes_between_reading_and_registering(browse: Browse) -> None:
    closed = ClosedError("task group renders takes no registrations")
    exporter = FakeExporter(OPEN, registrations=FakeRegistrations(closed))
    exporter.registrations.open.set()
    async with browse(exporter) as client:
        answer = await client.post(URL, json={"task_ids": ["t1"]})
    assert (answer.status_code, answer.json()["errors"]) == (422, [{"message": str(closed)}])


async def test_so_many_registrations_at_once(browse: Browse) -> None:
    exporter = FakeExporter(OPEN)
    async with browse(exporter) as client:

        async def post() -> int:
            return (await client.post(URL, json={"task_ids": ["t"]})).status_code

        posts = {asyncio.create_task(post()) for _ in range(AT_ONCE + 1)}
        [refused], waiting = await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
        assert refused.result() == 429
        exporter.registrations.open.set()
        assert set(await asyncio.gather(*waiting)) == {200}
    assert len(exporter.registrations.made) == AT_ONCE


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (None, None),
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_780_000_000.25, "2026-05-28T20:26:40.250Z"),
        (-1e12, None),
        (1e18, None),
    ],
)
def test_a_moment(at: float | None, written: str | None) -> None:
    assert rfc3339(at) == written


# ---- what another exporter follows -----------------------------------------------------------------------------------

ELSEWHERE = KeptTask(task_view(7), Owner("two", "http://two:9877"))


async def test_a_task_that_another_exporter_follows(browse: Browse) -> None:
    async with browse(FakeExporter(elsewhere=FakeElsewhere(kept=[ELSEWHERE]))) as client:
        found = await client.get("/api/v1/tasks/t7")
        assert (found.status_code, found.json()["task_id"]) == (200, "t7")
        assert found.json()["owner"] == {"id": "two", "url": "http://two:9877"}
        assert (await client.get("/api/v1/tasks/t8")).status_code == 404

        refused = await client.delete("/api/v1/tasks/t7")
        assert refused.status_code == 409
        assert "exporter two follows it" in refused.text


async def test_nobody_is_known_to_own_it_or_where_he_is(browse: Browse) -> None:
    for owner, said in ((None, None), (Owner("two", ""), {"id": "two", "url": None})):
        elsewhere = FakeElsewhere(kept=[KeptTask(task_view(7), owner)])
        async with browse(FakeExporter(elsewhere=elsewhere)) as client:
            assert (await client.get("/api/v1/tasks/t7")).json()["owner"] == said


async def test_what_is_followed_here_needs_no_look_at_the_ledger(browse: Browse) -> None:
    elsewhere = FakeElsewhere(refusal=LedgerError("the ledger is away"))
    async with browse(FakeExporter(tasks=FakeTasks(count=3), elsewhere=elsewhere)) as client:
        assert "owner" not in (await client.get("/api/v1/tasks/t1")).json()
        assert elsewhere.looked_up == []
        away = await client.get("/api/v1/tasks/t7")
    assert (away.status_code, away.headers["retry-after"]) == (503, "5")


async def test_a_list_says_which_accounts_are_missing_in_it(browse: Browse) -> None:
    owners = {"green": Owner("two", "http://two:9877"), "red": None}
    green = {"account": "green", "owner": {"id": "two", "url": "http://two:9877"}}
    async with browse(FakeExporter(elsewhere=FakeElsewhere(owners=owners))) as client:
        everything = (await client.get("/api/v1/tasks")).json()
        assert everything["elsewhere"] == [green, {"account": "red", "owner": None}]
        assert (await client.get("/api/v1/tasks?account=green")).json()["elsewhere"] == [green]
        assert "elsewhere" not in (await client.get("/api/v1/tasks?account=blue")).json()
    async with browse(FakeExporter()) as client:
        assert "elsewhere" not in (await client.get("/api/v1/tasks")).json()
