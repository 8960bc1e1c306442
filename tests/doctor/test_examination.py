import asyncio
from collections.abc import Sequence

from exporter.doctor.examination import AT_ONCE, Check, examine
from exporter.doctor.finding import Finding, Verdict, ok


async def well() -> Sequence[Finding]:
    return [ok("well", "it is")]


async def hangs() -> Sequence[Finding]:
    await asyncio.Event().wait()
    return []


async def breaks() -> Sequence[Finding]:
    raise RuntimeError("sent with sk-byts-0123456789abcdef")


async def test_one_that_hangs_or_breaks_holds_up_no_other_and_tells_no_secret() -> None:
    found = await examine([Check("hangs", hangs, "x"), Check("breaks", breaks), Check("well", well)], seconds=0.01)
    assert [(each.check, each.verdict) for each in found] == [
        ("hangs", Verdict.FAULT),
        ("breaks", Verdict.FAULT),
        ("well", Verdict.OK),
    ]
    assert all(each.advice for each in found[:2])
    assert "sk-byts" not in str(found)


async def test_so_many_go_on_side_by_side_and_no_more() -> None:
    at_once, most = 0, 0

    async def counted() -> Sequence[Finding]:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return []

    await examine([Check("c", counted) for _ in range(3 * AT_ONCE)], seconds=60.0)
    assert most == AT_ONCE
