"""A body of megabytes is read in short steps, and no further than it may be long."""

import json
from collections.abc import Iterator

import pytest

from exporter.discovery.written import WINDOW
from exporter.settings.model import ApiConfigSettings, GroupSettings, Settings
from exporter.web.api.parsing import MAX_IDS, read_registrations
from exporter.web.api.refusals import Refusal
from exporter.web.api.tasks import MAX_BODY_BYTES
from tests.support.fake_exporter import SETTINGS

OPEN = Settings(
    accounts=SETTINGS.accounts,
    task_groups=(GroupSettings("renders", "default", api_config=ApiConfigSettings()),),
)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many characters C code was given to read, each time: meanwhile no other thread has the interpreter."""
    steps: list[int] = []
    decode = json.JSONDecoder.raw_decode

    def noted(decoder: json.JSONDecoder, text: str, at: int = 0) -> tuple[object, int]:
        steps.append(len(text))
        return decode(decoder, text, at)

    monkeypatch.setattr(json.JSONDecoder, "raw_decode", noted)
    yield steps
    assert max(steps) <= WINDOW


@pytest.mark.parametrize("item", ["[]", "{}", "1", '"x"'])
def test_what_has_too_many_items_is_not_read_to_its_end(steps: list[int], item: str) -> None:
    body = f"[{','.join([item] * (MAX_BODY_BYTES // 5))}]".encode()
    with pytest.raises(Refusal) as caught:
        read_registrations(body, OPEN, now=0.0)
    assert caught.value.status == 422
    assert len(steps) <= MAX_IDS + 1


def test_one_long_item(steps: list[int]) -> None:
    ids = [f"task_{number}_{'x' * 150}" for number in range(MAX_IDS)]
    body = json.dumps({"task_ids": ids}).encode()
    assert [each.ref.task_id for each in read_registrations(body, OPEN, now=0.0)] == ids
