"""The SBOM (CycloneDX 1.6) of the wheel: itself, and what is pinned to be installed with it; ``make sbom`` writes it.

It is made of the wheel and requirements/runtime.lock alone, so that it says the same wherever it is made.
"""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

PROJECT = Path(__file__).resolve().parents[1]
LOCK = PROJECT / "requirements/runtime.lock"
NAME = "bytespike-exporter"

_WANTED_BY = re.compile(r"^    #(?: via|  ) +(?!-c )([a-z0-9._-]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pin:
    """One entry of a lock file: a version, the hashes that pip accepts, and who wants it."""

    requirement: Requirement
    hashes: tuple[str, ...]
    wanted_by: tuple[str, ...]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        [exact] = self.requirement.specifier
        return exact.version


def pins(lock: str) -> list[Pin]:
    """The entries of a lock file, as ``uv pip compile`` writes it."""
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
    return [_pin(entry) for entry in entries]


def _pin(entry: str) -> Pin:
    head = entry.partition("\\\n")[0]
    hashes = tuple(re.findall(r"--hash=(sha256:[0-9a-f]{64})", entry))
    return Pin(Requirement(head), hashes, tuple(map(canonicalize_name, _WANTED_BY.findall(entry))))


def sbom(wheel: Path, pinned: Iterable[Pin]) -> Bom:
    """What is in an installation of the wheel. The pins' hashes are those of any of their distributions."""
    _, version, *_ = parse_wheel_filename(wheel.name)
    digest = sha256(wheel.read_bytes()).hexdigest()
    own = Component(
        name=NAME,
        version=str(version),
        type=ComponentType.APPLICATION,
        bom_ref=NAME,
        purl=PackageURL("pypi", name=NAME, version=str(version)),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        licenses=[DisjunctiveLicense(id="Apache-2.0")],
    )
    pinned = list(pinned)
    components = {pin.name: _component(pin) for pin in pinned}
    bom = Bom(components=components.values(), serial_number=uuid5(NAMESPACE_URL, digest))
    bom.metadata.component = own
    wants: dict[str, list[Component]] = {name: [] for name in (NAME, *components)}
    for pin in pinned:
        for name in pin.wanted_by:
            wants[name].append(components[pin.name])
    for name, wanted in wants.items():
        bom.register_dependency(components.get(name, own), wanted)
    return bom


def _component(pin: Pin) -> Component:
    """One that is for some Pythons or systems alone is optional."""
    marker = pin.requirement.marker
    return Component(
        name=pin.name,
        version=pin.version,
        bom_ref=f"{pin.name}=={pin.version}",
        purl=PackageURL("pypi", name=pin.name, version=pin.version),
        scope=ComponentScope.OPTIONAL if marker else ComponentScope.REQUIRED,
        properties=[
            *(Property(name="pip:hash", value=each) for each in pin.hashes),
            *([Property(name="pip:marker", value=str(marker))] if marker else ()),
        ],
    )


def as_json(bom: Bom) -> str:
    """Raises ValueError where it is not what the strict schema asks for."""
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if error := JsonStrictValidator(JsonV1Dot6(bom).schema_version).validate_str(text):
        raise ValueError(f"this is no CycloneDX: {error.data}")
    return text


def main(target: Path) -> None:
    """Write the SBOM of the one wheel that lies beside the target."""
    [wheel] = target.parent.glob("*.whl")
    target.write_text(as_json(sbom(wheel, pins(LOCK.read_text()))) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
