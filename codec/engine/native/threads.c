/* A pool of threads for the loops of a layer. One loop at a time uses it: a call that finds it taken does its loop
 * alone, as its caller has threads of its own then. Nobody waits for a thread that has not begun: the processor may be
 * busy with others. Where there are no POSIX threads every loop is done alone. */
#include "internal.h"

#if defined(_WIN32) || (defined(__wasm__) && !defined(__wasm_atomics__))
int32_t aec_threads(int32_t count) { return (void)count, 1; }
void aec_parallel(int count, void (*fn)(void *, int, int), void *context) { fn(context, 0, count); }
#else
#include <stdatomic.h>

/* Spins last some 50 us: who sleeps takes longer to wake than most layers take. Pieces are those of a thread: who is
 * interrupted leaves the rest to others. */
enum { MOST = 256, SPINS = 100000, PIECES = 4 };
static const uint64_t OPEN = UINT64_C(1) << 31, INSIDE = OPEN - 1;

static atomic_int running; /* threads started */
static atomic_int taken; /* whether a loop uses the pool */
static _Atomic uint64_t state; /* number of the loop << 32, whether threads may join it, threads that are inside */
static atomic_int next; /* first of the loop that nobody has begun */
static struct {
    void (*fn)(void *, int, int);
    void *context;
    int count, piece;
} loop;

static uint32_t number(void) { return (uint32_t)(atomic_load(&state) >> 32); }

static void work(void)
{
    int begin;
    while ((begin = atomic_fetch_add(&next, loop.piece)) < loop.count)
        loop.fn(loop.context, begin, least(begin + loop.piece, loop.count));
}

/* Whether the thread is inside the loop that is going on, if it is another than the one seen last. */
static int joined(uint32_t *seen)
{
    uint64_t now = atomic_load(&state);
    while ((uint32_t)(now >> 32) != *seen) {
        if (!(now & OPEN)) {
            *seen = (uint32_t)(now >> 32);
        } else if (atomic_compare_exchange_weak(&state, &now, now + 1)) {
            *seen = (uint32_t)(now >> 32);
            return 1;
        }
    }
    return 0;
}

/* Opens the loop, of which all is set, to the threads. */
static void open_loop(int threads)
{
    loop.piece = loop.count / (PIECES * (threads + 1)) + 1;
    atomic_store(&next, 0);
    atomic_store(&state, ((atomic_load(&state) >> 32) + 1) << 32 | OPEN);
}

/* Sleeps while no loop after that number has begun; while threads are inside the loop. */
static void wait_for_loop(uint32_t seen);
static void wait_for_all(void);
/* Wakes who waits for all. */
static void wake_owner(void);

/* What a thread does for ever. */
static void serve(uint32_t seen)
{
    for (;;) {
        for (int i = 0; i < SPINS && number() == seen; i++) {}
        wait_for_loop(seen);
        if (!joined(&seen)) continue;
        work();
        if (((atomic_fetch_sub(&state, 1) - 1) & (OPEN | INSIDE)) == 0) wake_owner();
    }
}

#if defined(__wasm__)
/* Threads are workers of the page: instances of this module with the same memory, each with a stack of its own. They
 * sleep at the upper half of `state`, the owner of a loop at the lower. What a thread that ends leaves undone nobody
 * knows: then the owner ends too, by a trap, and the page starts anew. */
enum { LOOKS = 300 };
static const int64_t BETWEEN = 100000000; /* ns from one look of the owner to the next */
static atomic_int lost; /* whether a thread has ended */
static int *half(int upper) { return (int *)(void *)&state + upper; }

static void wait_for_loop(uint32_t seen)
{
    while (number() == seen) __builtin_wasm_memory_atomic_wait32(half(1), (int)seen, -1);
}

static void wait_for_all(void)
{
    uint32_t now;
    for (int looks = 0; (now = (uint32_t)atomic_load(&state)) & INSIDE; looks++) {
        if (atomic_load(&lost) || looks == LOOKS) __builtin_trap();
        __builtin_wasm_memory_atomic_wait32(half(0), (int)now, BETWEEN);
    }
}

static void wake_owner(void) { __builtin_wasm_memory_atomic_notify(half(0), 1); }

static int opened(void)
{
    const int threads = atomic_load(&running);
    if (threads) {
        open_loop(threads);
        __builtin_wasm_memory_atomic_notify(half(1), MOST);
    }
    return threads;
}

int32_t aec_threads(int32_t count) { return (void)count, 1 + atomic_load(&running); }

/* The calling thread is one of the pool from now on, and does not come back. */
__attribute__((visibility("default"))) void aec_help(void)
{
    const uint32_t seen = number();
    atomic_fetch_add(&running, 1);
    serve(seen);
}

/* Of a thread that a trap has ended. */
__attribute__((visibility("default"))) void aec_lost(void)
{
    atomic_store(&lost, 1);
    wake_owner();
}
#else
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER, rest = PTHREAD_COND_INITIALIZER;
static int wanted = 1; /* threads of a loop, its caller among them */

static void wait_for_loop(uint32_t seen)
{
    pthread_mutex_lock(&lock);
    while (number() == seen) pthread_cond_wait(&wake, &lock);
    pthread_mutex_unlock(&lock);
}

static void wait_for_all(void)
{
    pthread_mutex_lock(&lock);
    while (atomic_load(&state) & INSIDE) pthread_cond_wait(&rest, &lock);
    pthread_mutex_unlock(&lock);
}

static void wake_owner(void)
{
    pthread_mutex_lock(&lock);
    pthread_cond_signal(&rest);
    pthread_mutex_unlock(&lock);
}

static void *run(void *last)
{
    serve((uint32_t)(uintptr_t)last);
    return NULL;
}

/* A child process has none of the threads. */
static void forked(void)
{
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    wake = rest = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    atomic_store(&running, 0);
    atomic_store(&taken, 0);
    atomic_store(&state, 0);
}

/* Starts the threads that are missing; the caller has taken the pool. Fewer than wanted will do. */
static void start(void)
{
    static int prepared;
    if (!prepared) prepared = !pthread_atfork(NULL, NULL, forked);
    while (prepared && atomic_load(&running) < wanted - 1) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, (void *)(uintptr_t)number())) break;
        pthread_detach(thread);
        atomic_fetch_add(&running, 1);
    }
}

int32_t aec_threads(int32_t count)
{
    pthread_mutex_lock(&lock);
    wanted = clamp(count, 1, MOST);
    const int now = wanted;
    pthread_mutex_unlock(&lock);
    return now;
}

static int opened(void)
{
    pthread_mutex_lock(&lock);
    start();
    const int threads = wanted > 1 ? atomic_load(&running) : 0;
    if (threads) {
        open_loop(threads);
        pthread_cond_broadcast(&wake);
    }
    pthread_mutex_unlock(&lock);
    return threads;
}
#endif

void aec_parallel(int count, void (*fn)(void *, int, int), void *context)
{
    int none = 0;
    if (count < 2 || !atomic_compare_exchange_strong(&taken, &none, 1)) {
        fn(context, 0, count);
        return;
    }
    loop.fn = fn, loop.context = context, loop.count = count;
    if (opened()) {
        work();
        atomic_fetch_and(&state, ~OPEN);
        for (int i = 0; i < SPINS && (atomic_load(&state) & INSIDE); i++) {}
        wait_for_all();
    } else {
        fn(context, 0, count);
    }
    atomic_store(&taken, 0);
}
#endif
