"""Random configurations for property tests. Needs hypothesis (the extra `test`)."""

from hypothesis import strategies as st

from spaces.space import Choice, Config, Space, Value


@st.composite
def configurations(draw: st.DrawFn, space: Space) -> Config:
    """Draws points of a space; a failing example shrinks towards the first values."""
    config: dict[str, Value] = {}
    for dimension in space.walk(config):
        values = dimension.values if isinstance(dimension, Choice) else dimension.grid(5)
        config[dimension.name] = draw(st.sampled_from(values))
    return config
