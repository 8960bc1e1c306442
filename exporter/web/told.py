"""What ended, and what it took, in words. Pure.

While no account answers, nothing is said of now: what ended before the outage would only look like news.
"""

from dataclasses import dataclass

from exporter.web.timeline import NOW, Done
from exporter.web.wording import about, as_number, as_share, seconds_in_words


@dataclass(frozen=True, slots=True)
class Fact:
    """Something said in a few words; ``is_known`` is false of what cannot be known at the moment, or is not there."""

    words: str
    is_known: bool = True


NOT_KNOWN = Fact("not known", is_known=False)
NOT_YET = Fact("not known yet", is_known=False)


@dataclass(frozen=True, slots=True)
class Told:
    """Numbers in words: of ``now``, and of the whole window.

    ``is_idle``: nothing is open. ``is_blind``: no account answers of those that could tell.
    """

    now: Done | None
    before: Done | None
    is_idle: bool
    is_blind: bool

    def rate(self) -> Fact:
        if self.is_blind:
            return NOT_KNOWN
        return Fact(as_number(self.now.per(60, self.now.ended.all))) if self.now else NOT_YET

    def outcomes(self) -> tuple[str, ...]:
        if not self.now or self.is_blind:
            return ()
        ended = self.now.ended
        lost = f", {ended.other:,.0f} cancelled or not found" if ended.other else ""
        when = about(self.now.seconds)
        return (f"{ended.completed:,.0f} completed, {ended.failed:,.0f} failed{lost} in {when}",)

    def success(self) -> Fact:
        if self.is_blind:
            return NOT_KNOWN
        if not self.now:
            return NOT_YET
        if not self.now.decided:
            return Fact("idle" if self.is_idle else "nothing ended", is_known=False)
        return Fact(as_share(self.now.ended.completed, self.now.decided))

    def success_lines(self) -> tuple[str, ...]:
        is_counted = self.now and self.now.decided and not self.is_blind
        counted = f"of {self.now.decided:,.0f} completed or failed" if self.now and is_counted else ""
        return tuple(words for words in (counted, self.success_before()) if words)

    def success_before(self) -> str:
        """That of the whole window, where it spans more than what is called now."""
        before = self.before
        if not before or not before.decided or before.seconds <= NOW:
            return ""
        return f"{as_share(before.ended.completed, before.decided)} in {about(before.seconds)}"

    def duration(self) -> Fact:
        if self.is_blind:
            return NOT_KNOWN
        if not self.now:
            return NOT_YET
        median = self.now.median
        return Fact("none completed", is_known=False) if median is None else Fact(seconds_in_words(median))

    def duration_lines(self) -> tuple[str, ...]:
        median = self.before.median if self.before else None
        if self.before is None or median is None or self.before.seconds <= NOW:
            return ()
        return (f"{seconds_in_words(median)} in {about(self.before.seconds)}",)

    def credits(self) -> Fact:
        if self.is_blind:
            return NOT_KNOWN
        return Fact(as_number(self.now.per(3600, self.now.ended.credits))) if self.now else NOT_YET

    def credits_lines(self) -> tuple[str, ...]:
        if not self.before:
            return ()
        return (f"{as_number(self.before.ended.credits)} used in {about(self.before.seconds)}",)
