"""The layout of the packages; everything else about the distribution is in pyproject.toml."""

from setuptools import find_namespace_packages, find_packages, setup

PACKAGES = find_packages(include=["pilot", "pilot.*", "server", "server.*", "client", "client.*"])
EXAMPLES = [
    "compass_mc",
    *(f"compass_mc.{name}" for name in find_namespace_packages("examples/mc", exclude=["__pycache__*"])),
]

setup(
    packages=[*PACKAGES, *EXAMPLES],
    # The example payload lies where a reader looks for examples, and is imported by a name of its own.
    package_dir={"compass_mc": "examples/mc"},
    package_data={"": ["py.typed", "templates/**/*", "static/**/*", "*.yaml", "*.json"]},
)
