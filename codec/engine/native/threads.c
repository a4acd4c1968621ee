/* A pool of threads for the loops of a layer. One loop at a time uses it: a call that finds it taken does its loop
 * alone, as its caller has threads of its own then. Nobody waits for a thread that has not begun: the processor may be
 * busy with others. Where there are no POSIX threads every loop is done alone. */
#include "internal.h"

#if defined(_WIN32) || defined(__wasm__)
int32_t aec_threads(int32_t count) { return (void)count, 1; }
void aec_parallel(int count, void (*fn)(void *, int, int), void *context) { fn(context, 0, count); }
#else
#include <pthread.h>
#include <stdatomic.h>

enum { MOST = 256, SPINS = 4000, PIECES = 4 }; /* pieces per thread: who is interrupted leaves the rest to others */
static const uint64_t OPEN = UINT64_C(1) << 31, INSIDE = OPEN - 1;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows but for atomics */
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER, rest = PTHREAD_COND_INITIALIZER;
static int wanted = 1, running; /* threads of a loop, its caller among them; threads started */
static atomic_int taken; /* whether a loop uses the pool */
static _Atomic uint64_t state; /* number of the loop << 32, whether threads may join it, threads that are inside */
static atomic_int next; /* first of the loop that nobody has begun */
static struct {
    void (*fn)(void *, int, int);
    void *context;
    int count, piece;
} loop;

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

static void *run(void *last)
{
    uint32_t seen = (uint32_t)(uintptr_t)last;
    for (;;) {
        for (int i = 0; i < SPINS && (uint32_t)(atomic_load(&state) >> 32) == seen; i++) {}
        pthread_mutex_lock(&lock);
        while ((uint32_t)(atomic_load(&state) >> 32) == seen) pthread_cond_wait(&wake, &lock);
        pthread_mutex_unlock(&lock);
        if (!joined(&seen)) continue;
        work();
        if (((atomic_fetch_sub(&state, 1) - 1) & (OPEN | INSIDE)) == 0) {
            pthread_mutex_lock(&lock);
            pthread_cond_signal(&rest);
            pthread_mutex_unlock(&lock);
        }
    }
    return NULL;
}

/* A child process has none of the threads. */
static void forked(void)
{
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    wake = rest = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    running = 0;
    atomic_store(&taken, 0);
    atomic_store(&state, 0);
}

/* Starts the threads that are missing; the caller has taken the pool. Fewer than wanted will do. */
static void start(void)
{
    static int prepared;
    if (!prepared) prepared = !pthread_atfork(NULL, NULL, forked);
    while (prepared && running < wanted - 1) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, (void *)(uintptr_t)(atomic_load(&state) >> 32))) break;
        pthread_detach(thread);
        running++;
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

/* Opens a loop to the threads; 0 where there are none. */
static int opened(int count, void (*fn)(void *, int, int), void *context)
{
    pthread_mutex_lock(&lock);
    start();
    const int threads = wanted > 1 ? running : 0;
    if (threads) {
        loop.fn = fn, loop.context = context, loop.count = count;
        loop.piece = count / (PIECES * (threads + 1)) + 1;
        atomic_store(&next, 0);
        atomic_store(&state, ((atomic_load(&state) >> 32) + 1) << 32 | OPEN);
        pthread_cond_broadcast(&wake);
    }
    pthread_mutex_unlock(&lock);
    return threads;
}

void aec_parallel(int count, void (*fn)(void *, int, int), void *context)
{
    int none = 0;
    if (count < 2 || !atomic_compare_exchange_strong(&taken, &none, 1)) {
        fn(context, 0, count);
        return;
    }
    if (opened(count, fn, context)) {
        work();
        atomic_fetch_and(&state, ~OPEN);
        for (int i = 0; i < SPINS && (atomic_load(&state) & INSIDE); i++) {}
        pthread_mutex_lock(&lock);
        while (atomic_load(&state) & INSIDE) pthread_cond_wait(&rest, &lock);
        pthread_mutex_unlock(&lock);
    } else {
        fn(context, 0, count);
    }
    atomic_store(&taken, 0);
}
#endif
