"""The Jinja2 environment of all templates: nothing undefined, no whitespace surprises."""

from __future__ import annotations

from importlib import resources

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound


class _Loader(BaseLoader):
    """Templates stand beside this module in the package."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, None]:
        file = resources.files("waferc.emit") / template
        if not file.is_file():
            raise TemplateNotFound(template)
        return file.read_text(encoding="utf-8"), template, None


_ENVIRONMENT = Environment(
    loader=_Loader(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)


def render(template: str, **values: object) -> str:
    """The text of a template with these values."""
    return _ENVIRONMENT.get_template(template).render(**values)
