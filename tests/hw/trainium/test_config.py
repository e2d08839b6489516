"""Configurations of the NeuronCores: named ones, files, and faults in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from liftproof.dialects.trn import Engine
from liftproof.hw.config_file import ConfigError
from liftproof.hw.trainium.config import load_config, named_configs


def test_both_versions_are_named() -> None:
    """trainium1 is NeuronCore-v2, trainium2 is NeuronCore-v3."""
    assert named_configs() == ("trainium1", "trainium2")
    assert [load_config(name).version for name in named_configs()] == [2, 3]


def test_the_first_version_is_the_default() -> None:
    """A configuration without keys is trainium1."""
    assert load_config() == load_config("trainium1")


def test_the_peak_agrees_with_the_documented_one() -> None:
    """128 × 128 multiplications per nominal cycle are the 92 and 79 TFLOPS of the documentation."""
    for name, teraflops in (("trainium1", 92), ("trainium2", 79)):
        nominal = load_config(name).pe_nominal_ghz * 128 * 128 * 2 / 1000
        assert nominal == pytest.approx(teraflops, rel=0.01)


def test_every_engine_has_a_clock() -> None:
    """The clock of each of the five engines is known."""
    config = load_config("trainium2")
    clocks = {engine: config.ghz(engine) for engine in Engine}
    assert clocks[Engine.DVE] == 0.96
    assert clocks[Engine.PE] == 2.4
    assert clocks[Engine.SP] == clocks[Engine.ACT] == 1.2


def test_a_path_is_a_configuration_too(tmp_path: Path) -> None:
    """A file changes what it names, and keeps the rest; whole numbers are numbers."""
    path = tmp_path / "fast.toml"
    path.write_text("version = 3\npe_ghz = 5\n", encoding="utf-8")
    config = load_config(str(path))
    assert (config.name, config.version, config.pe_ghz) == ("fast", 3, 5.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sbuf = 3", "unknown key 'sbuf'"),
        ("version = 4", "version must be 2 or 3"),
        ("version = 2.0", "version must be of type int"),
        ("dma_descriptor_bytes = 0", "dma_descriptor_bytes must be more than 0"),
        ("hbm_rate = -1.0", "hbm_rate must not be negative"),
        ("hbm_rate = nan", "hbm_rate must not be negative"),
        ('machine = "gemmini"', "a configuration of gemmini"),
        ("version", "Expected '='"),
    ],
)
def test_faults_are_named(tmp_path: Path, text: str, message: str) -> None:
    """A wrong key, type, number or machine is a diagnostic that names the file."""
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as error:
        load_config(str(path))
    assert "wrong.toml" in str(error.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    """Who misspells a name sees what there is."""
    with pytest.raises(ConfigError, match="trainium1, trainium2"):
        load_config("trainium9")
