"""What a probe did, for people: no key, and nothing of what the task was asked to make."""

from collections.abc import Iterator

from exporter.metrics.probe import Probed
from exporter.settings.model import AccountSettings
from exporter.web.asked import Asked


def trace(account: AccountSettings, asked: Asked, probed: Probed, page: str) -> str:
    """Line by line, and then the page that a scrape would have got."""
    return "\n".join([*_lines(account, asked, probed), "", page.rstrip("\n")])


def _lines(account: AccountSettings, asked: Asked, probed: Probed) -> Iterator[str]:
    yield f"account {account.name} at {account.base_url}"
    yield f"asked for {asked.ref}"
    if asked.sent_at is not None:
        yield f"{asked.sent_at:8.3f} s  sent, after waiting for its turn"
    yield f"{asked.ended_at:8.3f} s  {_met(asked)}"
    if asked.answer is not None and asked.answer.drift:
        yield f"            not as documented: {', '.join(asked.answer.drift)}"
    if probed.state is not None and probed.state.error_code:
        yield f"            error code: {probed.state.error_code}"


def _met(asked: Asked) -> str:
    if asked.answer is None:
        return f"no answer: {asked.fault}"
    seen = asked.answer.observation
    return f"answered: {seen.status}" if seen else "answered: the API does not know the task"
