"""The Prometheus text format (0.0.4): families of samples, spelled so that any scraper reads them. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "caretrail_"


class Sample(NamedTuple):
    """One value, with the labels that tell it from its like."""

    value: float
    labels: Mapping[str, str] = {}


class Metric(NamedTuple):
    """A family of samples.

    Attributes:
        name: Without the prefix that all of ours have.
        kind: What a scraper may do with it.
        meaning: In a sentence.
        samples: At least one; a family without any is left out.
    """

    name: str
    kind: Literal["gauge", "counter"]
    meaning: str
    samples: Sequence[Sample]


def gauge(name: str, meaning: str, *values: float) -> Metric:
    """Return a gauge without labels."""
    return Metric(name, "gauge", meaning, [Sample(value) for value in values])


def exposition(metrics: Iterable[Metric]) -> str:
    """Return the text of a scrape."""
    return "".join(f"{line}\n" for metric in metrics if metric.samples for line in _lines(metric))


def _lines(metric: Metric) -> list[str]:
    name = f"{PREFIX}{metric.name}"
    meaning = metric.meaning.replace("\\", "\\\\").replace("\n", "\\n")
    head = [f"# HELP {name} {meaning}", f"# TYPE {name} {metric.kind}"]
    return head + [f"{name}{_labels(one.labels)} {_number(one.value)}" for one in metric.samples]


def _labels(labels: Mapping[str, str]) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() else repr(float(value))
