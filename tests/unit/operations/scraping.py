"""A strict reader of Prometheus' text format 0.0.4, written from its description."""

import re

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
Scrape = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(text: str) -> Scrape:
    """Return the samples by name and labels; every family is described once, before its samples."""
    assert text == "" or text.endswith("\n")
    found: Scrape = {}
    described: dict[str, set[str]] = {}
    for line in text.splitlines():
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            assert word in ("HELP", "TYPE"), line
            assert word not in described.setdefault(name, set()), line
            assert word != "TYPE" or rest in ("gauge", "counter"), line
            described[name].add(word)
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample is not None, line
        name, labels, value = sample.groups()
        assert {"HELP", "TYPE"} == described[name], line
        key = name, _labels(labels or "")
        assert key not in found, line
        found[key] = float(value)
    return found


def _labels(text: str) -> tuple[tuple[str, str], ...]:
    assert "" == _LABEL.sub("", text), text
    back = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
    return tuple((n, re.sub(r'\\[\\"n]', lambda m: back[m.group()], v)) for n, v in _LABEL.findall(text))
