/* A wall clock that jumps four times a second, by an hour or a year, back and forth, or stands
 * still. Preloaded; clocks that only go forward are left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>

#define YEAR 31536000L
#define STILL 1900000000L /* in March 2030 */

static const long jumps[] = {0, 3600, -3600, YEAR, -YEAR, STILL};

typedef int (*clock_function)(clockid_t, struct timespec *);

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static clock_function real;
    struct timespec steady;
    long jump;
    int result;
    if (real == NULL)
        real = (clock_function)dlsym(RTLD_NEXT, "clock_gettime");
    result = real(clock, now);
    if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return result;
    real(CLOCK_MONOTONIC, &steady);
    jump = jumps[(steady.tv_sec * 4 + steady.tv_nsec / 250000000) % 6];
    if (jump == STILL)
        *now = (struct timespec){.tv_sec = STILL};
    else
        now->tv_sec += jump;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec wall;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &wall);
    now->tv_sec = wall.tv_sec;
    now->tv_usec = wall.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    if (now != NULL)
        *now = wall.tv_sec;
    return wall.tv_sec;
}
