"""The digits of a page: mistakes, right beside wrong, samples, feature maps."""

from collections.abc import Mapping
from dataclasses import dataclass

from mnist_hpo.charts.digits import Digit, data_uri, montage
from mnist_hpo.evidence import Evidence, Maps

MOST_WRONG = 1000
"""A network that never learned is wrong on thousands: a page with all of them would not open."""

SIDE_BY_SIDE = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureMap:
    """One layer's outputs, as one picture."""

    layer: str
    uri: str
    alt: str
    about: str
    width: int
    height: int


def wrong_digits(evidence: Evidence, most: int = MOST_WRONG) -> tuple[Digit, ...]:
    """Returns the misclassified test digits, in the order of the test set."""
    return tuple(_told(evidence, index) for index in evidence.wrong[:most])


def right_digits(evidence: Evidence) -> tuple[Digit, ...]:
    """Returns the test digits that were drawn among the right ones."""
    return tuple(_told(evidence, index) for index in evidence.right[:SIDE_BY_SIDE])


def predicted_digits(evidence: Evidence) -> tuple[Digit, ...]:
    """Returns the drawn test digits, with what was said of them."""
    return tuple(_told(evidence, index) for index in evidence.samples)


def example_digits(evidence: Evidence) -> tuple[Digit, ...]:
    """Returns the drawn development digits, with their classes."""
    return tuple(
        Digit(uri=data_uri(pixels, inverted=True), caption=str(label), alt=f"a {label}")
        for pixels, label in zip(evidence.examples, evidence.example_labels, strict=True)
    )


def _told(evidence: Evidence, index: int) -> Digit:
    true, said = int(evidence.labels[index]), int(evidence.predicted[index])
    sure = f"{100 * float(evidence.probabilities[index, said]):.0f} %"
    return Digit(
        uri=data_uri(evidence.pixels_of(index), inverted=True),
        caption=f"{true} {sure}" if true == said else f"{true} as {said}",
        alt=f"test image {index}, a {true}, "
        + (f"read right, {sure}" if true == said else f"read as {said}, {sure}"),
        marked=true != said,
    )


def feature_maps(maps: Mapping[str, Maps]) -> tuple[FeatureMap, ...]:
    """Returns the outputs of each Conv2D layer as a sheet of grey pictures."""
    return tuple(_feature_map(name, own) for name, own in maps.items())


def _feature_map(name: str, maps: Maps) -> FeatureMap:
    height, width, channels = maps.shape
    sheet = montage(maps)
    return FeatureMap(
        layer=name,
        uri=data_uri(sheet),
        alt=f"{channels} feature maps of layer {name}",
        about=f"{name}: {channels} maps of {height} x {width}",
        width=sheet.shape[1],
        height=sheet.shape[0],
    )
