"""Warm times of all codecs side by side in one process, at the quality where each gives the same PSNR.

Before: `run`. Beside: `cold`, `stages`.

Codecs take turns on every picture of every round, so that a machine that slows down slows all of them, and a ratio is
the median of ratios within turns.

Beside it stands processor time: the seconds that all threads of a codec really ran, the least of all rounds. A busy
machine lengthens it far less than the time on the clock, so that `compare` can judge by it; what a codec only waits for
is not in it.
"""

import statistics
import time

from tqdm import tqdm

from . import metrics

MATCH = "webp"  # its PSNR at MATCH_QUALITY, averaged over the pictures, is what the others are set to
MATCH_QUALITY = 80
MATCH_PSNR = 35.0  # dB, where WebP does not take part
TOLERANCE = 0.05  # dB
REFERENCES = ("webp", "avif")


def spread(seconds, megapixels):
    """Median, quartiles and throughput of the times of single pictures."""
    quarter = statistics.quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else seconds * 3
    rates = [mp / s for mp, s in zip(megapixels, seconds)]
    return {"median": quarter[1], "p25": quarter[0], "p75": quarter[2], "mp_s": statistics.median(rates)}


def quality_for(codec, images, target):
    """(quality, mean bpp, mean PSNR) of a codec where its PSNR is nearest to `target`, by bisection.

    For an untrained one, its only quality.
    """
    tried = {}

    def at(quality):
        if quality not in tried:
            files = [codec.encode(image, quality) for image in images]
            bpp = statistics.fmean(8 * len(f) / (i.width * i.height) for f, i in zip(files, images))
            values = [metrics.measure(image, codec.decode(f), ("psnr",))["psnr"] for f, image in zip(files, images)]
            tried[quality] = bpp, statistics.fmean(100.0 if v is None else v for v in values)
        return tried[quality][1]

    low, high = codec.low, codec.high
    if not codec.trained:
        at(low)
        high = low
    while high - low > (1 if codec.whole else 0.1):
        middle = (low + high) // 2 if codec.whole else round((low + high) / 2, 2)
        value = at(middle)
        if abs(value - target) < TOLERANCE:
            break
        low, high = (middle, high) if value < target else (low, middle)
    if not tried:
        at(low)
    best = min(tried, key=lambda q: abs(tried[q][1] - target))
    return best, *tried[best]


def settings(chosen, images):
    """{name: (quality, bpp, psnr)} for all codecs at equal PSNR."""
    result = {}
    target = MATCH_PSNR
    if MATCH in chosen:
        files = [chosen[MATCH].encode(image, MATCH_QUALITY) for image in images]
        target = statistics.fmean(
            metrics.measure(i, chosen[MATCH].decode(f), ("psnr",))["psnr"] for i, f in zip(images, files)
        )
        result[MATCH] = (
            MATCH_QUALITY,
            statistics.fmean(8 * len(f) / (i.width * i.height) for f, i in zip(files, images)),
            target,
        )
    for name, codec in tqdm(chosen.items(), "matching PSNR", unit="codec", disable=None):
        if name not in result:
            result[name] = quality_for(codec, images, target)
    return result


def warm(chosen, images, qualities, repeats):
    """{name: {"encode": [seconds], "decode": ..., "processor": {"encode": ..., "decode": ...}}} with one entry per
    turn, the same turns for all.

    One round before them is not counted.
    """
    times = {name: {"encode": [], "decode": [], "processor": {"encode": [], "decode": []}} for name in chosen}
    names = list(chosen)
    turns = [(r, i) for r in range(-1, repeats) for i in range(len(images))]
    for turn, (round_, index) in enumerate(tqdm(turns, "timing", unit="turn", disable=None)):
        shift = turn % len(names)  # another codec begins each time: what a neighbour leaves in the caches falls on all
        for name in names[shift:] + names[:shift]:
            codec = chosen[name]
            start = _now()
            coded = codec.encode(images[index], qualities[name])
            middle = _now()
            codec.decode(coded)
            end = _now()
            if round_ >= 0:
                for way, begin, stop in (("encode", start, middle), ("decode", middle, end)):
                    times[name][way].append(stop[0] - begin[0])
                    times[name]["processor"][way].append(stop[1] - begin[1])
    return times


def _now():
    """Seconds on the clock and of processor time."""
    return time.perf_counter(), time.process_time()


def processor(times, pictures):
    """Seconds of processor time per picture: the least of each picture's rounds, averaged. times: of one codec, by
    `warm`; pictures: how many.
    """
    return {
        way: statistics.fmean(min(seconds[i::pictures]) for i in range(pictures))
        for way, seconds in times["processor"].items()
    }


def held(times):
    """Of the time on the clock, the part in which a codec of one thread had the processor: about 1 on a machine that
    does nothing else.
    """
    return sum(map(sum, times["processor"].values())) / sum(sum(times[way]) for way in times["processor"])


def ratios(own, reference):
    """How many times slower than the reference in the same turns: median of the turns' ratios, for
    encode and decode.
    """
    return {way: statistics.median(a / b for a, b in zip(own[way], reference[way])) for way in ("encode", "decode")}


def entries(chosen, images, matched, times, outside, request):
    """The speed list of RUN.json of the CPU. matched: of `settings`; times: of `warm`; outside: of `cold.measure`,
    possibly empty.
    """
    megapixels = [i.width * i.height / 1e6 for i in images] * request.repeats
    result = []
    for name, codec in chosen.items():
        quality, bpp, psnr = matched[name] if codec.trained else (matched[name][0], None, None)
        start, peak, range_ = outside.get(name, (None, None, None))
        result.append(
            {
                "codec": name,
                "device": "cpu",
                "trained": codec.trained,
                "threads": request.threads,
                "quality": quality,
                "bpp": bpp,
                "psnr": psnr,
                "pictures": len(images),
                "repeats": request.repeats,
                "batch": 1,
                "encode": spread(times[name]["encode"], megapixels),
                "decode": spread(times[name]["decode"], megapixels),
                "processor": processor(times[name], len(images)),
                "held": held(times[name]),
                "cold": start,
                "cold_range": range_,
                "peak_mb": peak,
                "stages": None,
                "ratios": {r: _against(name, r, times, outside, len(images)) for r in REFERENCES if r in chosen},
            }
        )
    return result


def _against(name, reference, times, outside, pictures):
    """The ratios of one codec to a reference; None where one of them was not measured."""
    result = ratios(times[name], times[reference])
    own, other = [processor(times[n], pictures) for n in (name, reference)]
    result.update({f"processor_{way}": own[way] / other[way] for way in own})
    for index, prefix in enumerate(("cold_", "peak_")):
        for way in ("encode", "decode"):
            both = name in outside and reference in outside
            result[prefix + way] = outside[name][index][way] / outside[reference][index][way] if both else None
    return result


def on_device(codec, images, quality, repeats, size, clock):
    """The speed entry of our codec on an accelerator in batches of `size`; the time of a batch is divided by its
    pictures.

    clock: `stages.Clock` of the codec. The shares of the stages come from one more, separate pass: their marks wait for
    the device, which costs time.
    """
    batch = [images[i % len(images)] for i in range(size)]
    seconds = {"encode": [], "decode": []}
    for round_ in range(-1, repeats):
        start = time.perf_counter()
        files = codec.encode_batch(batch, quality)
        middle = time.perf_counter()
        codec.decode_batch(files)
        end = time.perf_counter()
        if round_ >= 0:
            seconds["encode"].append((middle - start) / size)
            seconds["decode"].append((end - middle) / size)
    megapixels = [statistics.fmean(i.width * i.height / 1e6 for i in batch)] * repeats
    return {
        "codec": codec.name,
        "device": codec.device,
        "trained": True,
        "threads": codec.threads,
        "quality": quality,
        "bpp": statistics.fmean(8 * len(f) / (i.width * i.height) for f, i in zip(files, batch)),
        "psnr": None,
        "pictures": len(images),
        "repeats": repeats,
        "batch": size,
        "encode": spread(seconds["encode"], megapixels),
        "decode": spread(seconds["decode"], megapixels),
        "processor": None,
        "held": None,
        "cold": None,
        "cold_range": None,
        "peak_mb": None,
        "stages": {
            "encode": clock.shares(lambda: codec.encode_batch(batch, quality)),
            "decode": clock.shares(lambda: codec.decode_batch(files)),
        },
        "ratios": {},
    }
