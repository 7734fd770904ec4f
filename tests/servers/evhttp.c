// A server on libevent's evhttp, as its manual shows one: it never thinks of SIGPIPE.
//
// GET /small, /big (8 MiB by writev), /file?PATH (evbuffer_add_file: sendfile). POST anywhere: the length of the body.
//
// flags: -levent
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
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

static void answer(struct evhttp_request *request, void *unused) {
    (void)unused;
    const char *uri = evhttp_request_get_uri(request);
    struct evbuffer *body = evbuffer_new();
    if (evhttp_request_get_command(request) == EVHTTP_REQ_POST) {
        evbuffer_add_printf(body, "%zu", evbuffer_get_length(evhttp_request_get_input_buffer(request)));
    } else if (!strcmp(uri, "/big")) {
        evbuffer_add_reference(body, big, sizeof big, NULL, NULL);
    } else if (!strncmp(uri, "/file?", 6)) {
        int file = open(uri + 6, O_RDONLY | O_CLOEXEC);
        struct stat status;
        if (file < 0 || fstat(file, &status)) {
            evbuffer_free(body);
            evhttp_send_error(request, 404, NULL);
            return;
        }
        // As in the bufferevent's own output buffer, without which libevent maps the file and uses writev.
        evbuffer_set_flags(body, EVBUFFER_FLAG_DRAINS_TO_FD);
        evbuffer_add_file(body, file, 0, status.st_size);
    } else {
        evbuffer_add_printf(body, "small");
    }
    evhttp_send_reply(request, 200, "OK", body);
    evbuffer_free(body);
}

static void end(evutil_socket_t signal, short what, void *base) {
    (void)signal, (void)what;
    event_base_loopbreak(base);
}

int main(void) {
    memset(big, 'b', sizeof big);
    struct event_base *base = event_base_new();
    struct evhttp *http = evhttp_new(base);
    evhttp_set_max_body_size(http, 64 << 20);
    evhttp_set_gencb(http, answer, NULL);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(http, "127.0.0.1", 0);
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    if (!bound || getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &length)) return 1;
    struct event *term = evsignal_new(base, SIGTERM, end, base);
    event_add(term, NULL);
    printf("listening on %d\n", ntohs(address.sin_port));
    fflush(stdout);
    event_base_dispatch(base);
    event_free(term);
    evhttp_free(http);
    event_base_free(base);
    return 0;
}
