"""The description of the API, and the API."""

import re
from pathlib import Path

from exporter.web.api.openapi import openapi
from tests.support.api_rig import api_rig


async def test_every_route_and_method_is_described_and_no_other(tmp_path: Path) -> None:
    async with api_rig(tmp_path) as rig:
        routes = [route for route in rig.app.routes if route.path.startswith(("/api/", "/sd", "/probe"))]
    served = {(re.sub(":path", "", route.path), frozenset(route.methods or ()) - {"HEAD"}) for route in routes}
    described = {(path, frozenset(map(str.upper, operations))) for path, operations in openapi()["paths"].items()}
    assert served == described


async def test_a_task_has_the_keys_that_are_described(tmp_path: Path) -> None:
    schemas = openapi()["components"]["schemas"]
    async with api_rig(tmp_path) as rig:
        await rig.register("t1")
        [listed] = (await rig.client.get("/api/v1/tasks")).json()["tasks"]
        shown = (await rig.client.get("/api/v1/tasks/t1")).json()
    assert set(listed) == set(schemas["Task"]["required"])
    assert set(shown) == set(schemas["WholeTask"]["required"])
