"""What the configuration names as a secret becomes no task by any request."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.api_rig import CONFIG, Rig, api_rig

SECRETS = {"token": "correct-horse-battery-staple", "hook": "another-phrase-of-words", "KEY": "sk-byts-of-the-rig"}
HINTED = CONFIG.replace(
    "api_config: {}", "api_config: {}, callback_config: {secret_file: hook, register_unknown: true}"
)
GUARDED = HINTED + "api: {token_file: token}\n"


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    for name in ("token", "hook"):
        (tmp_path / name).write_text(f"\ufeff{SECRETS[name]}\n")


async def ask(rig: Rig, method: str, path: str, body: object = None) -> Any:
    return await rig.client.request(method, path, json=body, headers={"Authorization": f"Bearer {SECRETS['token']}"})


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
async def test_by_no_request(tmp_path: Path, secret: str) -> None:
    async with api_rig(tmp_path, GUARDED) as rig:
        for item in (
            {"task_ids": ["good", secret]},
            {"out_task_ids": [f"of-{secret}-mine"]},
            {"task_ids": ["good"], "model": secret},
            {"task_ids": ["good"], "labels": {"team": secret}},
            {"task_ids": ["good"], "group": secret},
            {"task_ids": ["good"], secret: 1},
        ):
            answer = await ask(rig, "POST", "/api/v1/tasks", item)
            assert (answer.status_code, secret in answer.text) == (422, False), item
        for payload in ({"task_id": secret}, {"data": {"out_task_id": f"x{secret}"}}):
            answer = await ask(rig, "POST", f"/api/v1/callbacks/renders/{SECRETS['hook']}", payload)
            assert answer.status_code == (202 if secret.startswith("sk-byts-") else 422)
            assert secret not in answer.text
        for path in (
            f"/probe?task_id={secret}",
            f"/probe?out_task_id={secret}x",
            f"/probe?{secret}=1",
            f"/sd?{secret}",
        ):
            answer = await ask(rig, "GET", path)
            assert (answer.status_code, secret in answer.text) == (400, False), path
        await rig.clock.advance(1.0)
        listed = await ask(rig, "GET", "/api/v1/tasks")
        assert (listed.json()["tasks"], rig.upstream.asked) == ([], [])


async def test_a_secret_that_was_replaced_is_one_still(tmp_path: Path) -> None:
    async with api_rig(tmp_path, GUARDED) as rig:
        assert (await ask(rig, "GET", "/sd")).status_code == 200
        old = SECRETS["token"]
        (tmp_path / "token").write_text("yet-another-phrase-of-words")
        await rig.clock.advance(1.0)
        bearer = {"Authorization": "Bearer yet-another-phrase-of-words"}
        for secret in (old, "yet-another-phrase-of-words"):
            answer = await rig.client.post("/api/v1/tasks", json={"task_ids": [secret]}, headers=bearer)
            assert answer.status_code == 422
