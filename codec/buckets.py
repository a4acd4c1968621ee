"""Several pictures at once: tiles of one size wait for each other in a bucket, then go through the entropy coder's prior together.

A tile of 128 x 128 pixels costs the prior hundreds of small tensor operations, whose number is the same for 16 such tiles. Only the prior, which is exact, sees more than
one picture: files and pixels are those of one picture at a time. Used by the batches of `pipeline`.
"""

from .errors import CodecError
from .tiles import LATENTS

POSITIONS = LATENTS**2  # of latents in a full bucket: those of one large tile, whose memory is the measure of all
WAITING = 256  # tasks that may wait in all buckets, each with its picture


def run(tasks, work, positions=POSITIONS):
    """What the tasks return, in order.

    tasks: generators that yield (bucket, item), a bucket being any key whose last two parts are latent positions down and across, and are sent the item's
    result, which `work(bucket, items)` finds for all items of a bucket; a result that is an exception is thrown into the task.
    """
    results, waiting = {}, {}

    def advance(number, task, result):
        try:
            bucket, item = task.throw(result) if isinstance(result, Exception) else task.send(result)
        except StopIteration as end:
            results[number] = end.value
        else:
            waiting.setdefault(bucket, []).append((number, task, item))

    def empty(bucket):
        numbers, held, items = zip(*waiting.pop(bucket))
        for number, task, result in zip(numbers, held, work(bucket, items)):
            advance(number, task, result)

    def full(bucket):
        return len(waiting[bucket]) * bucket[-1] * bucket[-2] > positions - bucket[-1] * bucket[-2]

    def fullest():
        return max(waiting, key=lambda bucket: len(waiting[bucket]))

    for number, task in enumerate(tasks):
        advance(number, task, None)
        while any(map(full, waiting)):
            empty(next(filter(full, waiting)))
        if sum(map(len, waiting.values())) == WAITING:
            empty(fullest())
    while waiting:
        empty(fullest())
    return [results[number] for number in range(len(results))]


def keeping(task):
    """The task, which returns the CodecError or OSError that ends it."""
    try:
        return (yield from task)
    except (CodecError, OSError) as error:
        return error
