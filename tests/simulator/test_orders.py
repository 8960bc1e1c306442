"""A submission's body at the edge of what Python can nest."""

from exporter.simulator.catalogue import load_catalogue
from exporter.simulator.errors import ApiError
from exporter.simulator.orders import parse_body, parse_order


def test_no_depth_of_nesting_is_too_much() -> None:
    catalogue, told = load_catalogue(), set()
    for depth in range(1, 1100):
        body = b'{"model": "sora-2", "params": {"a": %s%s}}' % (b"[" * depth, b"]" * depth)
        try:
            parse_order(parse_body(body), catalogue)
        except ApiError as error:
            told.add((error.code, error.message))
    assert told <= {
        ("invalid_param", "The body must be a JSON object."),
        ("invalid_param", "params is nested too deep."),
    }
