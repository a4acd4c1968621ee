/* A pool of threads for the loops of a layer. One loop at a time uses it: a call that finds it taken does its loop
 * alone, as its caller has threads of its own then. Where there are no POSIX threads every loop is done alone. */
#include "internal.h"

#if defined(_WIN32) || defined(__wasm__)
int32_t aec_threads(int32_t count) { return (void)count, 1; }
void aec_parallel(int count, void (*fn)(void *, int, int), void *context) { fn(context, 0, count); }
#else
#include <pthread.h>
#include <stdatomic.h>

enum { MOST = 256, SPINS = 2000, PIECES = 4 }; /* pieces per thread: who is interrupted leaves the rest to others */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows but for atomics */
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER, rest = PTHREAD_COND_INITIALIZER;
static int wanted = 1, running; /* threads of a loop, its caller among them; threads started */
static atomic_int taken; /* whether a loop uses the pool */
static atomic_uint loops; /* how many loops there were */
static atomic_int busy; /* threads that have not finished with the last */
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

static void *run(void *seen_at_start)
{
    unsigned seen = (unsigned)(uintptr_t)seen_at_start;
    for (;;) {
        for (int i = 0; i < SPINS && atomic_load(&loops) == seen; i++) {}
        if (atomic_load(&loops) == seen) {
            pthread_mutex_lock(&lock);
            while (atomic_load(&loops) == seen) pthread_cond_wait(&wake, &lock);
            pthread_mutex_unlock(&lock);
        }
        seen++;
        work();
        if (atomic_fetch_sub(&busy, 1) == 1) {
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
    atomic_store(&busy, 0);
}

/* Starts the threads that are missing; the caller has taken the pool. Fewer than wanted will do. */
static void start(void)
{
    static int prepared;
    if (!prepared) prepared = !pthread_atfork(NULL, NULL, forked);
    while (prepared && running < wanted - 1) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, (void *)(uintptr_t)atomic_load(&loops))) break;
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

void aec_parallel(int count, void (*fn)(void *, int, int), void *context)
{
    int none = 0;
    if (count < 2 || !atomic_compare_exchange_strong(&taken, &none, 1)) {
        fn(context, 0, count);
        return;
    }
    pthread_mutex_lock(&lock);
    start();
    const int threads = wanted > 1 ? running : 0;
    if (threads) {
        loop.fn = fn, loop.context = context, loop.count = count;
        loop.piece = count / (PIECES * (threads + 1)) + 1;
        atomic_store(&next, 0);
        atomic_store(&busy, threads);
        atomic_fetch_add(&loops, 1);
        pthread_cond_broadcast(&wake);
    }
    pthread_mutex_unlock(&lock);
    if (threads) {
        work();
        for (int i = 0; i < SPINS && atomic_load(&busy); i++) {}
        pthread_mutex_lock(&lock);
        while (atomic_load(&busy)) pthread_cond_wait(&rest, &lock);
        pthread_mutex_unlock(&lock);
    } else {
        fn(context, 0, count);
    }
    atomic_store(&taken, 0);
}
#endif
