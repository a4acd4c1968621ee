"""Several pictures in one: contact sheets and animations of PIL images of one size."""

import io
import math

from PIL import Image, ImageOps

GAP = 4  # px between the pictures of a sheet
PAUSE, STEP = 600, 80  # ms an animation stays at an end, and at a picture between


def same_size(pictures: list[Image.Image], side: int) -> list[Image.Image]:
    """RGB copies of pictures, all cut and scaled to the shape of the first with `side` px along its longer edge."""
    width, height = pictures[0].size
    scale = side / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return [ImageOps.fit(picture.convert("RGB"), size, Image.Resampling.LANCZOS) for picture in pictures]


def contact(pictures: list[Image.Image], format: str) -> bytes:
    """Bytes of a picture of them all, row by row, nearly square."""
    columns = math.ceil(math.sqrt(len(pictures)))
    width, height = (side + GAP for side in pictures[0].size)
    sheet = Image.new("RGB", (columns * width - GAP, -(-len(pictures) // columns) * height - GAP), "white")
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i % columns * width, i // columns * height))
    file = io.BytesIO()
    sheet.save(file, Image.registered_extensions()[f".{format}"])
    return file.getvalue()


def animation(pictures: list[Image.Image]) -> bytes:
    """Bytes of a GIF that goes there and back for ever."""
    way = [*pictures, *pictures[-2:0:-1]]
    pauses = [PAUSE if i in (0, len(pictures) - 1) else STEP for i in range(len(way))]
    file = io.BytesIO()
    way[0].save(file, "GIF", save_all=True, append_images=way[1:], duration=pauses, loop=0)
    return file.getvalue()
