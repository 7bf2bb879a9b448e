"""Settings of a study with some of them changed, checked once for all tests that ask for the same."""

import functools
import json

import yaml

from secateur.study import settings


def checked(study, changes=None):
    """(settings, the same as text) of a study's YAML; `changes`, section by section, stand in place of its own."""
    return _checked(study, json.dumps(changes or {}))


@functools.cache
def _checked(study, changes):
    given = yaml.safe_load(study)
    for section, values in json.loads(changes).items():
        given[section] = {**given[section], **values} if isinstance(values, dict) else values
    config = settings.checked(given)
    return config, yaml.safe_dump(config)
