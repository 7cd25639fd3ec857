/* Notes whom a process asks for: names that it looks up, and addresses beyond this machine that it turns to. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern char *program_invocation_name;

static void note(const char *what) {
    const char *path = getenv("LOOKUPS");
    int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0644) : -1;
    if (file >= 0) {
        dprintf(file, "%s %s\n", program_invocation_name, what);
        close(file);
    }
}

static void note_name(const char *name) {
    if (name && strcmp(name, "localhost") && strncmp(name, "127.", 4) && strcmp(name, "::1") && strcmp(name, "0.0.0.0"))
        note(name);
}

static void note_address(const struct sockaddr *address) {
    char text[INET6_ADDRSTRLEN] = "";
    if (address && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
    else if (address && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text, sizeof text);
    if (*text)
        note_name(text);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    note_name(name);
    return ((int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))
                dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, found);
}

struct hostent *gethostbyname(const char *name) {
    note_name(name);
    return ((struct hostent * (*)(const char *)) dlsym(RTLD_NEXT, "gethostbyname"))(name);
}

int connect(int socket, const struct sockaddr *address, socklen_t length) {
    note_address(address);
    return ((int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect"))(socket, address, length);
}

ssize_t sendto(int socket, const void *content, size_t size, int flags, const struct sockaddr *address, socklen_t length) {
    note_address(address);
    return ((ssize_t (*)(int, const void *, size_t, int, const struct sockaddr *, socklen_t))
                dlsym(RTLD_NEXT, "sendto"))(socket, content, size, flags, address, length);
}
