"""Whether a run kept what replicas promise: books, requests, scrapes. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise

from benchmarks._verdict import Verdict
from benchmarks.chaos.plan import Plan
from benchmarks.chaos.process import Pause
from benchmarks.chaos.prometheus import SECONDS as SCRAPED_EVERY
from benchmarks.chaos.prometheus import Grown
from benchmarks.chaos.rounds import Round
from benchmarks.chaos.upstream import Book
from benchmarks.chaos.witness import Asked
from exporter.ledger.checking import CENT, Held

WINDOW = 5.0
"""Seconds within which requests are counted against the limit of their rate."""

LATENESS = 0.5
"""Seconds by which the machine may bring requests together that were sent one after the other."""

WOKEN = 1.0
"""So many seconds after a process goes on it may send what it was about to send when it was stopped."""

AT_A_HAND_OVER = 2 * SCRAPED_EVERY + 0.5
"""Seconds for which the last sample of the owner before may stand beside the first one of the next."""

SHARE = 0.005


# ---- the ledger ------------------------------------------------------------------------------------------------------


def books_are_equal(books: Mapping[str, Book], held: Sequence[Held]) -> Verdict:
    """Outcomes and credits in the ledger, and their totals, against what the simulator did."""
    wrong = list(_differences(books, held))
    ends = sum(sum(book.outcomes.values()) for book in books.values())
    credits_used = sum(sum(book.credits.values()) for book in books.values())
    found = "; ".join(wrong[:4]) or f"{ends} ends, {credits_used:.2f} credits"
    return Verdict("the books are equal", not wrong and ends > 0, found, "outcomes = totals = books, to the cent")


def _differences(books: Mapping[str, Book], held: Sequence[Held]) -> Iterator[str]:
    found = {(each.account, each.status): each for each in held}
    truth = {(account, status) for account, book in books.items() for status in book.outcomes}
    for account, status in sorted(truth | {key for key, each in found.items() if each.outcomes or each.counted}):
        book = books.get(account)
        ends = book.outcomes.get(status, 0) if book else 0
        spent = book.credits.get(status, 0.0) if book else 0.0
        each = found.get((account, status), Held(account, status, 0, 0, 0.0, 0.0))
        if not each.outcomes == each.counted == ends:
            yield f"{account} {status}: {each.outcomes} kept, {each.counted} counted, {ends} in the books"
        if max(abs(each.credits - spent), abs(each.credits_counted - spent)) > CENT:
            yield f"{account} {status}: {each.credits:g} kept, {each.credits_counted:g} counted, {spent:g} in the books"


# ---- the requests ----------------------------------------------------------------------------------------------------


def overlaps(asked: Collection[Asked]) -> Iterator[tuple[Asked, Asked]]:
    """Requests of two replicas for one account that were under way at the same time."""
    for of_account in _by_account(asked).values():
        under_way: list[Asked] = []
        for request in sorted(of_account, key=lambda each: each.begun):
            under_way = [other for other in under_way if other.ended > request.begun]
            yield from ((other, request) for other in under_way if other.replica != request.replica)
            under_way.append(request)


def excused(asked: Collection[Asked], pauses: Sequence[Sequence[Pause]]) -> list[Asked]:
    """The first request of each process after it stood still, if it came at once: it may have been about to be sent.

    The first alone: one process looks at the clock and sends for one request at a time.
    """
    found = []
    for replica, of_replica in enumerate(pauses):
        for pause in of_replica:
            after = (each for each in asked if each.replica == replica and pause.end <= each.begun < pause.end + WOKEN)
            first = min(after, key=lambda each: each.begun, default=None)
            if first is not None:
                found.append(first)
    return found


def one_owner_asks(asked: Collection[Asked], pauses: Sequence[Sequence[Pause]]) -> Verdict:
    """No two replicas ask for one account at once, but for one request of each process that stood still."""
    late = {id(each) for each in excused(asked, pauses)}
    found = list(overlaps(asked))
    bad = [pair for pair in found if not any(id(each) in late for each in pair)]
    too_late = {id(each) for pair in found for each in pair if id(each) in late}
    text = f"{len(bad)} of {len(asked)} requests, {len(too_late)} by a process that had stood still"
    if bad:
        one, other = bad[0]
        text += f": {one.account}, replicas {one.replica} and {other.replica}, {one.ended - other.begun:.2f} s"
    return Verdict("no two owners ask at once", not bad and len(asked) > 0, text, "none; one for each SIGSTOP")


def limits_hold(asked: Collection[Asked], books: Mapping[str, Book], plan: Plan, *, late: int) -> Iterator[Verdict]:
    """The limits of each account, over all replicas; ``late`` requests are those of processes that stood still."""
    most = max((_most_at_once(each) for each in _by_account(asked).values()), default=0)
    yield Verdict(
        "requests in flight",
        0 < most <= plan.in_flight + min(late, 1),
        f"{most} of an account at once, {max(book.most_in_flight for book in books.values())} in the simulator's books",
        f"at most {plan.in_flight}",
    )
    fastest = max((_most_within(each) for each in _by_account(asked).values()), default=0)
    allowed = plan.rate * (WINDOW + LATENESS) + 2
    yield Verdict(
        "requests a second",
        fastest <= allowed,
        f"{fastest / WINDOW:.1f} a second of an account, over {WINDOW:g} s",
        f"at most {plan.rate:g}, give or take a hand-over",
    )


def _most_at_once(asked: Collection[Asked]) -> int:
    steps = sorted([(each.ended, -1) for each in asked] + [(each.begun, 1) for each in asked])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def _most_within(asked: Collection[Asked]) -> int:
    times = sorted(each.begun for each in asked)
    first = most = 0
    for number, at in enumerate(times):
        while at - times[first] > WINDOW:
            first += 1
        most = max(most, number - first + 1)
    return most


def _by_account(asked: Collection[Asked]) -> Mapping[str, Sequence[Asked]]:
    by_account: defaultdict[str, list[Asked]] = defaultdict(list)
    for each in asked:
        by_account[each.account].append(each)
    return by_account


def hand_overs(asked: Collection[Asked]) -> list[float]:
    """Seconds from the last request of each owner of an account to the first one of the next."""
    gaps = []
    for of_account in _by_account(asked).values():
        ordered = sorted(of_account, key=lambda each: each.begun)
        gaps += [
            max(0.0, after.begun - before.ended)
            for before, after in pairwise(ordered)
            if before.replica != after.replica
        ]
    return sorted(gaps)


# ---- the scrapes -----------------------------------------------------------------------------------------------------


def shown_once(rounds: Sequence[Round]) -> Verdict:
    """No round of scrapes has an account on two pages."""
    twice = [account for each in rounds for account in _more_than_once(page.shows for page in each)]
    shown = sum(len(page.shows) for each in rounds for page in each)
    found = f"{len(twice)} times in {len(rounds)} rounds {sorted(set(twice))}"
    return Verdict("no scrape shows one twice", not twice and shown > 0, found, "never")


def owned_once(rounds: Sequence[Round], *, longest: float) -> Verdict:
    """No account is owned twice, but for the moment between the scrapes of two pages; ``longest`` is Prometheus's."""
    in_a_row = most = 0
    before: frozenset[str] = frozenset()
    for each in rounds:
        twice = frozenset(_more_than_once(page.owns for page in each))
        in_a_row = in_a_row + 1 if twice & before else min(1, len(twice))
        most, before = max(most, in_a_row), twice
    found = f"{most} rounds in a row, {longest:.2f} s as Prometheus has it"
    wanted = f"fewer than two, {AT_A_HAND_OVER:g} s"
    return Verdict("none is owned twice", most < 2 and longest <= AT_A_HAND_OVER, found, wanted)


def _more_than_once(names: Iterator[frozenset[str]]) -> list[str]:
    return [name for name, count in Counter(name for each in names for name in each).items() if count > 1]


def seen_by_prometheus(
    grown: Mapping[str, Grown], books: Mapping[str, Book], *, drops: Sequence[str], refused: float
) -> Iterator[Verdict]:
    """What is asked for of the series themselves."""
    instances = sorted({instance for each in grown.values() for instance in each.instances})
    yield Verdict("an account has one instance", len(instances) == 1, ", ".join(instances), "one, whoever owns it")
    yield Verdict("no counter drops", not drops, f"{len(drops)}: {drops[0]}" if drops else "none", "none")
    yield Verdict("no sample is refused", not refused, f"{refused:.0f}", "0")
    worst = max((_apart(grown[account], book) for account, book in books.items() if account in grown), default=1.0)
    is_all = set(books) <= set(grown)
    yield Verdict("increase() over hand-overs", is_all and worst <= SHARE, f"{worst:.3%} off", f"at most {SHARE:.1%}")


def _apart(grown: Grown, book: Book) -> float:
    ends, spent = sum(book.outcomes.values()), sum(book.credits.values())
    return max(abs(grown.ends - ends) / max(ends, 1), abs(grown.credits - spent) / max(spent, 0.01))
