/* vanish_tls PORT N LENGTH < REQUEST: so many TLS clients that send the request, read as much of the answer and go away
   by FIN and RST, without a close_notify. Eight at a time, until one finds no server. Prints how many found one.

   vanish_tls PORT stay LENGTH < REQUEST: one client that stays, and prints what it reads. */
// flags: -lssl -lcrypto
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static SSL_CTX *context;
static int port, number, wanted, length, stay;
static char request[1 << 20];
static atomic_int next, served;

static int vanish(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct timeval limit = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    SSL *ssl = NULL;
    int ok = 0;
    if (!connect(fd, (struct sockaddr *)&address, sizeof address)) {
        ssl = SSL_new(context);
        SSL_set_fd(ssl, fd);
        ok = SSL_connect(ssl) == 1 && SSL_write(ssl, request, length) == length;
    }
    if (ok) {
        char buffer[16384];
        for (int left = wanted, got; left > 0; left -= got) {
            got = SSL_read(ssl, buffer, left < (int)sizeof buffer ? left : (int)sizeof buffer);
            if (got <= 0) break;
            if (stay) fwrite(buffer, 1, got, stdout);
        }
        if (stay) {
            SSL_shutdown(ssl);
        } else {
            shutdown(fd, SHUT_WR);
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
        }
    }
    SSL_free(ssl);
    close(fd);
    return ok;
}

static void *clients(void *unused) {
    while (atomic_fetch_add(&next, 1) < number && vanish()) atomic_fetch_add(&served, 1);
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    signal(SIGPIPE, SIG_IGN);
    port = atoi(argv[1]);
    stay = !strcmp(argv[2], "stay");
    number = atoi(argv[2]);
    wanted = atoi(argv[3]);
    length = fread(request, 1, sizeof request, stdin);
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    if (stay) return !vanish();
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, clients, NULL);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    printf("%d\n", served);
    return served == number ? 0 : 1;
}
