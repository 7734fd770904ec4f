// A server on libevhtp, as Triton's HTTP front end is one. libevhtp itself ignores SIGPIPE in evhtp_new; with
// the argument "default" it's put back afterwards, as any library or plugin loaded later may do.
//
// GET /small, /big (8 MiB by writev), /file?PATH (evbuffer_add_file: sendfile). POST anywhere: the length of the body.
//
// flags: -levhtp -levent -lssl -lcrypto
#include <evhtp.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BIG = 8 << 20 };
static char big[BIG];

static void answer(evhtp_request_t *request, void *unused) {
    (void)unused;
    const char *path = request->uri->path->full;
    const char *query = (const char *)request->uri->query_raw;
    if (request->method == htp_method_POST) {
        evbuffer_add_printf(request->buffer_out, "%zu", evbuffer_get_length(request->buffer_in));
    } else if (!strcmp(path, "/big")) {
        evbuffer_add_reference(request->buffer_out, big, sizeof big, NULL, NULL);
    } else if (!strcmp(path, "/file") && query) {
        int file = open(query, O_RDONLY | O_CLOEXEC);
        struct stat status;
        if (file < 0 || fstat(file, &status)) {
            evhtp_send_reply(request, EVHTP_RES_NOTFOUND);
            return;
        }
        // As in the bufferevent's own output buffer, without which libevent maps the file and uses writev.
        evbuffer_set_flags(request->buffer_out, EVBUFFER_FLAG_DRAINS_TO_FD);
        evbuffer_add_file(request->buffer_out, file, 0, status.st_size);
    } else {
        evbuffer_add_printf(request->buffer_out, "small");
    }
    evhtp_send_reply(request, EVHTP_RES_OK);
}

static void end(evutil_socket_t signal, short what, void *base) {
    (void)signal, (void)what;
    event_base_loopbreak(base);
}

int main(int argc, char **argv) {
    memset(big, 'b', sizeof big);
    struct event_base *base = event_base_new();
    evhtp_t *http = evhtp_new(base, NULL);
    evhtp_set_gencb(http, answer, NULL);
    if (evhtp_bind_socket(http, "127.0.0.1", 0, 128)) return 1;
    if (argc > 1 && !strcmp(argv[1], "default")) signal(SIGPIPE, SIG_DFL);
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    if (getsockname(evconnlistener_get_fd(http->server), (struct sockaddr *)&address, &length)) return 1;
    struct event *term = evsignal_new(base, SIGTERM, end, base);
    event_add(term, NULL);
    printf("listening on %d\n", ntohs(address.sin_port));
    fflush(stdout);
    event_base_dispatch(base);
    event_free(term);
    evhtp_unbind_socket(http);
    evhtp_free(http);
    event_base_free(base);
    return 0;
}
