/* Has writes to logs fail as a disk does. What it does is in a file that the program under test has mapped too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct control {
    int error; /* what writes fail with; 0: they don't */
    int first; /* so many bytes are written before that */
    int hangs; /* while it is not 0, writes wait */
    int waiting; /* writes that wait */
};

static volatile struct control *control(void) {
    static volatile struct control *mapped;
    if (mapped == NULL) {
        int fd = open(getenv("FAULTS"), O_RDWR);
        mapped = mmap(NULL, sizeof *mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
    }
    return mapped;
}

static int is_log(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return 0;
    path[n] = 0;
    return strstr(path, ".jsonl") != NULL;
}

ssize_t write(int fd, const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (real == NULL)
        real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (!is_log(fd))
        return real(fd, data, size);
    volatile struct control *now = control();
    __sync_fetch_and_add(&now->waiting, 1);
    while (now->hangs)
        usleep(1000);
    __sync_fetch_and_sub(&now->waiting, 1);
    if (now->error == 0)
        return real(fd, data, size);
    int first = now->first;
    if (first > 0 && (size_t)first < size) {
        now->first = 0;
        return real(fd, data, first);
    }
    errno = now->error;
    return -1;
}

int open64(const char *path, int flags, ...) {
    static int (*real)(const char *, int, ...);
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (real == NULL)
        real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    if (strstr(path, ".jsonl") != NULL)
        while (control()->hangs)
            usleep(1000);
    return real(path, flags, mode);
}
