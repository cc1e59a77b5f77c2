/* Lets the n-th call that changes a file below a folder fail, or end the process by SIGKILL.
 *
 * Preloaded: also the calls of SQLite, which no Python code can wrap. Nothing happens until
 * fault_arm() was called.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char folder[PATH_MAX];
static long calls; /* so far */
static long nth;
static int error; /* what errno says; 0: SIGKILL in place of the call */
static int stays; /* all later calls fail as well */

void fault_arm(const char *below, long at, int what, int from_then_on)
{
    strncpy(folder, below, sizeof folder - 1);
    calls = 0;
    nth = at;
    error = what;
    stays = from_then_on;
}

long fault_calls(void) { return calls; }

static int fails(void)
{
    calls++;
    if (calls != nth && !(stays && calls > nth))
        return 0;
    if (error == 0)
        kill(getpid(), SIGKILL);
    errno = error;
    return 1;
}

static int path_fails(const char *path)
{
    return folder[0] && strncmp(path, folder, strlen(folder)) == 0 && fails();
}

static int file_fails(int descriptor)
{
    char link[64], path[PATH_MAX];
    ssize_t length;
    if (!folder[0])
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = '\0';
    return path_fails(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *from, size_t count)
{
    return file_fails(file) ? -1 : REAL(write)(file, from, count);
}

ssize_t pwrite(int file, const void *from, size_t count, off_t at)
{
    return file_fails(file) ? -1 : REAL(pwrite)(file, from, count, at);
}

ssize_t pwrite64(int file, const void *from, size_t count, off64_t at)
{
    return file_fails(file) ? -1 : REAL(pwrite64)(file, from, count, at);
}

int fsync(int file) { return file_fails(file) ? -1 : REAL(fsync)(file); }

int fdatasync(int file) { return file_fails(file) ? -1 : REAL(fdatasync)(file); }

int ftruncate(int file, off_t size)
{
    return file_fails(file) ? -1 : REAL(ftruncate)(file, size);
}

int ftruncate64(int file, off64_t size)
{
    return file_fails(file) ? -1 : REAL(ftruncate64)(file, size);
}

int rename(const char *from, const char *to)
{
    return path_fails(to) ? -1 : REAL(rename)(from, to);
}

int unlink(const char *path) { return path_fails(path) ? -1 : REAL(unlink)(path); }
