"""Several pictures at once: tiles of one size, of whatever quality, wait for each other in a bucket, then go through
the prior, and when decoding the synthesis, together.

A tile of 128 x 128 pixels costs hundreds of small tensor operations, whose number is the same for 16 such tiles. The
prior is exact and the analysis sees one picture at a time: files are those of one at a time. The synthesis adds in
another order: its pixels are within a level. Used by the batches of `pipeline`.
"""

from functools import partial

from ..coding.tiles import LATENTS
from ..errors import CodecError

POSITIONS = LATENTS**2  # of latents in a full bucket: those of one large tile, whose memory is the measure of all
MOST = 64  # tasks in a full bucket, beyond which there is little to gain
# Full buckets' worth of tasks and positions that may wait in all, each task with its picture and perhaps an open file.
WAITING = 4


def run(tasks, work):
    """What the tasks return, in order.

    tasks: generators that yield (bucket, item), a bucket being any key whose last two parts are latent positions down
    and across, and are sent the item's result, which `work(bucket, items)` finds for all items of a bucket; a result
    that is an exception is thrown into the task. Or they yield lists of such pairs, as `together` does, and are sent
    lists.
    """
    results, waiting = {}, {}

    def advance(number, task, result):
        try:
            asked = _resumed(task, result)
        except StopIteration as end:
            results[number] = end.value
            return
        answered = partial(advance, number, task)
        if isinstance(asked, list):
            answered, answers = partial(gather, answered, len(asked)), {}
            for place, (bucket, item) in enumerate(asked):
                waiting.setdefault(bucket, []).append((item, partial(answered, answers, place)))
        else:
            bucket, item = asked
            waiting.setdefault(bucket, []).append((item, answered))

    def gather(answered, count, answers, place, result):
        answers[place] = result
        if len(answers) == count:
            answered([answers[i] for i in range(count)])

    def empty(bucket):
        items, answered = zip(*waiting.pop(bucket))
        for answer, result in zip(answered, work(bucket, items)):
            answer(result)

    def fill(bucket):
        """How full it is; one that no other item fits into counts as full."""
        count, size = len(waiting[bucket]), bucket[-1] * bucket[-2]
        return max(count / MOST, count * size / POSITIONS, (count + 1) * size > POSITIONS)

    for number, task in enumerate(tasks):
        advance(number, task, None)
        while waiting and (max(map(fill, waiting)) >= 1 or sum(map(fill, waiting)) > WAITING):
            empty(max(waiting, key=fill))
    while waiting:
        empty(max(waiting, key=fill))
    return [results[number] for number in range(len(results))]


def _resumed(task, result):
    return task.throw(result) if isinstance(result, Exception) else task.send(result)


def together(tasks):
    """Several tasks as one, which returns the list of what they return."""
    going, results = dict(enumerate(tasks)), {}
    sent = dict.fromkeys(going)
    while going:
        asked = {}
        for number, task in list(going.items()):
            try:
                asked[number] = _resumed(task, sent[number])
            except StopIteration as end:
                results[number] = end.value
                del going[number]
        if asked:
            sent = dict(zip(asked, (yield list(asked.values()))))
    return [results[number] for number in range(len(results))]


def keeping(task):
    """The task, which returns the CodecError or OSError that ends it."""
    try:
        return (yield from task)
    except (CodecError, OSError) as error:
        return error
