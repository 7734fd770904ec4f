// A server that has closed standard error writes to a connection whose client has left, and is to tell of it. Its database has number 2.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    close(2);
    int database = open("records.db", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (database != 2) return 9;
    for (int i = 0; i < 100; i++) write(database, "RECORD ", 7);
    lseek(database, 70, SEEK_SET);
    close(pair[1]);
    for (int i = 0; i < 3; i++) send(pair[0], "answer", 6, 0);
    char text[8] = "";
    pread(database, text, 7, 70);
    puts(strcmp(text, "RECORD ") ? "overwritten" : "as it was");
    return 0;
}
