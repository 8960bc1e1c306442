"""How far apart two of Grafana's colours are to the eye: the distance in CIELAB, as they are on dark ground."""

import math

HUES = {
    "red": ("#C4162A", "#E02F44", "#F2495C", "#FF7383", "#FFA6B0"),
    "orange": ("#FA6400", "#FF780A", "#FF9830", "#FFB357", "#FFCB7D"),
    "yellow": ("#E0B400", "#F2CC0C", "#FADE2A", "#FFEE52", "#FFF899"),
    "green": ("#37872D", "#56A64B", "#73BF69", "#96D98D", "#C8F2C2"),
    "blue": ("#1F60C4", "#3274D9", "#5794F2", "#8AB8FF", "#C0D8FF"),
    "purple": ("#8F3BB8", "#A352CC", "#B877D9", "#CA95E5", "#DEB6F2"),
}
SHADES = ("dark-", "semi-dark-", "", "light-", "super-light-")
WHITE = (0.95047, 1.0, 1.08883)


def hue(colour: str) -> str:
    """What the eye calls it, empty for one that has no name of Grafana's."""
    name = colour.rpartition("-")[2]
    return name if name in HUES else ""


def difference(one: str, other: str) -> float:
    """About 10 is seen when both lie side by side, 25 at a glance."""
    return math.dist(_lab(_hex(one)), _lab(_hex(other)))


def _hex(colour: str) -> str:
    if colour.startswith("#"):
        return colour
    name = hue(colour)
    return HUES[name][SHADES.index(colour.removesuffix(name))]


def _lab(colour: str) -> tuple[float, float, float]:
    red, green, blue = (_linear(int(colour[place : place + 2], 16) / 255) for place in (1, 3, 5))
    x = _root((0.4124 * red + 0.3576 * green + 0.1805 * blue) / WHITE[0])
    y = _root((0.2126 * red + 0.7152 * green + 0.0722 * blue) / WHITE[1])
    z = _root((0.0193 * red + 0.1192 * green + 0.9505 * blue) / WHITE[2])
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _linear(share: float) -> float:
    return ((share + 0.055) / 1.055) ** 2.4 if share > 0.04045 else share / 12.92


def _root(share: float) -> float:
    return math.cbrt(share) if share > 0.008856 else 7.787 * share + 16 / 116
