"""What is written from a template of ``templates/``."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).parent / "templates"


def rendered(name: str, **values: object) -> str:
    """The template with these values in it; texts are escaped in SVG."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=name.endswith(".svg"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(name).render(values)
