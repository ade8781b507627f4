"""Real photos that packages carry, and what a person sees on them."""

from importlib.metadata import distribution
from pathlib import Path

_SKIMAGE = Path(str(distribution("scikit-image").locate_file("skimage/data")))
_SKLEARN = Path(str(distribution("scikit-learn").locate_file("sklearn/datasets/images")))

CAT = _SKIMAGE / "chelsea.png"
CUP = _SKIMAGE / "coffee.png"  # of espresso, seen from above
PHOTOGRAPHER = _SKIMAGE / "camera.png"  # behind a tripod
MOTORCYCLE = _SKIMAGE / "motorcycle_right.png"
PAVILION = _SKLEARN / "china.jpg"
ASTRONAUT = _SKIMAGE / "astronaut.png"  # a person

# What the model is not sure enough of, or has no class for: textures, the sky, microscopy, a boy.
UNSURE = (
    ASTRONAUT,
    *(
        _SKIMAGE / name
        for name in (
            *("brick.png", "cell.png", "coins.png", "grass.png", "gravel.png"),
            *("hubble_deep_field.jpg", "ihc.png", "moon.png", "page.png"),
            *("no_time_for_that_tiny.gif", "phantom.png", "retina.jpg", "rocket.jpg", "text.png"),
        )
    ),
    _SKLEARN / "flower.jpg",
)
