"""What an AV1 sequence header says of the colours of its frames; used by `avif`."""

SEQUENCE_HEADER = 1  # type of the OBU


class _Bits:
    """Numbers of the highest bits first. Raises ValueError at the end."""

    def __init__(self, data: bytes):
        self._data, self._place = data, 0

    def take(self, count: int) -> int:
        first, end = self._place // 8, self._place + count
        if end > 8 * len(self._data):
            raise ValueError("a header that ends too early")
        whole = int.from_bytes(self._data[first : -(-end // 8)], "big")
        self._place = end
        return whole >> -end % 8 & (1 << count) - 1

    def skip(self, *counts: int) -> None:
        for count in counts:
            self.take(count)

    def flag(self) -> bool:
        return self.take(1) == 1


def colours(data: bytes) -> tuple[int, int] | None:
    """(primaries, transfer) that the first sequence header in some OBUs says; None where it does not, or there is none.

    Raises ValueError for what ends too early.
    """
    place = 0
    while place < len(data):
        head = data[place]
        place += 2 if head & 4 else 1  # an extension
        size = len(data) - place
        if head & 2:
            size = shift = 0
            while True:
                byte = data[place : place + 1] or _ended()
                size |= (byte[0] & 127) << shift
                place, shift = place + 1, shift + 7
                if byte[0] < 128:
                    break
        if head >> 3 & 15 == SEQUENCE_HEADER:
            return _of_sequence(_Bits(data[place : place + size]))
        place += size
    return None


def _ended() -> bytes:
    raise ValueError("an OBU that ends too early")


def _of_sequence(bits: _Bits) -> tuple[int, int] | None:
    """In the words of AV1's specification, section 5.5."""
    profile = bits.take(3)
    bits.skip(1)  # still_picture
    reduced = bits.flag()
    if reduced:
        bits.skip(5)  # seq_level_idx
    else:
        _operating_points(bits)
    sides = bits.take(4) + 1, bits.take(4) + 1
    bits.skip(*sides)  # max_frame_width_minus_1 and that of the height
    if not reduced and bits.flag():  # frame_id_numbers_present_flag
        bits.skip(4, 3)
    bits.skip(3)  # superblocks, filter_intra, intra_edge_filter
    if not reduced:
        bits.skip(4)  # interintra and masked compound, warped motion, dual filter
        ordered = bits.flag()
        bits.skip(2 if ordered else 0)
        chosen = bits.flag()  # seq_choose_screen_content_tools
        if (chosen or bits.flag()) and not bits.flag():  # seq_choose_integer_mv
            bits.skip(1)
        bits.skip(3 if ordered else 0)
    bits.skip(3)  # superres, cdef, restoration
    if bits.flag() and profile == 2:  # high_bitdepth
        bits.skip(1)  # twelve_bit
    if profile != 1:
        bits.skip(1)  # mono_chrome
    return (bits.take(8), bits.take(8)) if bits.flag() else None


def _operating_points(bits: _Bits) -> None:
    delay = 0  # bits of a delay of the decoder's buffer, where its model is described
    if bits.flag():  # timing_info
        bits.skip(32, 32)
        if bits.flag():  # equal_picture_interval: a number as long as the zeros before it
            zeros = 0
            while not bits.flag():
                zeros += 1
            bits.skip(zeros if zeros < 32 else 0)
        if bits.flag():  # decoder_model_info
            delay = bits.take(5) + 1
            bits.skip(32, 5, 5)
    shown_late = bits.flag()
    for _ in range(bits.take(5) + 1):
        bits.skip(12)
        if bits.take(5) > 7:  # seq_level_idx
            bits.skip(1)
        if delay and bits.flag():
            bits.skip(delay, delay, 1)
        if shown_late and bits.flag():
            bits.skip(4)
