"""Validated settings: the base of each `params.yaml` section's class.

The class of a section stands in the module that uses it; this one only says how strict they are.
"""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from fsrcnn.errors import InputError


class Settings(BaseModel):
    """Immutable settings that refuse unknown keys, wrong types and values out of range."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def parse(cls, section: str, values: object) -> Self:
        """Check `values`, as YAML gave them, against this class.

        Raises `InputError` with one line that names the first offending key as `section.key`.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join([*filter(None, [section]), *map(str, first["loc"])])
            given = "" if first["type"] in {"missing", "extra_forbidden"} else f", not {first['input']!r}"
            known = (
                f"; known keys: {', '.join(cls.model_fields)}" if first["type"] == "extra_forbidden" else ""
            )
            raise InputError(f"params.yaml: {where}: {first['msg']}{given}{known}") from None
