"""Whatever the text: settings, or a refusal that says what is wrong. Never another error."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.engine.quantize.pot import PotConfig, settings_from_pot, settings_from_pot_file
from app.engine.quantize.pot_parameters import NO_EFFECT_ACCURACY_AWARE, NO_EFFECT_DEFAULT, USED, USED_ACCURACY_AWARE
from app.engine.quantize.pot_ranges import AGGREGATORS, END_KEYS, GRANULARITIES, GRID_KEYS, MODES, TYPES
from app.engine.quantize.recipe import QuantizationSettings
from app.engine.records import from_json, to_json
from app.errors import WorkbenchError

WORDS = (*AGGREGATORS, *TYPES, *MODES, *GRANULARITIES, "performance", "mixed", "default", "quantile", "Conv", "all", "absolute")
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=8)
keys = st.sampled_from((*GRID_KEYS, *END_KEYS, "min", "max", "preset", "scope", "operations")) | st.text(max_size=4)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
parameters = st.dictionaries(
    st.sampled_from((*USED, *USED_ACCURACY_AWARE, *NO_EFFECT_DEFAULT, *NO_EFFECT_ACCURACY_AWARE)), anything, max_size=5
)


def read(text: str | bytes) -> PotConfig | None:
    try:
        return settings_from_pot(text) if isinstance(text, str) else settings_from_pot_file(text)
    except WorkbenchError as refusal:
        error = refusal
    assert error.code.startswith(("pot.", "settings."))
    assert error.message
    assert str(error).encode()  # can be written
    return None


@given(st.sampled_from(["DefaultQuantization", "AccuracyAwareQuantization"]), parameters)
def test_any_parameters(name: str, params: dict[str, Any]) -> None:
    config = read(json.dumps({"compression": {"algorithms": [{"name": name, "params": params}]}}))
    if config is not None:
        assert from_json(QuantizationSettings, to_json(config.settings)) == config.settings
        assert all(note.startswith("compression.algorithms[0].") for note in config.notes)


@given(anything)
def test_any_json(data: Any) -> None:
    read(json.dumps(data))
    read(json.dumps({"compression": data}))
    read(json.dumps({"compression": {"algorithms": data}}))


@given(st.text(alphabet=st.sampled_from('{}[]",:/*#\\\n 1e.-truefalsn\ud800x')) | st.text())
def test_any_text(text: str) -> None:
    read(text)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    read(data)
