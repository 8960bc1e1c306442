"""What somebody decides before the first start."""

from dataclasses import dataclass
from enum import StrEnum

SIDECAR = "127.0.0.1:9878"
"""Where the sidecar listens; an application has it as its base URL."""


class Way(StrEnum):
    """How tasks come in."""

    SIDECAR = "sidecar"
    FILES = "files"
    API = "api"


class Deploy(StrEnum):
    """What runs the exporter."""

    NONE = "none"
    COMPOSE = "compose"
    KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Everything that the files are made from. Where the key is in a file, that is ``api_key_file``, else it is in the
    variable ``api_key_env``; in Kubernetes it is in a Secret, whatever these say.
    """

    way: Way = Way.SIDECAR
    deploy: Deploy = Deploy.NONE
    api_key_env: str = "BYTESPIKE_API_KEY"
    api_key_file: str | None = None
    base_url: str = "https://llm.bytespike.ai"
    group: str = "tasks"
    model: str | None = None
    image: str = "bytespike-exporter"

    @property
    def is_contained(self) -> bool:
        """Whether the exporter has a file system of its own."""
        return self.deploy is not Deploy.NONE

    @property
    def needs_token(self) -> bool:
        """Whether whoever registers tasks comes from elsewhere."""
        return self.way is Way.API and self.is_contained
