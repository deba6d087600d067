"""Every package says what is public in `__all__`, and all of it is there."""

import pkgutil
from importlib import import_module

import pytest

import seedgate

PACKAGES = ["seedgate"] + [m.name for m in pkgutil.walk_packages(seedgate.__path__, "seedgate.") if m.ispkg]
ROOMS = ["seedgate.seeds", "seedgate.generator", "seedgate.review", "seedgate.finetune"]


def exported(name: str) -> list[str]:
    return list(getattr(import_module(name), "__all__", ()))


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_resolves_and_is_said_once(name: str) -> None:
    module = import_module(name)
    assert [public for public in exported(name) if not hasattr(module, public)] == []
    assert len(set(exported(name))) == len(exported(name))


@pytest.mark.parametrize("name", ["seedgate", "seedgate.ledger", *ROOMS])
def test_rooms_have_a_public_surface(name: str) -> None:
    assert exported(name)


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = seedgate.nonsense  # type: ignore[attr-defined]
