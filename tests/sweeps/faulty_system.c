/* Preloaded into a process: faults of its machine that a test cannot make otherwise.
   FAULTY_CLOCK: seconds by which its clock is wrong. FAULTY_NAME: the name of its machine.
   FAULTY_STALE: below this folder the first read of every file fails with ESTALE. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long wrong(void) {
    const char *text = getenv("FAULTY_CLOCK");
    return text ? atol(text) : 0;
}

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, at);
    if (!code && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += wrong();
    return code;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

int gethostname(char *name, size_t length) {
    static int (*real)(char *, size_t);
    const char *other = getenv("FAULTY_NAME");
    if (!real) real = dlsym(RTLD_NEXT, "gethostname");
    if (!other) return real(name, length);
    snprintf(name, length, "%s", other);
    return 0;
}

/* Whether the file of this descriptor lies below FAULTY_STALE and is read for the first time. */
static int stale(int fd) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char *seen[20000];
    static int count;
    const char *folder = getenv("FAULTY_STALE");
    char link[64], path[4096];
    if (!folder) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (strncmp(path, folder, strlen(folder))) return 0;
    pthread_mutex_lock(&lock);
    int old = 0;
    for (int i = 0; i < count && !old; i++) old = !strcmp(seen[i], path);
    if (!old && count < 20000) seen[count++] = strdup(path);
    pthread_mutex_unlock(&lock);
    if (!old) errno = ESTALE;
    return !old;
}

ssize_t read(int fd, void *data, size_t size) {
    static ssize_t (*real)(int, void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "read");
    return stale(fd) ? -1 : real(fd, data, size);
}

ssize_t pread(int fd, void *data, size_t size, off_t at) {
    static ssize_t (*real)(int, void *, size_t, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "pread");
    return stale(fd) ? -1 : real(fd, data, size, at);
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
    static ssize_t (*real)(int, void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pread64");
    return stale(fd) ? -1 : real(fd, data, size, at);
}
