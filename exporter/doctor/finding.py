"""What a check finds."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it stands. A warning keeps nothing from working; what was skipped was not looked at, and says why."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: ``check`` says what, ``subject`` which account, address or file of several.

    ``advice`` is what to do; a fault always has one. None of the texts holds a secret.
    """

    check: str
    verdict: Verdict
    detail: str
    advice: str = ""
    subject: str = ""


def ok(check: str, detail: str, *, subject: str = "") -> Finding:
    """Nothing is wrong here."""
    return Finding(check, Verdict.OK, detail, subject=subject)


def skipped(check: str, why: str, *, subject: str = "") -> Finding:
    """This could not be looked at, or did not need to be."""
    return Finding(check, Verdict.SKIPPED, why, subject=subject)


def warning(check: str, detail: str, advice: str = "", *, subject: str = "") -> Finding:
    """It works, perhaps not as it is meant to."""
    return Finding(check, Verdict.WARNING, detail, advice, subject)


def fault(check: str, detail: str, advice: str, *, subject: str = "") -> Finding:
    """It cannot work so."""
    return Finding(check, Verdict.FAULT, detail, advice, subject)
